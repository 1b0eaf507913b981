package suite

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// repairReport is what `repair` prints.
type repairReport struct {
	Repaired, Left []struct{ Code, Where string }
	Changed        bool
}

// repaired runs `repair`, which must end with 0 or 3, and again, which must change nothing.
func repaired(t *testing.T, db string) repairReport {
	t.Helper()
	var report, again repairReport
	answer(t, &report, []int{0, 3}, "", "repair", "--yes", "--db", db)
	before := sumOfFile(t, db)
	answer(t, &again, []int{0, 3}, "", "repair", "--yes", "--db", db)
	if again.Changed || len(again.Repaired) > 0 || sumOfFile(t, db) != before {
		t.Errorf("a second run: %+v", again)
	}
	return report
}

func sumOfFile(t *testing.T, path string) [32]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return sum(text)
}

func (r repairReport) has(code string) bool {
	for _, one := range r.Repaired {
		if one.Code == code {
			return true
		}
	}
	return false
}

// factsOf are the facts of a fixture.
func factsOf(t *testing.T, name string) *server.Facts {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "real", name+".json"))
	check(t, err)
	facts := &server.Facts{}
	check(t, json.Unmarshal(text, facts))
	return facts
}

// hidden are the tokens that a server refuses, because their user was deleted or is inactive.
var hidden = []string{"of the leaver", "of the sleeper"}

// accepts expects that both logins and all tokens work.
func accepts(t *testing.T, s *server.Server, facts *server.Facts, logins []string, tokens bool) {
	t.Helper()
	for _, user := range logins {
		if _, status := signin(t, s, user, facts.Passwords[user]); status != http.StatusNoContent {
			t.Errorf("%s signs in: %d", user, status)
		}
	}
	for _, token := range facts.Tokens {
		if !tokens || token.Status != "active" || slices.Contains(hidden, token.Name) {
			continue
		}
		if ok, err := s.Knows(token.Token); err != nil || !ok {
			t.Errorf("%s is not accepted: %v", token.Name, err)
		}
	}
}

// newestOf are the last permissions in the list of an operator token, or of an all-access token of an
// organization: 2.2 added them.
func newestOf(org string) (text string) {
	if org != "" {
		org = `,"orgID":"` + org + `"`
	}
	for _, kind := range []string{"remotes", "replications"} {
		for _, action := range []string{"read", "write"} {
			text += `,{"action":"` + action + `","resource":{"type":"` + kind + `"` + org + `}}`
		}
	}
	return text
}

// hashOf is the hash of a token as 2.9 stores it.
func hashOf(token string) string {
	hash := sha256.Sum256([]byte(token))
	return "$influxdb2-sha256$" + base64.URLEncoding.EncodeToString(hash[:])
}

