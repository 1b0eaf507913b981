// Package server runs real influxd processes on loopback and speaks to them as their users do.
package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Release names a server that interop/build makes.
type Release string

// The servers at hand.
const (
	V27 Release = "influxd27" // 2.7.12: knows no hashed tokens
	V29 Release = "influxd29" // 2.9.1: hashes all tokens when it starts, unless told otherwise
)

// Binary returns the path of something that interop/build made.
func Binary(name string) string {
	dir := os.Getenv("BOLTKEY_INTEROP_BUILD")
	if dir == "" {
		dir = filepath.Join("..", ".build")
	}
	return filepath.Join(dir, name)
}

// Server is a running influxd.
type Server struct {
	Dir    string // holds influxd.bolt, influxd.sqlite and engine
	URL    string
	cmd    *exec.Cmd
	log    bytes.Buffer
	exited chan struct{} // closed when the process is gone
}

// Bolt returns the path of the database in a server's folder.
func Bolt(dir string) string { return filepath.Join(dir, "influxd.bolt") }

// Start runs a server on the files in dir and waits until it is ready. The process dies with
// this one.
func Start(release Release, dir string, flags ...string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: dir, URL: fmt.Sprintf("http://127.0.0.1:%d", port)}
	args := append([]string{
		"--bolt-path", Bolt(dir),
		"--sqlite-path", filepath.Join(dir, "influxd.sqlite"),
		"--engine-path", filepath.Join(dir, "engine"),
		"--http-bind-address", fmt.Sprintf("127.0.0.1:%d", port),
		"--reporting-disabled",
	}, flags...)
	s.cmd = exec.Command(Binary(string(release)), args...)
	s.cmd.Env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.exited = make(chan struct{})
	go func() {
		s.cmd.Wait()
		close(s.exited)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for {
		select {
		case <-s.exited:
			return nil, fmt.Errorf("%s exited while starting: %v\n%s", release, s.cmd.ProcessState, s.log.String())
		case <-ctx.Done():
			s.Kill()
			return nil, fmt.Errorf("%s is not ready after a minute\n%s", release, s.log.String())
		case <-time.After(50 * time.Millisecond):
		}
		if response, err := http.Get(s.URL + "/health"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return s, nil
			}
		}
	}
}

// Pid returns the server's process ID.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Stop ends the server as an operator would and returns what it logged.
func (s *Server) Stop() (string, error) {
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		return s.log.String(), err
	}
	select {
	case <-s.exited:
		return s.log.String(), nil
	case <-time.After(60 * time.Second):
		s.Kill()
		return s.log.String(), fmt.Errorf("influxd did not stop within a minute")
	}
}

// Kill ends the server at once, if it still runs, and waits until it is gone.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.exited
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// Call makes a request with a token and returns status and body.
func (s *Server) Call(token, method, path string, body any) (int, []byte, error) {
	var content io.Reader
	switch body := body.(type) {
	case nil:
	case string:
		content = strings.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, s.URL+path, content)
	if err != nil {
		return 0, nil, err
	}
	if token != "" {
		request.Header.Set("Authorization", "Token "+token)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

// Must is Call for requests that have to succeed; the answer is decoded into out unless nil.
func (s *Server) Must(token, method, path string, body, out any) error {
	status, text, err := s.Call(token, method, path, body)
	if err != nil {
		return err
	}
	if status < 200 || status > 299 {
		return fmt.Errorf("%s %s: %d %s", method, path, status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// Query runs Flux in an organization and returns the table as CSV.
func (s *Server) Query(token, org, flux string) (int, []byte, error) {
	path := "/api/v2/query?" + url.Values{"orgID": {org}}.Encode()
	return s.Call(token, "POST", path, map[string]string{"query": flux, "type": "flux"})
}

// Knows tells whether the server accepts a token for some request.
func (s *Server) Knows(token string) (bool, error) {
	status, _, err := s.Call(token, "GET", "/api/v2/resources", nil)
	return status == http.StatusOK, err
}
