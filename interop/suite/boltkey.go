// Package suite tests boltkey against real servers and Bolt itself.
package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"boltkey/interop/suite/server"
)

// outcome is how a run of boltkey ended.
type outcome struct {
	code           int
	stdout, stderr string
}

// boltkey runs our binary with a clean environment and nothing but input on standard input.
func boltkey(t *testing.T, input string, args ...string) outcome {
	t.Helper()
	binary := os.Getenv("BOLTKEY_BIN")
	if binary == "" {
		binary = filepath.Join("..", "..", "target", "release", "boltkey")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = []string{"HOME=" + t.TempDir()}
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("boltkey %v: %v", args, err)
	}
	return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// answer runs boltkey with --json, expects one of the exit codes and decodes what it prints.
func answer(t *testing.T, out any, codes []int, input string, args ...string) {
	t.Helper()
	result := boltkey(t, input, append(args, "--json")...)
	for _, code := range codes {
		if result.code == code {
			if err := json.Unmarshal([]byte(result.stdout), out); err != nil {
				t.Fatalf("boltkey %v: %v: %.300s", args, err, result.stdout)
			}
			return
		}
	}
	t.Fatalf("boltkey %v: exit %d: %s", args, result.code, result.stderr)
}

// decode reads a JSON document.
func decode(t *testing.T, text string, out any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), out); err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
}

// start runs a server for the time of a test.
func start(t *testing.T, release server.Release, dir string, flags ...string) *server.Server {
	t.Helper()
	s, err := server.Start(release, dir, flags...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

func stop(t *testing.T, s *server.Server) string {
	t.Helper()
	log, err := s.Stop()
	check(t, err)
	return log
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// copyOf copies a server's folder, as one does before trying an upgrade.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	check(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}
