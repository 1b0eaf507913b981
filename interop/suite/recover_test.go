package suite

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// judge is a server that is started on a store.
type judge struct {
	name    string
	release server.Release
	flags   []string
}

var (
	judge27      = judge{"2.7.12", server.V27, nil}
	judgeHashing = judge{"2.9.1", server.V29, nil}
	judgePlain   = judge{"2.9.1 without hashing", server.V29, []string{noHashing}}
)

// vault is the folder of a stopped server.
type vault struct {
	dir     string
	facts   *server.Facts
	schema  int     // the number of its migrations
	judges  []judge // those that can start on it
	storage string  // how a new token is to be kept
}

// eachVault runs a test on stores of every release, setting and age.
func eachVault(t *testing.T, test func(t *testing.T, v vault)) {
	both := []judge{judgeHashing, judgePlain}
	all := append([]judge{judge27}, both...)
	for _, c := range []struct {
		name    string
		release server.Release
		flags   []string
		vault   vault
	}{
		{"fresh 2.7.12", server.V27, nil, vault{schema: 20, judges: all, storage: "plaintext"}},
		{"fresh 2.9.1 hashed", server.V29, nil, vault{schema: 21, judges: both, storage: "hashed"}},
		{"fresh 2.9.1 plaintext", server.V29, []string{noHashing}, vault{schema: 21, judges: both, storage: "plaintext"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := c.vault
			v.dir = t.TempDir()
			s := start(t, c.release, v.dir, c.flags...)
			var err error
			v.facts, err = s.Setup(string(c.release), "")
			check(t, err)
			stop(t, s)
			test(t, v)
		})
	}
	eachLivedStore(t, func(t *testing.T, l lived) {
		stop(t, l.server)
		v := vault{l.server.Dir, l.facts, 21, both, "hashed"}
		older := true // whether this store is also taken back to older releases
		switch name := filepath.Base(t.Name()); name {
		case "2.7.12":
			v.schema, v.judges, v.storage, older = 20, all, "plaintext", false
		case "2.9.1_plaintext":
			v.storage = "plaintext"
		case "2.9.1_hashed":
		case "2.9.1_mixed", "2.7.12_upgraded_to_2.9.1":
			older = false
		default:
			t.Fatalf("unknown store %s", name)
		}
		test(t, v)
		if !older {
			return
		}
		for release, schema := range map[string]int{"2.0": 15, "2.1": 18, "2.4": 20} {
			t.Run("downgraded to "+release, func(t *testing.T) {
				dir := copyOf(t, v.dir)
				downgrade(t, dir, release)
				test(t, vault{dir, v.facts, schema, all, "plaintext"})
			})
		}
	})
}

// downgrade has influxd make a store of an older release.
func downgrade(t *testing.T, dir, release string) {
	t.Helper()
	cmd := exec.Command(server.Binary(string(server.V29)), "downgrade", "--bolt-path", server.Bolt(dir),
		"--sqlite-path", filepath.Join(dir, "influxd.sqlite"), release)
	cmd.Env = []string{"HOME=" + dir}
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("downgrade to %s: %v\n%s", release, err, text)
	}
}

// answers asks a running server about every token of a store: whether it is known, and whether it
// is an operator's.
func answers(t *testing.T, s *server.Server, facts *server.Facts) map[string]string {
	t.Helper()
	said := map[string]string{}
	for _, token := range facts.Tokens {
		known, _, err := s.Call(token.Token, "GET", "/api/v2/resources", nil)
		check(t, err)
		operator, _, err := s.Call(token.Token, "GET", "/api/v2/config", nil)
		check(t, err)
		said[token.ID+" "+token.Name] = fmt.Sprint(known, operator)
	}
	return said
}

// permissions are those that a server shows of an authorization.
func permissions(t *testing.T, s *server.Server, token, id string) []string {
	t.Helper()
	var a struct{ Permissions []json.RawMessage }
	check(t, s.Must(token, "GET", "/api/v2/authorizations/"+id, nil, &a))
	var list []string
	for _, p := range a.Permissions {
		list = append(list, string(p))
	}
	slices.Sort(list)
	return list
}

// variant is a store that came from another and is to serve as well as that one.
type variant struct {
	name string
	dir  string
	made *made // the operator token that it has beyond the other's
}

