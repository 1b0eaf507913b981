package suite

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// applied is the report of apply.
type applied struct {
	Changed   *bool
	Changes   []struct{ Action, Kind, ID, Name string }
	Unchanged int
}

// declared is a list that users and tokens come from, in a folder with the secrets it refers to.
const declared = `
[[org]]
name = "new & one"

[[user]]
name = "nora"
orgs = ["new & one"]
passwordFile = "nora.pw"

[[user]]
name = "alice"
passwordFile = "alice.pw"

[[token]]
name = "writer"
org = "acme"
user = "alice"
permissions = ["write:buckets/metrics", "read:tasks"]
tokenFile = "writer.token"

[[token]]
name = "reader"
org = "acme"
user = "alice"
permissions = ["read:buckets"]
generate = "reader.token"

[[token]]
name = "all"
org = "new & one"
user = "nora"
kind = "all-access"
generate = "all.token"

[[token]]
name = "root"
org = "acme"
user = "alice"
kind = "operator"
generate = "root.token"

[[bucket]]
name = "of a month"
org = "new & one"
retention = "30d"
shardDuration = "2d"

[[v1]]
username = "client"
org = "new & one"
permissions = ["read:buckets/of a month", "write:buckets/of a month"]
passwordFile = "nora.pw"

[[dbrp]]
database = "telegraf"
retentionPolicy = "month"
bucket = "of a month"
org = "new & one"
`

