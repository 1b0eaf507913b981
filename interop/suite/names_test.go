package suite

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// login is a login in the report of `status`.
type login struct {
	User     string
	SignsIn  *bool
	Operator bool
	Because  string
}

// loginOf returns the login of a user from `status`.
func loginOf(t *testing.T, db, user string) login {
	t.Helper()
	var report struct{ Logins []login }
	answer(t, &report, []int{0}, "", "status", "--db", db)
	for _, l := range report.Logins {
		if l.User == user {
			return l
		}
	}
	t.Fatalf("status lists no login of %s: %+v", user, report)
	return login{}
}

// nameFindings returns the codes that `check` reports.
func nameFindings(t *testing.T, db string) map[string]bool {
	t.Helper()
	var report structure
	answer(t, &report, []int{0, 3}, "", "check", "--db", db)
	codes := map[string]bool{}
	for _, f := range report.Findings {
		codes[f.Code] = true
	}
	return codes
}

// The index decides which user, organization or bucket a name leads to. Every claim about names is
// tried on real servers: who signs in, which name is blocked, which bucket is found, and what a server
// does after the cure.
func TestNamesAreFoundByIndex(t *testing.T) {
	t.Parallel()
	const store = "lived-2.7.12"
	text, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "real", store+".json"))
	check(t, err)
	var facts server.Facts
	check(t, json.Unmarshal(text, &facts))
	alice, bob := facts.Users["alice"], facts.Users["bob"]
	acme, metrics := facts.Orgs["acme"], facts.Buckets["metrics"]
	ofAlice, ofBob := facts.Passwords["alice"], facts.Passwords["bob"]
	const nobody = "0fffffffffffffff"
	operator := facts.Operator()

	// A store, changed by Bolt itself (four words: put a pair, three: remove one), and who signs in.
	type sign struct {
		user, password string
		status         int
	}
	const yes, no = http.StatusNoContent, http.StatusUnauthorized
	for _, c := range []struct {
		name, fixture string
		edits         [][]string
		code          string
		signs         []sign
		// Whether alice signs in, in the report of status.
		signsIn bool
	}{
		{"no entry", "field/1-25221-no-name-index.bolt.gz", nil, "metadata.index-absent",
			[]sign{{"alice", ofAlice, no}, {"bob", ofBob, yes}}, false},
		{"entry to another user", "", [][]string{{"put", "userindexv1", "alice", bob}}, "metadata.index-elsewhere",
			[]sign{{"alice", ofAlice, no}, {"alice", ofBob, yes}, {"bob", ofBob, yes}}, false},
		{"entry to nobody", "", [][]string{{"put", "userindexv1", "alice", nobody}}, "metadata.index-elsewhere",
			[]sign{{"alice", ofAlice, no}}, false},
		{"entry of another name", "", [][]string{{"remove", "userindexv1", "alice"}, {"put", "userindexv1", "old", alice}},
			"metadata.index-elsewhere", []sign{{"alice", ofAlice, no}, {"old", ofAlice, yes}}, true},
		{"two of one name", "", [][]string{{"put", "usersv1", nobody, `{"id":"` + nobody + `","name":"alice","status":"active"}`}},
			"metadata.name-taken", []sign{{"alice", ofAlice, yes}}, true},
		{"two of one name, the other named", "", [][]string{
			{"put", "usersv1", nobody, `{"id":"` + nobody + `","name":"alice","status":"active"}`},
			{"put", "userindexv1", "alice", nobody}},
			"metadata.name-taken", []sign{{"alice", ofAlice, no}}, false},
		{"blocked name", "field/9-24318-name-blocked.bolt.gz", nil, "metadata.index-dangling",
			[]sign{{"user123", ofAlice, no}, {"alice", ofAlice, yes}}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, j := range []judge{judge27, judgePlain} {
				dir := namesStore(t, c.fixture, store, c.edits)
				db := server.Bolt(dir)
				if !nameFindings(t, db)[c.code] {
					t.Errorf("check does not find %s", c.code)
				}
				if l := loginOf(t, db, "alice"); l.SignsIn == nil || *l.SignsIn != c.signsIn || l.Operator != c.signsIn {
					t.Errorf("status says %+v", l)
				}
				s := start(t, j.release, dir, j.flags...)
				for _, sign := range c.signs {
					if _, status := signin(t, s, sign.user, sign.password); status != sign.status {
						t.Errorf("%s: %s signs in: %d", j.name, sign.user, status)
					}
				}
				stop(t, s)
			}
		})
	}

	t.Run("a password creates the entry", func(t *testing.T) {
		for _, j := range []judge{judge27, judgePlain} {
			dir := namesStore(t, "field/1-25221-no-name-index.bolt.gz", store, nil)
			c := changer{t, server.Bolt(dir), &facts}
			c.change("", "user", "password", "--name", "alice", "--password-file", c.file("another password"))
			if nameFindings(t, c.db)["metadata.index-absent"] {
				t.Error("the entry is still missing")
			}
			s := start(t, j.release, dir, j.flags...)
			if _, status := signin(t, s, "alice", "another password"); status != yes {
				t.Errorf("%s: alice does not sign in: %d", j.name, status)
			}
			stop(t, s)
		}
	})

	t.Run("a blocked name is freed", func(t *testing.T) {
		for _, j := range []judge{judge27, judgePlain} {
			dir := namesStore(t, "", store, [][]string{{"put", "userindexv1", "user123", nobody}})
			create := func() int {
				s := start(t, j.release, dir, j.flags...)
				defer stop(t, s)
				status, _, err := s.Call(operator, "POST", "/api/v2/users", map[string]string{"name": "user123"})
				check(t, err)
				return status
			}
			if status := create(); status < 400 {
				t.Errorf("%s: the name was not blocked: %d", j.name, status)
			}
			c := changer{t, server.Bolt(dir), &facts}
			c.change("", "user", "delete", "--name", "user123")
			if status := create(); status != http.StatusCreated {
				t.Errorf("%s: the name is still blocked: %d", j.name, status)
			}
		}
	})

	t.Run("organizations and buckets", func(t *testing.T) {
		for _, j := range []judge{judge27, judgePlain} {
			dir := namesStore(t, "", store, [][]string{
				{"remove", "organizationindexv1", "acme"}, {"remove", "bucketindexv1", acme + "metrics"}})
			db := server.Bolt(dir)
			result := boltkey(t, "", "auth", "list", "--db", db, "--org", "acme")
			if result.code != 1 || !strings.Contains(result.stderr, "organizationindexv1") {
				t.Errorf("auth list --org acme: %+v", result)
			}
			result = boltkey(t, "", "auth", "list", "--db", db, "--org-id", acme, "--can", "read:buckets/metrics")
			if result.code != 1 || !strings.Contains(result.stderr, "bucketindexv1") {
				t.Errorf("auth list --can read:buckets/metrics: %+v", result)
			}
			s := start(t, j.release, dir, j.flags...)
			for path, want := range map[string]int{
				"/api/v2/orgs?org=acme":      http.StatusNotFound,
				"/api/v2/orgs/" + acme:       http.StatusOK,
				"/api/v2/buckets/" + metrics: http.StatusOK,
			} {
				status, _, err := s.Call(operator, "GET", path, nil)
				check(t, err)
				if status != want {
					t.Errorf("%s: %s answers %d", j.name, path, status)
				}
			}
			write := url.Values{"orgID": {acme}, "bucket": {"metrics"}}
			status, _, err := s.Call(operator, "POST", "/api/v2/write?"+write.Encode(), "m v=1")
			check(t, err)
			if status != http.StatusNotFound {
				t.Errorf("%s: a write by the bucket's name answers %d", j.name, status)
			}
			stop(t, s)
		}
	})

	// The task of acme needs the bucket.
	t.Run("tasks without entry of their bucket", func(t *testing.T) {
		for _, release := range []server.Release{server.V27, server.V29} {
			dir := namesStore(t, "", store, [][]string{{"remove", "bucketindexv1", acme + "_tasks"}})
			if !nameFindings(t, server.Bolt(dir))["metadata.tasks-bucket-absent"] {
				t.Error("check does not find it")
			}
			refuses(t, release, dir, `bucket \"_tasks\" not found`)
		}
	})

	t.Run("DBRP mappings of a deleted bucket", func(t *testing.T) {
		for _, j := range []judge{judge27, judgePlain} {
			dir := namesStore(t, "", store, nil)
			s := start(t, j.release, dir, j.flags...)
			mapping := map[string]any{"bucketID": metrics, "orgID": acme, "database": "d", "retention_policy": "r", "default": true}
			var created struct{ ID string }
			check(t, s.Must(operator, "POST", "/api/v2/dbrps", mapping, &created))
			stop(t, s)
			// A server deletes the mappings with their bucket, so Bolt itself changes the mapping.
			record := `{"id":"` + created.ID + `","database":"d","retention_policy":"r","default":true,"orgID":"` +
				acme + `","bucketID":"` + nobody + `"}`
			peer(t, "bbolt136", "put", server.Bolt(dir), "dbrpv1", created.ID, record)
			if !nameFindings(t, server.Bolt(dir))["metadata.dbrp-bucket-gone"] {
				t.Errorf("%s: check does not find the mapping", j.name)
			}
			s = start(t, j.release, dir, j.flags...)
			status, body, err := s.Call(operator, "GET", "/query?db=d&rp=r&q=select+*+from+m", nil)
			check(t, err)
			if !strings.Contains(string(body), "database not found: "+nobody) {
				t.Errorf("%s: a query answers %d %s", j.name, status, body)
			}
			status, body, err = s.Call(operator, "POST", "/write?db=d&rp=r", "m v=1")
			check(t, err)
			if status != http.StatusNotFound {
				t.Errorf("%s: a write answers %d %s", j.name, status, body)
			}
			check(t, s.Must(operator, "DELETE", "/api/v2/dbrps/"+created.ID+"?orgID="+acme, nil, nil))
			stop(t, s)
			if nameFindings(t, server.Bolt(dir))["metadata.dbrp-bucket-gone"] {
				t.Errorf("%s: the deleted mapping is still found", j.name)
			}
		}
	})

	// The cure of two records with one name: renaming both by their IDs.
	t.Run("two of one name are renamed", func(t *testing.T) {
		for _, j := range []judge{judge27, judgePlain} {
			dir := namesStore(t, "", store, [][]string{
				{"put", "usersv1", nobody, `{"id":"` + nobody + `","name":"alice","status":"active"}`},
				{"put", "organizationsv1", nobody, `{"id":"` + nobody + `","name":"acme"}`}})
			s := start(t, j.release, dir, j.flags...)
			for _, rename := range [][3]string{{"users", nobody, "first"}, {"users", alice, "second"},
				{"orgs", nobody, "first"}, {"orgs", acme, "second"}} {
				body := map[string]string{"name": rename[2]}
				check(t, s.Must(operator, "PATCH", "/api/v2/"+rename[0]+"/"+rename[1], body, nil))
			}
			stop(t, s)
			for code := range nameFindings(t, server.Bolt(dir)) {
				if code == "metadata.name-taken" || strings.HasPrefix(code, "metadata.index-") {
					t.Errorf("%s: after the names %s", j.name, code)
				}
			}
		}
	})
}

// namesStore returns the folder of a server whose store is a fixture with pairs put or removed.
func namesStore(t *testing.T, fixture, store string, edits [][]string) string {
	t.Helper()
	dir := t.TempDir()
	if fixture == "" {
		unpacked(t, store+".bolt", dir)
	} else {
		check(t, os.Rename(plain(t, filepath.Join("..", "..", "fixtures", fixture)), server.Bolt(dir)))
	}
	for _, edit := range edits {
		args := append([]string{edit[0], server.Bolt(dir)}, edit[1:]...)
		peer(t, "bbolt136", args...)
	}
	return dir
}