// eachVariantServes shows a store and its variants to every release that can start on it: each
// answers every old token as on the store itself, and takes each new one for an operator's.
func eachVariantServes(t *testing.T, v vault, variants []variant, seen map[string]int) (starts int) {
	t.Helper()
	for _, j := range v.judges {
		s := start(t, j.release, copyOf(t, v.dir), j.flags...)
		before := answers(t, s, v.facts)
		stop(t, s)
		for _, answer := range before {
			seen[answer]++
		}
		for _, variant := range variants {
			name := j.name + ", " + variant.name
			s := start(t, j.release, copyOf(t, variant.dir), j.flags...)
			starts++
			after := answers(t, s, v.facts)
			for token, old := range before {
				if after[token] != old {
					t.Errorf("%s: %s was answered %s, is answered %s", name, token, old, after[token])
				}
			}
			if variant.made != nil {
				isOperators(t, name, s, v.facts, variant.made.Authorization)
			}
			log := stop(t, s)
			// A store of an older release is migrated first, and the new token with it.
			if migrated := strings.Contains(log, "KV migrations"); j.release == server.V29 && migrated != (v.schema < 21) {
				t.Errorf("%s: schema %d, migrated %v", name, v.schema, migrated)
			}
			if strings.Contains(log, "Missing metadata for bucket.") {
				t.Errorf("%s: %s", name, log)
			}
			if variant.made != nil && j.name == judgeHashing.name {
				if n := live(t, server.Bolt(s.Dir), variant.made.Authorization.ID); n != "hashed" {
					t.Errorf("%s: the new token is now kept %s", name, n)
				}
			}
		}
	}
	return starts
}

// live tells how the token of an authorization is kept.
func live(t *testing.T, db, id string) string {
	t.Helper()
	var shown listing
	answer(t, &shown, []int{0}, "", "auth", "list", "--id", id, "--db", db)
	if len(shown.Authorizations) != 1 {
		t.Fatalf("%s: %+v", id, shown)
	}
	return shown.Authorizations[0].Storage
}

// isOperators expects a server to let a new token do what an operator's may: see every
// authorization, write and query.
func isOperators(t *testing.T, name string, s *server.Server, facts *server.Facts, a authorization) {
	t.Helper()
	status, text, err := s.Call(a.Token, "GET", "/api/v2/config", nil)
	check(t, err)
	if status != 200 {
		t.Errorf("%s answers the new token %d: %s", name, status, text)
		return
	}
	var all listing
	check(t, s.Must(a.Token, "GET", "/api/v2/authorizations", nil, &all))
	if !slices.ContainsFunc(all.Authorizations, func(b authorization) bool {
		return b.ID == a.ID && b.Description == a.Description && b.Status == "active" && b.User == a.User && b.Org == a.Org
	}) {
		t.Errorf("%s: the new token does not see itself among %d", name, len(all.Authorizations))
	}
	wrote, err := s.CanWrite(a.Token, facts.Orgs["acme"], facts.Buckets["metrics"])
	check(t, err)
	status, text, err = s.Query(a.Token, facts.Orgs["acme"], `from(bucket: "metrics") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "probe")`)
	check(t, err)
	if !wrote || status != 200 || !strings.Contains(string(text), ",probe") {
		t.Errorf("%s: wrote %v, query %d: %s", name, wrote, status, text)
	}
	ours := permissions(t, s, a.Token, a.ID)
	theirs := permissions(t, s, a.Token, facts.Tokens[0].ID)
	if !slices.Equal(ours, theirs) {
		t.Errorf("%s: the new token may %d things, that of setup %d:\n%s\n%s", name, len(ours), len(theirs), ours, theirs)
	}
	// Neither 200 nor its absence says anything from a server that gives all the same.
	if known, _, err := s.Call(a.Token[1:], "GET", "/api/v2/config", nil); err != nil || known != 401 {
		t.Errorf("%s answers a cut token %d, %v", name, known, err)
	}
}

// whose are the options that choose alice and acme where there is a choice.
func whose(facts *server.Facts) []string {
	if len(facts.Users) > 1 {
		return []string{"--user", "alice", "--org", "acme"}
	}
	return nil
}