// indexErrors are errors in indexes, and of permissions, that servers don't notice when they start.
// newer are the facts of the store of schema 21.
func indexErrors(facts, newer *server.Facts) []broken {
	org, alice, bob := facts.Orgs["acme"], facts.Users["alice"], facts.Users["bob"]
	gone := "0000000000000a01"
	put := func(bucket, key, value string) []edit {
		return []edit{{Do: "put", Bucket: bucket, Key: key, Value: value}}
	}
	remove := func(bucket, from string) []edit {
		return []edit{{Do: "delete", Bucket: bucket, From: from}}
	}
	newest := newestOf("")
	both := []edit{{Do: "replace", Bucket: "authorizationsv1", From: `"token":"` + newer.Operator() + `"`,
		To: `"token":"` + newer.Operator() + `","hashedToken":"` + hashOf(newer.Operator()) + `"`}}
	mapping := `{"userID":"` + alice + `","userType":"member","mappingType":"user","resourceType":"orgs","resourceID":"` + gone + `"}`
	label := `{"id":"` + gone + `","orgID":"` + org + `","name":"Important"}`
	return []broken{
		{name: "token without entry", code: "metadata.token-index-absent", edits: remove("authorizationindexv1", facts.Operator())},
		{name: "token whose entry leads elsewhere", code: "metadata.token-index-elsewhere", edits: put("authorizationindexv1", facts.Operator(), gone)},
		{name: "entry of no token", code: "metadata.token-index-dangling", edits: put("authorizationindexv1", "nobody's", gone)},
		{name: "user without entry", code: "metadata.index-absent", edits: remove("userindexv1", alice)},
		{name: "user whose entry leads to another", code: "metadata.index-elsewhere", edits: put("userindexv1", "bob", alice)},
		{name: "organization without entry", code: "metadata.index-absent", edits: remove("organizationindexv1", org)},
		{name: "bucket without entry", code: "metadata.index-absent", edits: remove("bucketindexv1", facts.Buckets["metrics"])},
		{name: "blocked name", code: "metadata.index-dangling", edits: put("userindexv1", "was here", gone)},
		{name: "second name", code: "metadata.index-elsewhere", edits: put("userindexv1", "bobby", bob)},
		{name: "mapping without entry", code: "metadata.mapping-index-absent", edits: remove("userresourcemappingsbyuserindexv1", alice)},
		{name: "entry of no mapping", code: "metadata.mapping-index-dangling", edits: put("userresourcemappingsbyuserindexv1", gone+"/"+gone+gone, gone+gone)},
		{name: "mapping of a deleted user", code: "metadata.mapping-user-gone", edits: put("userresourcemappingsv1", org+gone,
			`{"userID":"`+gone+`","userType":"owner","mappingType":"user","resourceType":"orgs","resourceID":"`+org+`"}`)},
		{name: "mapping of a deleted organization", code: "metadata.mapping-org-gone", edits: put("userresourcemappingsv1", gone+alice, mapping)},
		{name: "1.x authorization without entry", code: "metadata.v1-index-absent", edits: remove("legacy/authorizationindexv1", "collectd")},
		{name: "entry of no 1.x authorization", code: "metadata.v1-index-dangling", edits: put("legacy/authorizationindexv1", "nobody", gone)},
		{name: "1.x authorization of a deleted user", code: "metadata.v1-user-gone", edits: []edit{
			{Do: "replace", Bucket: "legacy/authorizationsv1", From: `"userID":"`, To: `"userID":"` + gone + `","x":"`}}},
		{name: "1.x authorization of a deleted organization", code: "metadata.v1-org-gone", edits: []edit{
			{Do: "replace", Bucket: "legacy/authorizationsv1", From: `"orgID":"`, To: `"orgID":"` + gone + `","x":"`}}},
		{name: "label without entry", code: "metadata.label-index-absent", edits: put("labelsv1", gone, label)},
		{name: "entry of no label", code: "metadata.label-index-dangling", edits: put("labelindexv1", org+"gone", gone)},
		{name: "entry of no DBRP mapping", code: "metadata.dbrp-index-dangling", edits: put("dbrpbyorgv1", org+"/"+gone, gone)},
		{name: "DBRP mapping without entries", code: "metadata.dbrp-index-absent", edits: put("dbrpv1", gone,
			`{"id":"`+gone+`","database":"d","retention_policy":"r","default":true,"orgID":"`+org+`","bucketID":"`+facts.Buckets["metrics"]+`"}`)},
		{name: "all-access token of 2.1", code: "metadata.all-access-old", edits: []edit{
			{Do: "replace", Bucket: "authorizationsv1", From: newestOf(org), To: ""}}},
		{name: "1.x database of a deleted bucket", code: "metadata.dbrp-bucket-gone", edits: put("dbrpv1", gone,
			`{"id":"`+gone+`","database":"d","retention_policy":"r","default":true,"orgID":"`+org+`","bucketID":"`+gone+`"}`)},
		{name: "plaintext beside the hash", code: "metadata.token-both", schema21: true, edits: both},
		{name: "operator token of 2.1", code: "metadata.operator-old", edits: []edit{
			{Do: "replace", Bucket: "authorizationsv1", From: newest, To: ""}}},
	}
}

