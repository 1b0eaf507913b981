package suite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"testing"

	"boltkey/interop/suite/server"
)

const noHashing = "--use-hashed-tokens=false"

// lived is a store of one release and setting, with its server still running.
type lived struct {
	server  *server.Server
	release server.Release
	flags   []string
	facts   *server.Facts
}

// eachLivedStore runs a test on the lived-in store of every release and setting.
func eachLivedStore(t *testing.T, test func(t *testing.T, l lived)) {
	for _, c := range []struct {
		name    string
		release server.Release
		first   []string // flags of the start that makes the first tokens
		then    []string // flags of the start that makes the rest
	}{
		{"2.7.12", server.V27, nil, nil},
		{"2.9.1 hashed", server.V29, nil, nil},
		{"2.9.1 plaintext", server.V29, []string{noHashing}, []string{noHashing}},
		{"2.9.1 mixed", server.V29, nil, []string{noHashing}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := start(t, c.release, dir, c.first...)
			facts, err := s.Setup(string(c.release), "")
			check(t, err)
			check(t, s.AddDevices(facts, 3))
			stop(t, s)
			s = start(t, c.release, dir, c.then...)
			check(t, s.Live(facts))
			test(t, lived{s, c.release, c.then, facts})
		})
	}
	t.Run("2.7.12 upgraded to 2.9.1", func(t *testing.T) {
		dir := t.TempDir()
		s := start(t, server.V27, dir)
		facts, err := s.Setup("2.7.12", "chosen by hand")
		check(t, err)
		check(t, s.Live(facts))
		stop(t, s)
		test(t, lived{start(t, server.V29, dir), server.V29, nil, facts})
	})
}

// authorization is what the API and our listing have in common.
type authorization struct {
	ID, Token, Status, Description, OrgID, Org, UserID, User string
	Permissions                                              any
	CreatedAt, UpdatedAt                                     string
	Storage                                                  string
	Usable                                                   bool
}

type listing struct{ Authorizations []authorization }

// `auth list` equals the server's answer. It also lists what the server hides: authorizations whose
// user or organization was deleted.
func TestListingEqualsTheServers(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		var theirs, ours listing
		check(t, l.server.Must(l.facts.Operator(), "GET", "/api/v2/authorizations", nil, &theirs))
		stop(t, l.server)
		answer(t, &ours, []int{0}, "", "auth", "list", "--reveal", "--db", server.Bolt(l.server.Dir))

		byID := map[string]authorization{}
		for _, a := range ours.Authorizations {
			byID[a.ID] = a
		}
		for _, want := range theirs.Authorizations {
			have, ok := byID[want.ID]
			if !ok {
				t.Errorf("%s (%s) is missing", want.ID, want.Description)
				continue
			}
			delete(byID, want.ID)
			switch have.Storage {
			case "plaintext":
			case "hashed":
				if have.Token != "REDACTED" || want.Token != "" {
					t.Errorf("%s: a hashed token is shown", have.ID)
				}
				have.Token = want.Token
			default:
				t.Errorf("%s: storage %s", have.ID, have.Storage)
			}
			have.Storage, have.Usable = "", false
			if !reflect.DeepEqual(have, want) {
				t.Errorf("differs:\nours   %+v\ntheirs %+v", have, want)
			}
		}
		hidden := 0
		for _, extra := range byID {
			if extra.Org != "" && extra.User != "" {
				t.Errorf("%s (%s) is not hidden by the server for a gone user or organization", extra.ID, extra.Description)
			}
			hidden++
		}
		if len(theirs.Authorizations) < 25 || hidden != 2 {
			t.Errorf("compared %d, hidden %d", len(theirs.Authorizations), hidden)
		}
	})
}

// `auth verify` agrees with the server on every token, also on inactive ones and those of deleted
// owners.
func TestVerifyAgreesWithTheServer(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		known := map[string]bool{}
		tokens := append([]server.Token{}, l.facts.Tokens...)
		tokens = append(tokens,
			server.Token{Name: "never made", Token: "never made"},
			server.Token{Name: "cut", Token: l.facts.Operator()[1:]},
			server.Token{Name: "1.x user name", Token: "collectd"})
		for _, token := range tokens {
			ok, err := l.server.Knows(token.Token)
			check(t, err)
			// The server answers an inactive token on endpoints that need no permission.
			known[token.Name] = ok && token.Status != "inactive"
		}
		stop(t, l.server)
		yes := 0
		for _, token := range tokens {
			var verdict struct {
				Authenticates bool
				Reasons       []string
			}
			answer(t, &verdict, []int{0, 3}, token.Token+"\n",
				"auth", "verify", "--token-file", "-", "--db", server.Bolt(l.server.Dir))
			if verdict.Authenticates != known[token.Name] {
				t.Errorf("%q: ours %v, theirs %v (%v)", token.Name, verdict.Authenticates, known[token.Name], verdict.Reasons)
			}
			if verdict.Authenticates {
				yes++
			}
		}
		if yes < 25 || yes == len(tokens) {
			t.Errorf("%d of %d authenticate", yes, len(tokens))
		}
	})
}

