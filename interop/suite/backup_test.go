package suite

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boltkey/interop/suite/server"
)

// influx runs the influx CLI against a server: the command, its options, then the rest.
func influx(t *testing.T, s *server.Server, token string, command []string, rest ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	args := append(append([]string{}, command...), "--host", s.URL, "--token", token)
	cmd := exec.CommandContext(ctx, server.Binary("influx"), append(args, rest...)...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	text, err := cmd.CombinedOutput()
	return string(text), err == nil
}

var fullRestore = []string{"restore", "--full"}

// inspected is what `backup inspect` answers.
type inspected struct {
	Complete      bool
	Kind          string
	Files         []struct{ FileName, Role, State string }
	Schema        struct{ Migrations int }
	Tokens        struct{ Total, Plaintext, Hashed int }
	OperatorToken *struct {
		Matches bool
		ID      string
		Reason  string
	}
	FullRestore struct {
		CliBefore28   string `json:"cliBefore28"`
		Cli28         string `json:"cli28"`
		DeletesShards []struct {
			ID     int
			Bucket string
		}
	}
	Findings []map[string]any
}

func inspect(t *testing.T, backup, operator string) inspected {
	t.Helper()
	var i inspected
	args := []string{"backup", "inspect", backup}
	if operator != "" {
		args = append(args, "--operator-token-file", "-")
	}
	answer(t, &i, []int{0, 3}, operator, args...)
	if !i.Complete {
		t.Errorf("%s is not whole: %v", backup, i.Findings)
	}
	return i
}

// another is a server with an operator token of its own, to restore into.
func another(t *testing.T) (*server.Server, string) {
	t.Helper()
	s := start(t, server.V29, t.TempDir())
	facts, err := s.Setup("2.9.1", "")
	check(t, err)
	check(t, s.Must(facts.Operator(), "POST", "/api/v2/write?org=acme&bucket=metrics", "old v=1", nil))
	return s, facts.Operator()
}

// restoredWith posts the metadata of a backup as the influx CLI does, and goes on with the token
// of the reply, or else with operator, as --operator-token of CLI 2.8.0 does.
func restoredWith(t *testing.T, s *server.Server, token, backup, operator string) bool {
	t.Helper()
	post := func(token, path, pattern string) (int, []byte) {
		files, err := filepath.Glob(filepath.Join(backup, pattern))
		check(t, err)
		content, err := os.ReadFile(files[len(files)-1])
		check(t, err)
		if !strings.HasSuffix(files[len(files)-1], ".gz") {
			var packed bytes.Buffer
			w := gzip.NewWriter(&packed)
			w.Write(content)
			w.Close()
			content = packed.Bytes()
		}
		request, err := http.NewRequest("POST", s.URL+path, bytes.NewReader(content))
		check(t, err)
		request.Header.Set("Authorization", "Token "+token)
		request.Header.Set("Content-Encoding", "gzip")
		request.Header.Set("Content-Type", "application/octet-stream")
		response, err := http.DefaultClient.Do(request)
		check(t, err)
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		check(t, err)
		return response.StatusCode, text
	}
	status, text := post(token, "/api/v2/restore/kv", "*.bolt*")
	if status != 200 {
		return false
	}
	var reply struct{ Token string }
	check(t, json.Unmarshal(text, &reply))
	if reply.Token != "" {
		token = reply.Token
	} else if operator != "" {
		token = operator
	}
	status, _ = post(token, "/api/v2/restore/sql", "*.sqlite*")
	return status == 200 || status == 204
}

// knowsAll expects the server to accept every token as described.
func knowsAll(t *testing.T, s *server.Server, facts *server.Facts) {
	t.Helper()
	known := 0
	for _, token := range facts.Tokens {
		gone := strings.HasPrefix(token.Name, "of the ") || token.Status == "deleted"
		ok, err := s.Knows(token.Token)
		check(t, err)
		if ok == gone {
			t.Errorf("%q: known %v", token.Name, ok)
		}
		if ok {
			known++
		}
	}
	if known < 25 {
		t.Errorf("only %d tokens are known", known)
	}
	for user, password := range facts.Passwords {
		if strings.HasPrefix(user, "collectd") {
			continue
		}
		request, err := http.NewRequest("POST", s.URL+"/api/v2/signin", nil)
		check(t, err)
		request.SetBasicAuth(user, password)
		response, err := http.DefaultClient.Do(request)
		check(t, err)
		response.Body.Close()
		if response.StatusCode != 204 {
			t.Errorf("%s can't sign in: %d", user, response.StatusCode)
		}
	}
}

// `backup inspect` reads what `influx backup` writes, and predicts the result of a full restore.
func TestInfluxBackupsAreInspected(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		check(t, l.server.Must(l.facts.Operator(), "POST", "/api/v2/write?org=acme&bucket=metrics", "m,h=b v=2", nil))
		for _, how := range []string{"gzip", "none"} {
			backup := filepath.Join(t.TempDir(), "backup")
			if text, ok := influx(t, l.server, l.facts.Operator(), []string{"backup", "--compression", how}, backup); !ok {
				t.Fatal(text)
			}
			i := inspect(t, backup, l.facts.Operator())
			shards := 0
			for _, file := range i.Files {
				if file.Role == "shard" {
					shards++
				}
			}
			if i.Kind != "influx" || shards < 2 || len(i.FullRestore.DeletesShards) != 0 {
				t.Errorf("%+v", i)
			}
			if i.OperatorToken == nil || !i.OperatorToken.Matches || i.OperatorToken.ID != l.facts.Tokens[0].ID {
				t.Errorf("%+v", i.OperatorToken)
			}
			if how == "none" {
				continue
			}
			if j := inspect(t, backup, ""); i.Tokens.Plaintext == 0 && j.FullRestore.Cli28 != "needs-operator-token" {
				t.Errorf("without an operator token: %+v", j.FullRestore)
			}
			s, token := another(t)
			text, ok := influx(t, s, token, fullRestore, backup)
			if ok != (i.FullRestore.CliBefore28 == "ok") {
				t.Errorf("a CLI before 2.8: %v, we said %s: %s", ok, i.FullRestore.CliBefore28, text)
			}
			stop(t, s)
			s, token = another(t)
			if ok := restoredWith(t, s, token, backup, l.facts.Operator()); ok != (i.FullRestore.Cli28 == "ok") {
				t.Errorf("a CLI since 2.8: %v, we said %s", ok, i.FullRestore.Cli28)
			}
			stop(t, s)
			j := inspect(t, backup, "wrong")
			s, token = another(t)
			if ok := restoredWith(t, s, token, backup, "wrong"); ok != (j.FullRestore.Cli28 == "ok") {
				t.Errorf("a CLI since 2.8, wrong token: %v, we said %s", ok, j.FullRestore.Cli28)
			}
			stop(t, s)
		}
		stop(t, l.server)
	})
}