// A list works on real servers: users sign in, 1.x clients are served, and tokens have exactly the permissions of the list. A
// second run writes nothing. A changed value works and the old one does not. What the list no longer
// names is deleted. No other record changes.
func TestServersActOnWhatApplyMade(t *testing.T) {
	t.Parallel()
	stores, starts := 0, 0
	eachLivedStore(t, func(t *testing.T, l lived) {
		stop(t, l.server)
		stores++
		judges := []judge{judgeHashing, judgePlain}
		if l.release == server.V27 && !strings.Contains(t.Name(), "upgraded") {
			judges = append([]judge{judge27}, judges...)
		}
		db := server.Bolt(l.server.Dir)
		before, findings := contents(t, db), findingsOf(t, db)
		folder := t.TempDir()
		file := func(name string) string { return filepath.Join(folder, name) }
		put := func(name, content string) { check(t, os.WriteFile(file(name), []byte(content), 0o600)) }
		read := func(name string) string {
			content, err := os.ReadFile(file(name))
			check(t, err)
			return strings.TrimSpace(string(content))
		}
		put("list.toml", declared)
		put("nora.pw", "noras password\n")
		put("alice.pw", "another password\n")
		put("writer.token", "known before the first start\n")
		apply := func(changes int, more ...string) applied {
			var report applied
			answer(t, &report, []int{0}, "", append([]string{"apply", file("list.toml"), "--db", db}, more...)...)
			if report.Changed == nil || *report.Changed != (changes > 0) || len(report.Changes) != changes {
				t.Fatalf("%d changes were expected: %+v", changes, report)
			}
			return report
		}
		apply(10)
		after := contents(t, db)
		touched(t, before, after)
		content, err := os.ReadFile(db)
		check(t, err)
		info, err := os.Stat(db)
		check(t, err)
		if again := apply(0); again.Unchanged != 10 {
			t.Errorf("a second run: %+v", again)
		}
		same, err := os.ReadFile(db)
		check(t, err)
		sameInfo, err := os.Stat(db)
		check(t, err)
		if sha256.Sum256(content) != sha256.Sum256(same) || info.ModTime() != sameInfo.ModTime() {
			t.Error("a second run writes")
		}
		sound(t, db)
		if now := findingsOf(t, db); now != findings {
			t.Errorf("check said\n%s\nand says\n%s", findings, now)
		}

		acme, metrics := l.facts.Orgs["acme"], l.facts.Buckets["metrics"]
		expect := func(j judge, s *server.Server, all []expected) {
			t.Helper()
			for _, e := range all {
				known, _, err := s.Call(e.token, "GET", "/api/v2/resources", nil)
				check(t, err)
				write, _, err := s.Call(e.token, "POST", "/api/v2/write?org="+acme+"&bucket="+metrics, "probe v=1")
				check(t, err)
				config, _, err := s.Call(e.token, "GET", "/api/v2/config", nil)
				check(t, err)
				if got := (expected{e.name, e.token, known, write, config}); got != e {
					t.Errorf("%s, %s: known %d, write %d, config %d; expected %d, %d, %d",
						j.name, e.name, known, write, config, e.known, e.write, e.config)
				}
			}
		}
		for _, j := range judges {
			s := start(t, j.release, copyOf(t, l.server.Dir), j.flags...)
			starts++
			expect(j, s, []expected{
				{"writer", "known before the first start", 200, 204, 401},
				{"reader", read("reader.token"), 200, 403, 401},
				{"all access of another organization", read("all.token"), 200, 403, 401},
				{"operator", read("root.token"), 200, 204, 200},
				{"operator of setup", l.facts.Operator(), 200, 204, 200},
			})
			for user, password := range map[string]string{"nora": "noras password", "alice": "another password"} {
				if _, status := signin(t, s, user, password); status != http.StatusNoContent {
					t.Errorf("%s: %s does not sign in: %d", j.name, user, status)
				}
			}
			if _, status := signin(t, s, "alice", "correct horse battery"); status != http.StatusUnauthorized {
				t.Errorf("%s: alice signs in with her old password: %d", j.name, status)
			}
			nora, _ := signin(t, s, "nora", "noras password")
			var orgs struct{ Orgs []struct{ ID, Name string } }
			as(t, s, nora, "GET", "/api/v2/orgs", "", &orgs)
			if len(orgs.Orgs) != 1 || orgs.Orgs[0].Name != "new & one" {
				t.Fatalf("%s: nora sees %+v", j.name, orgs)
			}
			var bucket struct{ ID string }
			request := `{"name":"points","orgID":"` + orgs.Orgs[0].ID + `","retentionRules":[]}`
			if status := as(t, s, nora, "POST", "/api/v2/buckets", request, &bucket); status != http.StatusCreated {
				t.Errorf("%s: nora makes a bucket: %d", j.name, status)
			}
			// Nora is the only owner, so she owns the 1.x user.
			if status := writes(t, s, "client", "noras password", "telegraf", ""); status != 204 {
				t.Errorf("%s: the 1.x user writes: %d", j.name, status)
			}
			if status, text := queries(t, s, "client", "noras password", "telegraf", "month"); status != 200 || !strings.Contains(text, "probe") {
				t.Errorf("%s: the 1.x user queries: %d %s", j.name, status, text)
			}
			if status := writes(t, s, "client", "another password", "telegraf", ""); status != 401 {
				t.Errorf("%s: a wrong password: %d", j.name, status)
			}
			wrote, err := s.CanWrite(read("all.token"), orgs.Orgs[0].ID, bucket.ID)
			check(t, err)
			if !wrote {
				t.Errorf("%s: her token does not write to it", j.name)
			}
			if log := stop(t, s); strings.Contains(log, "Missing metadata for bucket.") {
				t.Errorf("%s: %s", j.name, log)
			}
		}

		// The list changes: another value, other permissions, one token less.
		old := read("reader.token")
		put("writer.token", "another value")
		list := strings.Replace(declared, `kind = "operator"`, `permissions = ["read:buckets"]`, 1)
		from := strings.Index(list, "[[token]]\nname = \"reader\"")
		to := strings.Index(list, "[[token]]\nname = \"all\"")
		put("list.toml", list[:from]+list[to:])
		apply(3, "--prune", "--yes")
		apply(0, "--prune")
		sound(t, db)
		last := judges[len(judges)-1]
		s := start(t, last.release, copyOf(t, l.server.Dir), last.flags...)
		starts++
		expect(last, s, []expected{
			{"old value", "known before the first start", 401, 401, 401},
			{"another value", "another value", 200, 204, 401},
			{"no longer named", old, 401, 401, 401},
			{"no operator any more", read("root.token"), 200, 403, 401},
			{"untouched", read("all.token"), 200, 403, 401},
		})
		stop(t, s)
	})
	t.Logf("%d stores, %d judgements", stores, starts)
	if stores != 5 || starts != 16 {
		t.Errorf("%d stores, %d judgements", stores, starts)
	}
}

// touched expects nothing to be gone, and nothing to have changed but alice's password and the
// time-series metadata.
func touched(t *testing.T, before, after []string) {
	t.Helper()
	now := map[string]bool{}
	for _, line := range after {
		now[line] = true
	}
	allowed := map[string]int{"key /" + hex.EncodeToString([]byte("userspasswordv1")) + " ": 1, "key /" + hex.EncodeToString([]byte("v1_tsm1_metadata")) + " ": 1}
	for _, line := range before {
		if now[line] {
			continue
		}
		left := false
		for prefix := range allowed {
			if strings.HasPrefix(line, prefix) && allowed[prefix] > 0 {
				allowed[prefix]--
				left = true
			}
		}
		if !left {
			t.Errorf("changed: %s", line)
		}
	}
}