// After `recover operator` on a store of any release, the server accepts the new token as an operator
// token and every older one as before. Nothing else in the file changes.
func TestRecoverOperatorLetsTheServerIn(t *testing.T) {
	t.Parallel()
	stores, starts, seen := 0, 0, map[string]int{}
	eachVault(t, func(t *testing.T, v vault) {
		stores++
		changed := variant{name: "with a new token", dir: copyOf(t, v.dir)}
		db := server.Bolt(changed.dir)
		check(t, os.Chmod(db, 0o640))
		if os.Geteuid() == 0 {
			check(t, os.Chown(db, 12345, 23456))
		}
		owned := owner(t, db)
		names, lines := folder(t, changed.dir), contents(t, db)
		if n := keys(lines, "migrationsv1"); n != v.schema {
			t.Fatalf("schema %d", n)
		}

		m := recoverOperator(t, db, whose(v.facts)...)

		if now := owner(t, db); now != owned {
			t.Errorf("inode, mode and owner were %s, are %s", owned, now)
		}
		if now := folder(t, changed.dir); now != names {
			t.Errorf("the folder held %s, holds %s", names, now)
		}
		onlyTokenAdded(t, lines, contents(t, db), m)
		sound(t, db)
		a := m.Authorization
		if a.Storage != v.storage || a.User != "alice" || a.Org != "acme" {
			t.Errorf("made %+v", a)
		}
		if n := shows(t, db, a.Token); n != places(a) {
			t.Errorf("kept %s, and the file shows the token %d times", a.Storage, n)
		}
		changed.made = &m
		starts += eachVariantServes(t, v, []variant{changed}, seen)
	})
	t.Logf("%d stores, %d judgements, old tokens known and operators: %v", stores, starts, seen)
	if stores != 14 || starts != 36 || seen["200 200"] == 0 || seen["200 401"] == 0 || seen["401 401"] == 0 || seen["403 403"] == 0 {
		t.Errorf("%d stores, %d judgements, %v", stores, starts, seen)
	}
}

// places is how often a file shows a new token: in its record and in its index, or never.
func places(a authorization) int {
	if a.Storage == "hashed" {
		return 0
	}
	return 2
}

// On a store that 2.9.1 hashed, `residue recover` finds the same after any number of `recover
// operator` runs.
func TestRecoverOperatorKeepsLastCopies(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 50, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir, facts := hashedByStart(t, n)
			db := server.Bolt(dir)
			before, shown := lastCopies(t, db), shownTokens(t, db, facts)
			if len(before) != len(shown) || (len(before) == 0 && n > 3) {
				t.Fatalf("recovered %d of %d shown, of %d", len(before), len(shown), n)
			}
			t.Logf("%d tokens, %d last copies, %d bytes", n, len(before), size(t, db))
			var tokens []string
			for round := 1; round <= 3; round++ {
				lines := contents(t, db)
				m := recoverOperator(t, db)
				tokens = append(tokens, m.Authorization.Token)
				onlyTokenAdded(t, lines, contents(t, db), m)
				sound(t, db)
				after := lastCopies(t, db)
				for id, token := range before {
					if after[id] != token {
						t.Errorf("round %d: the last copy of %s is gone", round, id)
					}
				}
				if len(after) != len(before) || len(shownTokens(t, db, facts)) != len(shown) {
					t.Errorf("round %d: %d last copies, %d shown", round, len(after), len(shownTokens(t, db, facts)))
				}
			}
			t.Logf("%d bytes after three rounds", size(t, db))
			for _, command := range []string{"convert", "compact"} {
				out := filepath.Join(t.TempDir(), command)
				if c := copied(t, command, db, out); c.RecoverableLeft != len(before) {
					t.Errorf("%s leaves %d last copies, of %d", command, c.RecoverableLeft, len(before))
				}
				if n := len(shownTokens(t, out, facts)); n != 0 {
					t.Errorf("%s: the copy shows %d tokens", command, n)
				}
			}
			s := start(t, server.V29, dir)
			for i, token := range tokens {
				status, _, err := s.Call(token, "GET", "/api/v2/config", nil)
				check(t, err)
				if status != 200 {
					t.Errorf("the server answers new token %d with %d", i, status)
				}
			}
			for id, token := range before {
				ok, err := s.Knows(token)
				check(t, err)
				if !ok {
					t.Errorf("the server refuses the recovered token of %s", id)
				}
			}
			stop(t, s)
		})
	}
}
