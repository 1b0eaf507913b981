package suite

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"boltkey/interop/suite/server"
)

// failure is the last line of standard error of a command that failed under --json.
func failure(t *testing.T, result outcome) (code, message string) {
	t.Helper()
	var last struct {
		Error struct{ Code, Message string }
	}
	lines := strings.Split(strings.TrimSpace(result.stderr), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%v: %s", err, result.stderr)
	}
	return last.Error.Code, last.Error.Message
}

// While influxd runs, nothing is written; with --wait it is as soon as influxd has stopped.
func TestARunningServerIsNotWrittenTo(t *testing.T) {
	dir := t.TempDir()
	db := server.Bolt(dir)
	s := start(t, server.V29, dir)
	facts, err := s.Setup("2.9.1", "")
	check(t, err)
	out, keep := filepath.Join(t.TempDir(), "token"), filepath.Join(t.TempDir(), "copy")
	for _, c := range []struct {
		args  []string
		least time.Duration
	}{
		{[]string{"recover", "operator"}, 0},
		{[]string{"auth", "create-operator", "--username", "alice", "--org", "acme"}, 0},
		{[]string{"recover", "operator", "--yes", "--no-lock", "--user", "alice", "--org", "acme"}, 0},
		{[]string{"recover", "operator", "--user", "alice", "--org", "acme", "--wait", "700ms"}, 700 * time.Millisecond},
	} {
		before, began := picture(t, dir, db), time.Now()
		result := boltkey(t, "", append(c.args, "--json", "--db", db, "--token-out", out, "--keep-copy", keep)...)
		took := time.Since(began)
		code, message := failure(t, result)
		if result.code != 4 || code != "locked" || result.stdout != "" {
			t.Errorf("%v: exit %d, code %q", c.args, result.code, code)
		}
		if want := fmt.Sprintf("influxd29 (pid %d)", s.Pid()); !strings.Contains(message, want) {
			t.Errorf("%v: %q does not name %q", c.args, message, want)
		}
		if took < c.least || took > c.least+5*time.Second {
			t.Errorf("%v took %v", c.args, took)
		}
		if after := picture(t, dir, db); after != before {
			t.Errorf("%v changed something:\n%s\n%s", c.args, before, after)
		}
		for _, path := range []string{out, keep} {
			if _, err := os.Lstat(path); !os.IsNotExist(err) {
				t.Errorf("%v made %s", c.args, path)
			}
		}
	}

	waiting := make(chan outcome, 1)
	go func() {
		waiting <- boltkey(t, "", "recover", "operator", "--user", "alice", "--org", "acme", "--wait", "5s", "--json", "--db", db)
	}()
	select {
	case result := <-waiting:
		t.Fatalf("did not wait: exit %d: %s", result.code, result.stderr)
	case <-time.After(500 * time.Millisecond):
	}
	stop(t, s)
	result := <-waiting
	var m made
	check(t, json.Unmarshal([]byte(result.stdout), &m))
	if result.code != 0 || m.Changed == nil || !*m.Changed {
		t.Fatalf("after the stop: exit %d: %s", result.code, result.stderr)
	}
	sound(t, db)
	s = start(t, server.V29, dir)
	for _, token := range []string{m.Authorization.Token, facts.Operator()} {
		status, text, err := s.Call(token, "GET", "/api/v2/config", nil)
		check(t, err)
		if status != 200 {
			t.Errorf("%d %s", status, text)
		}
	}
	stop(t, s)
}

// While boltkey changes a store, influxd, Bolt and a second boltkey can't open it. Afterwards the
// change is there. The test runs the writer in short slices to stop it in the middle.
func TestNobodyElseGetsInWhileWeWrite(t *testing.T) {
	origin := t.TempDir()
	s := start(t, server.V29, origin)
	_, err := s.Setup("2.9.1", "")
	check(t, err)
	stop(t, s)
	for attempt := 1; ; attempt++ {
		dir := copyOf(t, origin)
		db := server.Bolt(dir)
		writer := startWriter(t, db)
		if !writer.haltWithLock(t, db) {
			if attempt == 20 {
				t.Fatal("the writer was never seen to hold the lock")
			}
			continue
		}
		if s, err := server.Start(server.V29, dir); err == nil {
			s.Kill()
			t.Error("influxd started")
		} else if !strings.Contains(err.Error(), "timeout") {
			t.Errorf("influxd: %v", err)
		}
		for _, judge := range []string{"bbolt136", "bbolt150"} {
			if text, err := exec.Command(server.Binary(judge), "check", db).CombinedOutput(); err == nil || !bytes.Contains(text, []byte("timeout")) {
				t.Errorf("%s: %v: %s", judge, err, text)
			}
		}
		for _, command := range [][]string{{"recover", "operator"}, {"status"}} {
			result := boltkey(t, "", append(command, "--json", "--db", db)...)
			_, message := failure(t, result)
			if want := fmt.Sprintf("boltkey (pid %d)", writer.cmd.Process.Pid); result.code != 4 || !strings.Contains(message, want) {
				t.Errorf("%v: exit %d: %q does not name %q", command, result.code, message, want)
			}
		}
		check(t, writer.cmd.Process.Signal(syscall.SIGCONT))
		check(t, writer.cmd.Wait())
		var m made
		check(t, json.Unmarshal(writer.stdout.Bytes(), &m))
		sound(t, db)
		s := start(t, server.V29, dir)
		status, text, err := s.Call(m.Authorization.Token, "GET", "/api/v2/config", nil)
		check(t, err)
		if status != 200 {
			t.Errorf("%d %s", status, text)
		}
		stop(t, s)
		t.Logf("caught at attempt %d", attempt)
		return
	}
}

