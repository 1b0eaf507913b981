package suite

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boltkey/interop/suite/server"
)

// raw sends a request as it is, because Go's client refuses odd headers, and returns the status.
func raw(t *testing.T, s *server.Server, path, header string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	if header != "" {
		header = "Authorization: " + header + "\r\n"
	}
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", path, header)
	reply, err := io.ReadAll(conn)
	check(t, err)
	if len(reply) < 12 {
		t.Fatalf("%s: no reply", path)
	}
	return string(reply[9:12])
}

// What servers accept of odd tokens, and of odd forms of a plain one: `auth verify` says the same, and
// that the 1.x endpoints accept every token as the password.
func TestOddTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		release server.Release
		flags   []string
	}{
		{server.V27, nil},
		{server.V29, []string{noHashing}},
	} {
		t.Run(string(c.release), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := start(t, c.release, dir, c.flags...)
			_, err := s.Setup("odd", "")
			check(t, err)
			stop(t, s)
			db := server.Bolt(dir)
			odd := map[string]bool{ // whether /api/v2 accepts it
				"ends-in-line-feed\n": false, "ends-in-crlf\r\n": false, "ends-in-space ": false,
				"ends-in-tab\t": false, "control\x01character": false, " begins-with-space": true,
				"with:colon": true, "with space": true, "eyJhIjoxfQ.eyJhIjoxfQ.sig": false,
				"plain-token": true,
			}
			for token := range odd {
				made := boltkey(t, token+"\n", "auth", "create", "--db", db, "--operator",
					"--token-file", "-", "--allow-unusable", "--store", "plaintext")
				if made.code != 0 {
					t.Fatalf("%q: %s", token, made.stderr)
				}
			}
			accepts := func(given string) bool {
				var verified struct{ Authenticates bool }
				answer(t, &verified, []int{0, 3}, given+"\n", "auth", "verify", "--db", db,
					"--token-file", "-")
				return verified.Authenticates
			}
			said := map[string]bool{}
			forms := []string{"plain-token ", "plain-token\t", " plain-token", `"plain-token"`,
				"Token plain-token", "plain-token\u00a0"}
			for token, expected := range odd {
				if said[token] = accepts(token); said[token] != expected {
					t.Errorf("boltkey says %v of %q", said[token], token)
				}
			}
			for _, form := range forms {
				said[form] = accepts(form)
			}
			s = start(t, c.release, dir, c.flags...)
			for given, yes := range said {
				if got := raw(t, s, "/api/v2/buckets", "Token "+given) == "200"; got != yes {
					t.Errorf("the server accepts %q: %v, boltkey says %v", given, got, yes)
				}
			}
			for token := range odd {
				basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+token))
				query := "/query?db=x&q=show+databases"
				if got := raw(t, s, query, basic); got != "200" {
					t.Errorf("1.x password %q: %s", token, got)
				}
				if got := raw(t, s, query+"&u=x&p="+url.QueryEscape(token), ""); got != "200" {
					t.Errorf("1.x parameter %q: %s", token, got)
				}
			}
			t.Logf("cases: odd-tokens %d", len(said)+2*len(odd))
		})
	}
}

// A store whose structure is damaged but which can be read whole is refused by the writers; the file
// that `compact` makes of it, as the hint says, is sound to Bolt, which commits to it.
func TestCompactIsTheCureThatHintsName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"7-22825-page-already-freed", "bolt-c02", "bolt-c12", "bolt-c74"} {
		dir := t.TempDir()
		db, cured := filepath.Join(dir, "influxd.bolt"), filepath.Join(dir, "cured.bolt")
		packed := filepath.Join("..", "..", "fixtures", "field", name+".bolt.gz")
		content, err := exec.Command("gunzip", "-c", packed).Output()
		check(t, err)
		check(t, os.WriteFile(db, content, 0o600))
		refused := boltkey(t, "", "residue", "scrub", "--db", db, "--yes", "--json")
		var failure struct{ Error struct{ Hint string } }
		lines := strings.Split(strings.TrimSpace(refused.stderr), "\n")
		check(t, json.Unmarshal([]byte(lines[len(lines)-1]), &failure))
		if refused.code != 5 || !strings.Contains(failure.Error.Hint, "boltkey compact --out FILE") {
			t.Fatalf("%s: exit %d: %s", name, refused.code, refused.stderr)
		}
		if made := boltkey(t, "", "compact", "--db", db, "--out", cured); made.code != 0 {
			t.Fatalf("%s: %s", name, made.stderr)
		}
		for _, peer := range []string{"bbolt136", "bbolt150"} {
			for _, args := range [][]string{{"check", cured}, {"commit", cured, "5", "1"}} {
				out, err := exec.Command(server.Binary(peer), args...).CombinedOutput()
				if err != nil || !bytes.Contains(out, []byte("OK")) && args[0] == "check" {
					t.Errorf("%s: %s %v: %v: %s", name, peer, args, err, out)
				}
			}
		}
	}
}