// curedCodes are the codes of findings that `repair` cures, with this beginning, except that of the other
// engine. docs/findings.md is made from the table of all codes.
func curedCodes(t *testing.T, prefix string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "findings.md"))
	check(t, err)
	all, cured := 0, map[string]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		code, isCode := strings.CutPrefix(line, "### ")
		if !isCode {
			continue
		}
		all++
		var told struct{ Code, Repair string }
		answer(t, &told, []int{0}, "", "explain", code)
		if told.Code != code || told.Repair == "" {
			t.Errorf("%s: %+v", code, told)
		}
		if told.Repair == "cured" && strings.HasPrefix(code, prefix) && code != "structure.unclean" {
			cured[code] = true
		}
	}
	if all < 100 || len(cured) < 20 {
		t.Fatalf("%d codes, %d cured", all, len(cured))
	}
	return cured
}

// TestRepairedStores repairs stores of a real server with every error that `repair` cures. Both
// releases start on the result, users sign in, tokens work, and both versions of Bolt accept the file.
func TestRepairedStores(t *testing.T) {
	task, org, bucket := factsOfFixture(t)
	older, newer := factsOf(t, "lived-2.7.12"), factsOf(t, "lived-2.9.1-plaintext")
	list := append(brokenStores(task, org, bucket), indexErrors(older, newer)...)
	cases, starts, missed := 0, 0, curedCodes(t, "metadata.")
	for _, c := range list {
		if c.code == "" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			fixture, facts, releases := "lived-2.7.12.bolt", older, []server.Release{server.V27, server.V29}
			if c.schema21 {
				fixture, facts, releases = "lived-2.9.1-plaintext.bolt.gz", newer, releases[1:]
			}
			db := unpacked(t, fixture, dir)
			change(t, db, c.edits)
			// It is known that there are no points.
			engine := filepath.Join(dir, "engine")
			check(t, os.Mkdir(engine, 0o700))
			result := boltkey(t, "", "repair", "--yes", "--json", "--db", db, "--engine-path", engine)
			if result.code == 5 {
				lost := strings.Contains(result.stderr, "that only the previous transaction has")
				if !lost && !strings.HasPrefix(c.code, "metadata.migration") && c.code != "metadata.undecodable" {
					t.Errorf("refused: %s", result.stderr)
				}
				return
			}
			var report repairReport
			check(t, json.Unmarshal([]byte(result.stdout), &report))
			if !report.has(c.code) {
				for _, left := range report.Left {
					if left.Code == c.code {
						return // It is left, with a reason.
					}
				}
				t.Fatalf("%s is neither cured nor left: %+v", c.code, report)
			}
			cases++
			delete(missed, c.code)
			sound(t, db)
			for _, f := range findings(t, db) {
				if f.Code == c.code {
					t.Errorf("still there: %+v", f)
				}
				if f.Severity == "error" {
					t.Errorf("an error: %+v", f)
				}
			}
			repaired(t, db)
			logins := []string{"alice", "bob"}
			if c.name == "without userspasswordv1" {
				logins = nil // Their passwords are lost.
			}
			for _, release := range releases {
				s := start(t, release, copyOf(t, dir))
				starts++
				accepts(t, s, facts, logins, c.code != "metadata.token-status")
				if c.code != "metadata.token-status" {
					status, text, err := s.Call(facts.Operator(), "GET", "/api/v2/config", nil)
					check(t, err)
					if status != http.StatusOK {
						t.Errorf("operator token: %d %s", status, text)
					}
				}
				stop(t, s)
			}
		})
	}
	t.Logf("cases: repaired-stores %d", cases)
	if cases < 50 || starts < 2*cases-5 || len(missed) > 0 {
		t.Errorf("%d cases, %d starts; cured, but not tried: %v", cases, starts, missed)
	}
}

// damagedStores are the changes in fixtures/damaged-stores, by code and store.
func damagedStores(t *testing.T) map[string]map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "damaged-stores", "changes"))
	check(t, err)
	found := map[string]map[string][]string{}
	var code, store string
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#":
		case words[0] == "damage":
			code, store = words[1], words[2]
			if found[code] == nil {
				found[code] = map[string][]string{}
			}
			found[code][store] = nil
		default:
			found[code][store] = append(found[code][store], line)
		}
	}
	return found
}