// `auth verify --can write:buckets/metrics` agrees with what the server lets a token write.
func TestPermissionsAgreeWithTheServer(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		may := map[string]bool{}
		for _, token := range l.facts.Tokens {
			ok, err := l.server.CanWrite(token.Token, l.facts.Orgs["acme"], l.facts.Buckets["metrics"])
			check(t, err)
			may[token.Name] = ok
		}
		stop(t, l.server)
		yes := 0
		for _, token := range l.facts.Tokens {
			result := boltkey(t, token.Token, "auth", "verify", "--token-file", "-", "--org", "acme",
				"--can", "write:buckets/metrics", "--db", server.Bolt(l.server.Dir))
			if (result.code == 0) != may[token.Name] {
				t.Errorf("%q: exit %d, server %v: %s%s", token.Name, result.code, may[token.Name], result.stdout, result.stderr)
			}
			if result.code == 0 {
				yes++
			}
		}
		if yes < 20 || yes == len(l.facts.Tokens) {
			t.Errorf("%d of %d may write", yes, len(l.facts.Tokens))
		}
	})
}

// No reading command changes a byte, the length, the mode, the inode or the time of the database,
// nor leaves anything beside it.
func TestNothingIsChanged(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		stop(t, l.server)
		db := server.Bolt(l.server.Dir)
		before := picture(t, l.server.Dir, db)
		commands := [][]string{
			{"status"}, {"check"}, {"check", "--structure-only"}, {"auth", "list", "--reveal"},
			{"auth", "list", "--v1"}, {"auth", "show", l.facts.Tokens[0].ID}, {"user", "list"},
			{"org", "list"}, {"bucket", "list"}, {"residue", "scan"},
			{"residue", "recover", "--out", "-"}, {"capture", "--out", "-"},
		}
		for _, command := range commands {
			result := boltkey(t, "", append(command, "--db", db)...)
			if result.code != 0 && result.code != 3 {
				t.Errorf("%v: exit %d: %s", command, result.code, result.stderr)
			}
			if now := picture(t, l.server.Dir, db); now != before {
				t.Fatalf("%v changed something:\n%s\n%s", command, before, now)
			}
		}
	})
}

// While influxd runs, every command names the process and ends with exit code 4.
func TestARunningServerIsNamed(t *testing.T) {
	dir := t.TempDir()
	s := start(t, server.V29, dir)
	_, err := s.Setup("2.9.1", "")
	check(t, err)
	before := folder(t, dir)
	for _, command := range [][]string{{"status"}, {"auth", "list"}, {"check"}, {"residue", "scan"}} {
		result := boltkey(t, "", append(command, "--json", "--db", server.Bolt(dir))...)
		var failure struct {
			Error struct{ Code, Message, Hint string }
		}
		lines := bytes.Split(bytes.TrimSpace([]byte(result.stderr)), []byte("\n"))
		check(t, json.Unmarshal(lines[len(lines)-1], &failure))
		if result.code != 4 || failure.Error.Code != "locked" || result.stdout != "" {
			t.Errorf("%v: exit %d, code %q", command, result.code, failure.Error.Code)
		}
		want := fmt.Sprintf("influxd29 (pid %d)", s.Pid())
		if !bytes.Contains([]byte(failure.Error.Message), []byte(want)) {
			t.Errorf("%v: %q does not name %q", command, failure.Error.Message, want)
		}
	}
	if after := folder(t, dir); after != before {
		t.Errorf("the folder changed: %s, %s", before, after)
	}
	stop(t, s)
	if result := boltkey(t, "", "status", "--db", server.Bolt(dir)); result.code != 0 {
		t.Errorf("after the stop: exit %d: %s", result.code, result.stderr)
	}
}

// bbolt's check and ours agree that what a server wrote is sound.
func TestServersStoresAreSound(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		stop(t, l.server)
		var report struct {
			OK       bool
			Findings []map[string]any
		}
		answer(t, &report, []int{0}, "", "check", "--db", server.Bolt(l.server.Dir))
		if !report.OK {
			t.Errorf("%v", report.Findings)
		}
		for _, finding := range report.Findings {
			if finding["severity"] == "error" {
				t.Errorf("%v", finding)
			}
		}
	})
}

// picture is everything about a database that reading must not change.
func picture(t *testing.T, dir, db string) string {
	t.Helper()
	text, err := os.ReadFile(db)
	check(t, err)
	info, err := os.Stat(db)
	check(t, err)
	return fmt.Sprintf("%x %d %v %v %s", sum(text), inode(info), info.Mode(), info.ModTime(), folder(t, dir))
}
