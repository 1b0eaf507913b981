package suite

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// changer changes the tokens of a stopped server's store.
type changer struct {
	t     *testing.T
	db    string
	facts *server.Facts
}

// change runs a command that makes, changes or deletes authorizations.
func (c changer) change(input string, args ...string) made {
	c.t.Helper()
	var m made
	answer(c.t, &m, []int{0}, input, append(args, "--db", c.db, "--yes")...)
	if m.Changed == nil || !*m.Changed {
		c.t.Fatalf("boltkey %v: %+v", args, m)
	}
	return m
}

// create makes a token of alice's in acme.
func (c changer) create(args ...string) authorization {
	c.t.Helper()
	return c.change("", append([]string{"auth", "create", "--user", "alice", "--org", "acme"}, args...)...).Authorization
}

// named is a token that was made before boltkey came.
func (c changer) named(name string) server.Token {
	c.t.Helper()
	for _, token := range c.facts.Tokens {
		if token.Name == name {
			return token
		}
	}
	c.t.Fatalf("no token %s", name)
	return server.Token{}
}

// file writes a secret or a request beside the store.
func (c changer) file(content string) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), "file")
	check(c.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// expected is what a server is to say of a token: of a request that needs no permission, of a
// write, of a request that only an operator may make.
type expected struct {
	name, token          string
	known, write, config int
}

// Tokens that were created, cloned, rotated, chosen, or made from a hash work on real servers with
// their permissions, and are listed as boltkey lists them. Old and deleted values are unknown, inactive
// ones refused. All other records stay the same byte for byte.
func TestTokensMadeOfflineServe(t *testing.T) {
	t.Parallel()
	stores, starts := 0, 0
	eachLivedStore(t, func(t *testing.T, l lived) {
		stop(t, l.server)
		stores++
		judges := []judge{judgeHashing, judgePlain}
		hashes := l.release == server.V29 || strings.Contains(t.Name(), "upgraded")
		if !hashes {
			judges = append([]judge{judge27}, judges...)
		}
		db := server.Bolt(l.server.Dir)
		before, findings := contents(t, db), findingsOf(t, db)
		c := changer{t, db, l.facts}
		metrics, acme := l.facts.Buckets["metrics"], l.facts.Orgs["acme"]

		reader := c.create("--read-bucket", metrics)
		writer := c.create("--write-bucket", metrics, "--read-tasks", "--temporary")
		anyWriter := c.create("--write-buckets", "--description", "Zähler \"<&>\" \u2028")
		all := c.create("--all-access")
		operator := c.create("--operator")
		body, err := json.Marshal(map[string]any{
			"orgID": acme, "userID": l.facts.Users["bob"], "status": "inactive",
			"permissions": []any{map[string]any{"action": "write", "resource": map[string]string{
				"type": "buckets", "id": metrics, "orgID": acme, "name": "left out"}}},
		})
		check(t, err)
		off := c.change("", "auth", "create", "--from-json", c.file(string(body))).Authorization
		chosen := c.create("--write-bucket", metrics, "--token-file", c.file("chosen in advance\n"))
		double := c.change("", "auth", "clone", c.named("write both").ID).Authorization
		rotated := c.named("device 00001")
		second := c.change("", "auth", "rotate", rotated.ID).Authorization
		third := c.named("device 00005")
		given := c.change("", "auth", "rotate", third.ID, "--token-file", c.file("given to a device")).Authorization
		switched, deleted := c.named("device 00002"), c.named("device 00003")
		c.change("", "auth", "update", switched.ID, "--status", "inactive")
		on := c.named("switched off")
		c.change("", "auth", "update", on.ID, "--status", "active", "--description", "switched on")
		c.change("", "auth", "delete", deleted.ID, c.named("of the leaver").ID)

		expect := []expected{
			{"reader", reader.Token, 200, 403, 401},
			{"writer", writer.Token, 200, 204, 401},
			{"writer of any bucket", anyWriter.Token, 200, 204, 401},
			{"all access", all.Token, 200, 204, 401},
			{"operator", operator.Token, 200, 204, 200},
			{"made inactive", off.Token, 200, 403, 401},
			{"chosen", chosen.Token, 200, 204, 401},
			{"clone", double.Token, 200, 204, 401},
			{"rotated", second.Token, 200, 204, 401},
			{"its old value", rotated.Token, 401, 401, 401},
			{"rotated to a chosen one", given.Token, 200, 204, 401},
			{"its old value", third.Token, 401, 401, 401},
			{"switched off", switched.Token, 200, 403, 401},
			{"switched on", on.Token, 200, 403, 401},
			{"deleted", deleted.Token, 401, 401, 401},
			{"untouched", c.named("device 00004").Token, 200, 204, 401},
			{"operator of setup", l.facts.Operator(), 200, 204, 200},
		}
		added := 8
		if hashes {
			for _, variant := range []string{"sha256", "sha512"} {
				token := "known elsewhere " + variant
				hash := strings.TrimSpace(boltkey(t, token, "token", "hash", "--variant", variant, "--token-file", "-").stdout)
				a := c.create("--operator", "--hashed-token", hash)
				if a.Token != "" || a.Storage != "hashed" {
					t.Errorf("%s: %+v", variant, a)
				}
				expect = append(expect, expected{variant, token, 200, 204, 200})
				added++
			}
		}
		sound(t, db)
		if now := findingsOf(t, db); now != findings {
			t.Errorf("check said\n%s\nand says\n%s", findings, now)
		}
		onlyTheseRecords(t, before, contents(t, db), added, 4, 2)
		var ours listing
		answer(t, &ours, []int{0}, "", "auth", "list", "--reveal", "--db", db)

		for _, j := range judges {
			s := start(t, j.release, copyOf(t, l.server.Dir), j.flags...)
			starts++
			for _, e := range expect {
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
			listsAlike(t, j.name, s, operator.Token, ours)
			log := stop(t, s)
			if strings.Contains(log, "Missing metadata for bucket.") {
				t.Errorf("%s: %s", j.name, log)
			}
			if migrated := strings.Contains(log, "KV migrations"); j.release == server.V29 && migrated == hashes {
				t.Errorf("%s: migrated %v", j.name, migrated)
			}
		}
	})
	t.Logf("%d stores, %d judgements", stores, starts)
	if stores != 5 || starts != 11 {
		t.Errorf("%d stores, %d judgements", stores, starts)
	}
}

// findingsOf is what `check` says, without what it says of temporary tokens and of the leaver's,
// which is deleted.
func findingsOf(t *testing.T, db string) string {
	t.Helper()
	var report struct {
		Findings []struct{ Code, Where string }
	}
	answer(t, &report, []int{0, 3}, "", "check", "--db", db)
	var lines []string
	for _, f := range report.Findings {
		if f.Code != "metadata.token-temporary" && f.Code != "metadata.token-user-gone" {
			lines = append(lines, f.Code+" "+f.Where)
		}
	}
	return strings.Join(lines, "\n")
}

// onlyTheseRecords expects so many authorizations to be added, changed and gone, with their index
// entries, and every other line to be as it was.
func onlyTheseRecords(t *testing.T, before, after []string, added, changed, gone int) {
	t.Helper()
	// A line is a bucket, a key and the sum of a value.
	split := func(lines []string) map[string]string {
		byKey := map[string]string{}
		for _, line := range lines {
			if at := strings.LastIndex(line, " "); strings.HasPrefix(line, "key /") {
				byKey[line[:at]] = line[at:]
			} else {
				byKey[line] = ""
			}
		}
		return byKey
	}
	old, now := split(before), split(after)
	records := "key /" + fmt.Sprintf("%x", "authorizationsv1") + " "
	indexes := []string{"key /" + fmt.Sprintf("%x", "authorizationindexv1") + " ", "key /" + fmt.Sprintf("%x", "authorizationhashedindexv1") + " "}
	var counts [3]int
	count := func(key string, which int) {
		if strings.HasPrefix(key, records) {
			counts[which]++
		} else if which == 1 || !strings.HasPrefix(key, indexes[0]) && !strings.HasPrefix(key, indexes[1]) {
			t.Errorf("changed: %s", key)
		}
	}
	for key, sum := range now {
		if was, ok := old[key]; !ok {
			count(key, 0)
		} else if was != sum {
			count(key, 1)
		}
	}
	for key := range old {
		if _, ok := now[key]; !ok {
			count(key, 2)
		}
	}
	if counts != [3]int{added, changed, gone} {
		t.Errorf("%d records added, %d changed, %d gone; expected %d, %d, %d", counts[0], counts[1], counts[2], added, changed, gone)
	}
}

// listsAlike expects a server to list exactly the authorizations that we list, field by field, but
// for those whose user or organization was deleted. Of the tokens it may have hashed some.
func listsAlike(t *testing.T, judge string, s *server.Server, operator string, ours listing) {
	t.Helper()
	var theirs listing
	check(t, s.Must(operator, http.MethodGet, "/api/v2/authorizations", nil, &theirs))
	byID := map[string]authorization{}
	for _, a := range theirs.Authorizations {
		byID[a.ID] = a
	}
	compared := 0
	for _, have := range ours.Authorizations {
		want, ok := byID[have.ID]
		if !ok {
			if have.Org != "" && have.User != "" {
				t.Errorf("%s: %s (%s) is not listed", judge, have.ID, have.Description)
			}
			continue
		}
		if have.Storage == "plaintext" && want.Token != "" && have.Token != want.Token {
			t.Errorf("%s: %s has another token", judge, have.ID)
		}
		if have.Storage == "hashed" && want.Token != "" {
			t.Errorf("%s: %s shows a hashed token", judge, have.ID)
		}
		have.Token, have.Storage, have.Usable, want.Token = "", "", false, ""
		if !reflect.DeepEqual(have, want) {
			t.Errorf("%s differs:\nours   %+v\ntheirs %+v", judge, have, want)
		}
		compared++
	}
	if compared < 25 || compared != len(theirs.Authorizations) {
		t.Errorf("%s: compared %d of %d", judge, compared, len(theirs.Authorizations))
	}
}