// damage makes changes of fixtures/damaged-stores in a file.
func damage(t *testing.T, db string, changes []string) {
	t.Helper()
	content, err := os.ReadFile(db)
	check(t, err)
	for _, line := range changes {
		words := strings.Fields(line)
		at, err := strconv.Atoi(words[1])
		check(t, err)
		switch words[0] {
		case "length":
			content = append(content, make([]byte, max(0, at-len(content)))...)[:at]
		case "fill":
			length, err := strconv.Atoi(words[2])
			check(t, err)
			copy(content[at:], bytes.Repeat(decoded(t, words[3]), length))
		case "put":
			copy(content[at:], decoded(t, words[2]))
		default:
			t.Fatal(line)
		}
	}
	check(t, os.WriteFile(db, content, 0o600))
}

// TestRepairedPages repairs every kind of damage to pages that `repair` cures, in a store of each
// schema. Both releases start on the result where they know the schema, users sign in, tokens work,
// and both versions of Bolt accept the file and write to it.
func TestRepairedPages(t *testing.T) {
	t.Parallel()
	all, cases := damagedStores(t), 0
	for code := range curedCodes(t, "structure.") {
		for name, releases := range map[string][]server.Release{
			"lived-2.7.12": {server.V27, server.V29}, "lived-2.9.1-plaintext": {server.V29},
		} {
			t.Run(code+" "+name, func(t *testing.T) {
				changes := all[code][name]
				if len(changes) == 0 {
					t.Fatal("no test makes it")
				}
				dir, fixture := t.TempDir(), name+".bolt"
				if name != "lived-2.7.12" {
					fixture += ".gz"
				}
				db := unpacked(t, fixture, dir)
				damage(t, db, changes)
				if report := repaired(t, db); !report.has(code) {
					t.Fatalf("%+v", report)
				}
				sound(t, db)
				for _, judge := range []string{"bbolt136", "bbolt150"} {
					peer(t, judge, "commit", copyOfFile(t, db), "10", "3")
				}
				for _, f := range findings(t, db) {
					if f.Severity == "error" {
						t.Errorf("%+v", f)
					}
				}
				facts := factsOf(t, name)
				for _, release := range releases {
					s := start(t, release, copyOf(t, dir))
					// A meta page that was lost takes the last transaction with it.
					if code != "structure.older-meta" {
						accepts(t, s, facts, []string{"alice", "bob"}, true)
					} else {
						accepts(t, s, facts, []string{"alice", "bob"}, false)
					}
					stop(t, s)
				}
				cases++
			})
		}
	}
	t.Logf("cases: repaired-pages %d", cases)
	if cases < 50 {
		t.Errorf("%d cases", cases)
	}
}

// repairedField are the states of fixtures/field that `repair` cures.
var repairedField = []struct{ name, code string }{
	{"1-25221-no-name-index", "metadata.index-absent"},
	{"2-27361-task-of-deleted-org", "metadata.task-org-gone"},
	{"9-24318-name-blocked", "metadata.index-dangling"},
	{"7-22825-page-already-freed", "structure.freelist-live"},
	{"bolt-c02", "structure.freelist-page"},
	{"bolt-c12", "structure.truncated"},
	{"bolt-c74", "structure.excess-shared"},
	// There is nothing to cure in these.
	{"5-492-token-with-newline", ""},
	{"8-20264-v1-auth", ""},
}

// Each state that people reported is repaired or salvaged by a test.
func TestEveryFieldCaseIsTried(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "field", "*.bolt.gz"))
	check(t, err)
	left := map[string]bool{}
	for _, path := range paths {
		left[strings.TrimSuffix(filepath.Base(path), ".bolt.gz")] = true
	}
	for name := range salvagedField {
		delete(left, name)
	}
	for _, c := range repairedField {
		delete(left, c.name)
	}
	if len(paths) < 18 || len(left) > 0 {
		t.Errorf("of %d: %v", len(paths), left)
	}
}