type writer struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
}

func startWriter(t *testing.T, db string) *writer {
	t.Helper()
	binary := os.Getenv("BOLTKEY_BIN")
	if binary == "" {
		binary = filepath.Join("..", "..", "target", "release", "boltkey")
	}
	w := &writer{cmd: exec.Command(binary, "recover", "operator", "--json", "--db", db)}
	w.cmd.Env = []string{"HOME=" + t.TempDir()}
	w.cmd.Stdout = &w.stdout
	check(t, w.cmd.Start())
	t.Cleanup(func() {
		w.cmd.Process.Kill()
		w.cmd.Wait()
	})
	return w
}

// haltWithLock lets the writer run in short slices until it holds the exclusive lock, and leaves
// it halted. False if it ended first.
func (w *writer) haltWithLock(t *testing.T, db string) bool {
	t.Helper()
	info, err := os.Stat(db)
	check(t, err)
	place := fmt.Sprintf(":%d ", inode(info))
	holder := fmt.Sprintf(" WRITE %d ", w.cmd.Process.Pid)
	for {
		check(t, w.cmd.Process.Signal(syscall.SIGSTOP))
		var status syscall.WaitStatus
		_, err := syscall.Wait4(w.cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
		check(t, err)
		if !status.Stopped() {
			return false
		}
		table, err := os.ReadFile("/proc/locks")
		check(t, err)
		for _, line := range strings.Split(string(table), "\n") {
			if strings.Contains(line, " FLOCK ") && strings.Contains(line, holder) && strings.Contains(line, place) {
				return true
			}
		}
		check(t, w.cmd.Process.Signal(syscall.SIGCONT))
		time.Sleep(50 * time.Microsecond)
	}
}

// What is no database is neither changed nor is anything made for it, beside it or elsewhere.
func TestWrongPathsCreateNothing(t *testing.T) {
	lived := t.TempDir()
	s := start(t, server.V29, lived)
	_, err := s.Setup("2.9.1", "")
	check(t, err)
	stop(t, s)
	bolt, err := os.ReadFile(server.Bolt(lived))
	check(t, err)
	sqlite, err := os.ReadFile(filepath.Join(lived, "influxd.sqlite"))
	check(t, err)
	var gz bytes.Buffer
	packer := gzip.NewWriter(&gz)
	_, err = packer.Write(bolt)
	check(t, errors.Join(err, packer.Close()))

	for _, c := range []struct {
		name    string
		content []byte // nil: nothing stands there
		code    int
	}{
		{"missing.bolt", nil, 1},
		{"no/such/folder/influxd.bolt", nil, 1},
		{"folder", nil, 5},
		{"empty.bolt", []byte{}, 5},
		{"text.bolt", []byte("organization = \"acme\"\n"), 5},
		{"short.bolt", bolt[:1000], 5},
		{"zeros.bolt", make([]byte, 65536), 5},
		{"influxd.sqlite", sqlite, 5},
		{"influxd.bolt.gz", gz.Bytes(), 1},
		{"influxd.bolt", gz.Bytes(), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, outputs := t.TempDir(), t.TempDir()
			path := filepath.Join(dir, c.name)
			if c.content != nil {
				check(t, os.WriteFile(path, c.content, 0o600))
			} else if c.name == "folder" {
				check(t, os.Mkdir(path, 0o700))
			}
			before := tree(t, dir)
			names := []string{"--user", "alice", "--org", "acme"}
			for _, command := range [][]string{
				{"recover", "operator"},
				append([]string{"recover", "operator", "--yes"}, names...),
				append([]string{"recover", "operator", "--wait", "100ms"}, names...),
				append([]string{"recover", "operator", "--token-out", filepath.Join(outputs, "token"),
					"--keep-copy", filepath.Join(outputs, "copy")}, names...),
				append([]string{"auth", "create-operator"}, names...),
			} {
				result := boltkey(t, "", append(command, "--json", "--db", path)...)
				code, message := failure(t, result)
				want := map[int]string{1: "failed", 5: "unreadable"}[c.code]
				if result.code != c.code || code != want || result.stdout != "" {
					t.Errorf("%v: exit %d, code %s: %s", command, result.code, code, message)
				}
				if !strings.Contains(message, path) {
					t.Errorf("%v: %q does not name the path", command, message)
				}
				if now := tree(t, dir); now != before {
					t.Fatalf("%v changed something:\n%s\n%s", command, before, now)
				}
				if made := folder(t, outputs); made != "" {
					t.Fatalf("%v made %s", command, made)
				}
			}
		})
	}
}

// tree is everything below a folder: names, inodes, modes, times and contents.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	check(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "%s %d %v %v", path, inode(info), info.Mode(), info.ModTime())
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&all, " %x", sum(text))
		}
		all.WriteString("\n")
		return nil
	}))
	return all.String()
}