// A full restore into a running server accepts our exports: directly if the first operator token is
// in plaintext, and always after `backup token`. No plaintext comes with it.
func TestExportsAreRestoredByTheInfluxCLI(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		stop(t, l.server)
		backup := filepath.Join(t.TempDir(), "backup")
		var exported struct{ Sqlite bool }
		answer(t, &exported, []int{0}, "", "backup", "export", "--influx-manifest", "--out", backup, "--db", server.Bolt(l.server.Dir))
		if !exported.Sqlite {
			t.Error("without SQLite")
		}
		i := inspect(t, backup, "")
		if len(i.FullRestore.DeletesShards) == 0 {
			t.Error("no shards are named")
		}
		s, token := another(t)
		text, ok := influx(t, s, token, fullRestore, backup)
		if ok != (i.FullRestore.CliBefore28 == "ok") {
			t.Errorf("%v, we said %s: %s", ok, i.FullRestore.CliBefore28, text)
		}
		if ok {
			knowsAll(t, s, l.facts)
		}
		stop(t, s)

		with := filepath.Join(t.TempDir(), "with")
		var made struct {
			Authorization authorization
			Existing      bool
		}
		answer(t, &made, []int{0}, "", "backup", "token", backup, "--out", with, "--generate")
		if j := inspect(t, with, made.Authorization.Token); j.FullRestore.CliBefore28 != "ok" || j.OperatorToken.ID != made.Authorization.ID {
			t.Errorf("%+v", j)
		}
		s, token = another(t)
		if text, ok := influx(t, s, token, fullRestore, with); !ok {
			t.Fatal(text)
		}
		knowsAll(t, s, l.facts)
		check(t, s.Must(made.Authorization.Token, "GET", "/api/v2/config", nil, nil))
		stop(t, s)
		// Of a store with plaintext, where this is seen, it comes with it.
		shown := 0
		for _, token := range l.facts.Tokens {
			if token.Name == "telegraf" || shows(t, server.Bolt(s.Dir), token.Token) == 0 {
				continue
			}
			shown++
			if i.Tokens.Plaintext == 0 {
				t.Errorf("the new server's file shows %q", token.Name)
			}
		}
		if shown < i.Tokens.Plaintext-2 {
			t.Errorf("%d tokens are shown, where %d are kept in plaintext", shown, i.Tokens.Plaintext)
		}
		// The token is hashed with all others at the next start, and works.
		s = start(t, server.V29, s.Dir)
		check(t, s.Must(made.Authorization.Token, "GET", "/api/v2/config", nil, nil))
		knowsAll(t, s, l.facts)
		stop(t, s)

		// The first operator token of the backup itself will do as well.
		answer(t, &made, []int{0}, l.facts.Operator(), "backup", "token", backup, "--out", filepath.Join(t.TempDir(), "own"), "--token-file", "-")
		if !made.Existing || made.Authorization.ID != l.facts.Tokens[0].ID {
			t.Errorf("%+v", made)
		}
	})
}