// TestRepairedFieldCases repairs the states that people reported. The releases that know the schema
// start on the result, alice signs in, and the tokens work.
func TestRepairedFieldCases(t *testing.T) {
	cases := 0
	for _, c := range repairedField {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			db := server.Bolt(dir)
			packed, err := os.Open(filepath.Join("..", "..", "fixtures", "field", c.name+".bolt.gz"))
			check(t, err)
			defer packed.Close()
			gz, err := gzip.NewReader(packed)
			check(t, err)
			text, err := io.ReadAll(gz)
			check(t, err)
			check(t, os.WriteFile(db, text, 0o600))
			var listed listing
			before := sumOfFile(t, db)
			if report := repaired(t, db); c.code != "" && !report.has(c.code) || (c.code == "") != (sumOfFile(t, db) == before) {
				t.Fatalf("%+v", report)
			}
			var told struct{ Schema struct{ Migrations int } }
			answer(t, &told, []int{0}, "", "status", "--db", db)
			releases := []server.Release{server.V29}
			if told.Schema.Migrations <= 20 {
				releases = append(releases, server.V27)
			}
			sound(t, db)
			peer(t, "bbolt136", "commit", copyOfFile(t, db), "10", "3")
			answer(t, &listed, []int{0}, "", "auth", "list", "--reveal", "--status", "active", "--db", db)
			for _, release := range releases {
				s := start(t, release, copyOf(t, dir))
				// The password of the store with one token is not known, and no header can carry the token.
				_, status := signin(t, s, "alice", "correct horse battery")
				if status != http.StatusNoContent && len(listed.Authorizations) > 1 {
					t.Errorf("%s: alice signs in: %d", release, status)
				}
				known, hashed := 0, 0
				for _, token := range listed.Authorizations {
					if strings.Contains(token.Token, "\n") {
						continue
					}
					if token.Storage == "hashed" {
						hashed++
						continue
					}
					ok, err := s.Knows(token.Token)
					check(t, err)
					if ok != token.Usable && token.User != "" {
						t.Errorf("%s: %s is known: %t", release, token.Description, ok)
					}
					if ok {
						known++
					}
				}
				if known+hashed < min(25, len(listed.Authorizations)-1) {
					t.Errorf("%s knows %d of %d tokens", release, known, len(listed.Authorizations))
				}
				stop(t, s)
			}
			cases++
		})
	}
	t.Logf("cases: repaired-field %d", cases)
}

func copyOfFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	to := filepath.Join(t.TempDir(), "copy.bolt")
	check(t, os.WriteFile(to, text, 0o600))
	return to
}

// TestTokensDeadAfterADowngrade: 2.9.1 hashes the tokens, its own downgrade takes their index away,
// and 2.9.1 does not make it again: every token is refused. After `repair` all work.
func TestTokensDeadAfterADowngrade(t *testing.T) {
	dir := t.TempDir()
	s := start(t, server.V29, dir)
	facts, err := s.Setup("2.9.1", "")
	check(t, err)
	check(t, s.Live(facts))
	stop(t, s)
	down := exec.Command(server.Binary(string(server.V29)), "downgrade", "2.4",
		"--bolt-path", server.Bolt(dir), "--sqlite-path", filepath.Join(dir, "influxd.sqlite"))
	down.Env = []string{"HOME=" + dir}
	if text, err := down.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, bytes.TrimSpace(text))
	}
	s = start(t, server.V29, dir)
	for _, token := range facts.Tokens[:5] {
		if ok, err := s.Knows(token.Token); err != nil || ok {
			t.Errorf("%s is known before the repair: %v", token.Name, err)
		}
	}
	stop(t, s)
	report := repaired(t, server.Bolt(dir))
	if !report.has("metadata.token-index-absent") {
		t.Fatalf("%+v", report)
	}
	sound(t, server.Bolt(dir))
	s = start(t, server.V29, dir)
	accepts(t, s, facts, []string{"alice", "bob"}, true)
	stop(t, s)
}
