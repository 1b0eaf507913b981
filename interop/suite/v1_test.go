package suite

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"sort"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

var (
	anID    = regexp.MustCompile(`[0-9a-f]{16}`)
	oneTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)
	bcrypt  = regexp.MustCompile(`^\$2a\$(\d\d)\$.{53}$`)
)

// pairs are the keys and values of some buckets, as text.
func pairs(t *testing.T, db string, buckets ...string) map[string]map[string]string {
	t.Helper()
	dump, err := exec.Command(server.Binary("bbolt136"), "dump", "--values", db).Output()
	check(t, err)
	text := func(word string) string {
		content, err := hex.DecodeString(word)
		check(t, err)
		return string(content)
	}
	all := map[string]map[string]string{}
	for _, line := range strings.Split(string(dump), "\n") {
		words := strings.Split(line, " ")
		if words[0] != "key" || len(words) != 4 || strings.Count(words[1], "/") != 1 {
			continue
		}
		bucket := text(strings.TrimPrefix(words[1], "/"))
		for _, wanted := range buckets {
			if bucket != wanted {
				continue
			}
			if all[bucket] == nil {
				all[bucket] = map[string]string{}
			}
			all[bucket][text(words[2])] = text(strings.TrimPrefix(words[3], "="))
		}
	}
	return all
}

// ofV1 are the buckets that the commands for 1.x clients, users and buckets change.
var ofV1 = []string{
	"legacy/authorizationsv1", "legacy/authorizationindexv1", "legacy/authorizationPasswordv1",
	"dbrpv1", "dbrpbyorgv1", "dbrpbyorganddbindexv1", "dbrpdefaultv1",
	"bucketsv1", "bucketindexv1", "usersv1", "userindexv1",
}

// comparable are records in which IDs are replaced by what they are the IDs of, times and the salts of
// hashes by nothing.
func comparable(t *testing.T, db string, buckets ...string) []string {
	t.Helper()
	all := pairs(t, db, append([]string{"organizationsv1"}, buckets...)...)
	names := map[string]string{}
	for bucket, records := range all {
		for id, value := range records {
			var record struct {
				ID, Name, Token, Database, OrgID string
				RetentionPolicy                  string `json:"retention_policy"`
			}
			if anID.MatchString(id) && json.Unmarshal([]byte(value), &record) == nil && record.ID == id {
				names[id] = fmt.Sprintf("<%s %s%s%s %s>", bucket, record.Name, record.Token, record.Database, record.RetentionPolicy)
			}
		}
	}
	// System buckets of different organizations have one name.
	masked := func(text string) string {
		text = anID.ReplaceAllStringFunc(text, func(id string) string {
			if name, ok := names[id]; ok {
				return name
			}
			return "<unknown " + id + ">"
		})
		return oneTime.ReplaceAllString(text, "<time>")
	}
	var lines []string
	for _, bucket := range buckets {
		for key, value := range all[bucket] {
			if hash := bcrypt.FindStringSubmatch(value); hash != nil {
				value = "<bcrypt of cost " + hash[1] + ">"
			}
			lines = append(lines, bucket+": "+masked(key)+" = "+masked(value))
		}
	}
	sort.Strings(lines)
	return lines
}

// sameLines expects two lists to be equal and names what differs.
func sameLines(t *testing.T, what string, theirs, ours []string) {
	t.Helper()
	counts := map[string]int{}
	for _, line := range theirs {
		counts[line]++
	}
	for _, line := range ours {
		counts[line]--
	}
	for line, n := range counts {
		switch {
		case n > 0:
			t.Errorf("%s: only influxd has %s", what, line)
		case n < 0:
			t.Errorf("%s: only boltkey has %s", what, line)
		}
	}
}

// readers and writers of a 1.x request: three ways to sign in.
var ways = []string{"basic", "u and p", "token"}

// v1 makes a request to /query or /write as a 1.x client does.
func v1(t *testing.T, s *server.Server, way, user, password, path string, values url.Values, body string) (int, string) {
	t.Helper()
	method := "GET"
	if path == "/write" {
		method = "POST"
	}
	all := url.Values{}
	for name, value := range values {
		all[name] = value
	}
	if way == "u and p" {
		all.Set("u", user)
		all.Set("p", password)
	}
	request, err := http.NewRequest(method, s.URL+path+"?"+all.Encode(), strings.NewReader(body))
	check(t, err)
	switch way {
	case "basic":
		request.SetBasicAuth(user, password)
	case "token":
		request.Header.Set("Authorization", "Token "+user+":"+password)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text := make([]byte, 2000)
	n, _ := response.Body.Read(text)
	return response.StatusCode, string(text[:n])
}

// writes is the status of a write to a database.
func writes(t *testing.T, s *server.Server, user, password, db, rp string) int {
	t.Helper()
	values := url.Values{"db": {db}}
	if rp != "" {
		values.Set("rp", rp)
	}
	status, _ := v1(t, s, "basic", user, password, "/write", values, "probe v=1")
	return status
}

// queries is the status of a query of a database, and the answer.
func queries(t *testing.T, s *server.Server, user, password, db, rp string) (int, string) {
	t.Helper()
	values := url.Values{"db": {db}, "q": {"select * from probe"}}
	if rp != "" {
		values.Set("rp", rp)
	}
	return v1(t, s, "basic", user, password, "/query", values, "")
}

// verifies is what user verify says.
func verifies(t *testing.T, db, name, password string, more ...string) bool {
	t.Helper()
	args := append([]string{"user", "verify", "--name", name, "--password-file", "-", "--db", db}, more...)
	result := boltkey(t, password+"\n", args...)
	switch result.code {
	case 0, 3:
		return result.code == 0
	case 1: // no such user of 2.x
		if strings.Contains(result.stderr, "no user") {
			return false
		}
	}
	t.Fatalf("boltkey %v: exit %d: %s", args, result.code, result.stderr)
	return false
}

// Every record that the influx CLI's v1 commands, the API's buckets and renamed users leave is the one
// that boltkey writes, in every index, on both releases.
func TestRecordsOfV1AreThoseOfInfluxd(t *testing.T) {
	t.Parallel()
	for _, release := range []server.Release{server.V27, server.V29} {
		t.Run(string(release), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := start(t, release, dir)
			facts, err := s.Setup(string(release), "")
			check(t, err)
			stop(t, s)
			ours := server.Bolt(copyOf(t, dir))
			s = start(t, release, dir)
			operator, org, metrics := facts.Operator(), facts.Orgs["acme"], facts.Buckets["metrics"]
			run := func(args ...string) string {
				t.Helper()
				out, ok := influx(t, s, operator, args)
				if !ok {
					t.Fatalf("influx %v: %s", args, out)
				}
				return out
			}
			refused := func(args ...string) {
				t.Helper()
				if out, ok := influx(t, s, operator, args); ok {
					t.Fatalf("influx %v was taken: %s", args, out)
				}
			}
			c := changer{t, ours, facts}
			own := func(args ...string) {
				t.Helper()
				c.change("", args...)
			}
			ownRefused := func(args ...string) {
				t.Helper()
				if result := boltkey(t, "", append(args, "--db", ours, "--yes")...); result.code != 1 && result.code != 2 {
					t.Fatalf("boltkey %v: exit %d: %s", args, result.code, result.stderr)
				}
			}
			steps, lines := 0, 0
			compare := func(what string) {
				t.Helper()
				steps++
				stop(t, s)
				theirs := comparable(t, server.Bolt(dir), ofV1...)
				lines += len(theirs)
				sameLines(t, what, theirs, comparable(t, ours, ofV1...))
				s = start(t, release, dir)
			}
			secret := c.file("legacy pass 9")

			type bucket struct {
				name   string
				theirs map[string]any
				ours   []string
			}
			rule := func(seconds, groups int) []map[string]any {
				rule := map[string]any{"type": "expire", "everySeconds": seconds}
				if groups > 0 {
					rule["shardGroupDurationSeconds"] = groups
				}
				return []map[string]any{rule}
			}
			for _, b := range []bucket{
				{"events", map[string]any{"retentionRules": []any{}}, nil},
				{"events/week", map[string]any{"retentionRules": rule(7*24*3600, 0)}, []string{"--retention", "7d"}},
				{"hour", map[string]any{"retentionRules": rule(3600, 0)}, []string{"--retention", "1h"}},
				{"days", map[string]any{"retentionRules": rule(48*3600, 0)}, []string{"--retention", "48h"}},
				{"year", map[string]any{"retentionRules": rule(365*24*3600, 0)}, []string{"--retention", "365d"}},
				{"groups", map[string]any{"retentionRules": rule(48*3600, 1800)}, []string{"--retention", "48h", "--shard-duration", "30m"}},
				{"large groups", map[string]any{"retentionRules": rule(0, 3*24*3600)}, []string{"--shard-duration", "3d"}},
				{"told <&>", map[string]any{"description": "d <x> & \u2028 \"y\"", "retentionRules": rule(0, 0)}, []string{"--description", "d <x> & \u2028 \"y\""}},
			} {
				request := map[string]any{"name": b.name, "orgID": org}
				for name, value := range b.theirs {
					request[name] = value
				}
				check(t, s.Must(operator, "POST", "/api/v2/buckets", request, &struct{}{}))
				own(append([]string{"bucket", "create", "--org", "acme", "--name", b.name}, b.ours...)...)
			}
			for _, name := range []string{"_x", `q"x`, "events"} {
				if status, _, err := s.Call(operator, "POST", "/api/v2/buckets", map[string]any{"name": name, "orgID": org, "retentionRules": []any{}}); err != nil || status < 400 {
					t.Errorf("%q was taken: %d", name, status)
				}
				ownRefused("bucket", "create", "--org", "acme", "--name", name)
			}
			for _, r := range []struct {
				rules []map[string]any
				ours  []string
			}{
				{rule(1800, 0), []string{"--retention", "30m"}},
				{rule(7200, 72*3600), []string{"--retention", "2h", "--shard-duration", "72h"}},
			} {
				status, _, err := s.Call(operator, "POST", "/api/v2/buckets", map[string]any{"name": "refused", "orgID": org, "retentionRules": r.rules})
				if err != nil || status < 400 {
					t.Errorf("%v was taken: %d", r.rules, status)
				}
				ownRefused(append([]string{"bucket", "create", "--org", "acme", "--name", "refused"}, r.ours...)...)
			}
			compare("buckets")
			boltStarts(t, release, ours, facts)

			var list struct{ Buckets []struct{ ID, Name string } }
			check(t, s.Must(operator, "GET", "/api/v2/buckets?limit=100&orgID="+org, nil, &list))
			theirID := map[string]string{}
			for _, b := range list.Buckets {
				theirID[b.Name] = b.ID
			}
			run("v1", "auth", "create", "-o", "acme", "--username", "collectd", "--password", "legacy pass 9", "--read-bucket", metrics, "--write-bucket", metrics, "-d", "1.x <client>")
			own("v1", "auth", "create", "--org", "acme", "--username", "collectd", "--password-file", secret, "--read-bucket", metrics, "--write-bucket", "metrics", "--description", "1.x <client>")
			run("v1", "auth", "create", "-o", "acme", "--username", "two & two", "--password", "legacy pass 9", "--write-bucket", theirID["events"], "--write-bucket", metrics, "--read-bucket", theirID["hour"])
			own("v1", "auth", "create", "--org", "acme", "--username", "two & two", "--password-file", secret, "--write-bucket", "events", "--write-bucket", "metrics", "--read-bucket", "hour")
			for _, name := range []string{"off", "on again", "no password"} {
				run("v1", "auth", "create", "-o", "acme", "--username", name, "--no-password", "--read-bucket", metrics)
				own("v1", "auth", "create", "--org", "acme", "--username", name, "--no-password", "--read-bucket", metrics)
			}
			refused("v1", "auth", "create", "-o", "acme", "--username", "collectd", "--no-password", "--read-bucket", metrics)
			ownRefused("v1", "auth", "create", "--org", "acme", "--username", "collectd", "--no-password", "--read-bucket", metrics)
			refused("v1", "auth", "create", "-o", "acme", "--username", "short", "--password", "short", "--read-bucket", metrics)
			ownRefused("v1", "auth", "create", "--org", "acme", "--username", "short", "--password-file", c.file("short"), "--read-bucket", metrics)
			refused("v1", "auth", "create", "-o", "acme", "--username", "lost", "--no-password", "--read-bucket", "0000000000000abc")
			ownRefused("v1", "auth", "create", "--org", "acme", "--username", "lost", "--no-password", "--read-bucket", "0000000000000abc")
			compare("1.x users")
			run("v1", "auth", "set-inactive", "--username", "off")
			own("v1", "auth", "update", "--username", "off", "--status", "inactive")
			run("v1", "auth", "set-inactive", "--username", "on again")
			run("v1", "auth", "set-active", "--username", "on again")
			own("v1", "auth", "update", "--username", "on again", "--status", "inactive")
			own("v1", "auth", "update", "--username", "on again", "--status", "active")
			run("v1", "auth", "set-password", "--username", "no password", "--password", "legacy pass 9")
			own("v1", "auth", "password", "--username", "no password", "--password-file", secret)
			run("v1", "auth", "delete", "--username", "off")
			own("v1", "auth", "delete", "--username", "off")
			compare("changed 1.x users")

			// One mapping of theirs and of ours by database and policy.
			ids := map[string][2]string{}
			mapped := func(database, policy, bucket string, isDefault bool) {
				t.Helper()
				request := map[string]any{"database": database, "retention_policy": policy, "orgID": org, "bucketID": theirID[bucket], "default": isDefault}
				var theirs struct{ ID string }
				check(t, s.Must(operator, "POST", "/api/v2/dbrps", request, &theirs))
				args := []string{"v1", "dbrp", "create", "--org", "acme", "--database", database, "--rp", policy, "--bucket", bucket, "--db", ours}
				if isDefault {
					args = append(args, "--default")
				}
				var report struct{ Dbrp struct{ ID string } }
				answer(t, &report, []int{0}, "", args...)
				ids[database+"/"+policy] = [2]string{theirs.ID, report.Dbrp.ID}
			}
			run("v1", "dbrp", "create", "-o", "acme", "--bucket-id", metrics, "--db", "collectd", "--rp", "autogen")
			own("v1", "dbrp", "create", "--org", "acme", "--bucket-id", metrics, "--database", "collectd")
			mapped("d", "one", "events", false)
			mapped("d", "two", "hour", false)
			mapped("d", "three", "days", true)
			mapped("d", "four & <five>", "days", false)
			mapped("metrics", "other", "events", false)
			mapped("events", "autogen", "metrics", false)
			mapped("e", "last", "metrics", true)
			compare("mappings")
			refused("v1", "dbrp", "create", "-o", "acme", "--bucket-id", metrics, "--db", "a/b", "--rp", "x")
			ownRefused("v1", "dbrp", "create", "--org", "acme", "--bucket", "metrics", "--database", "a/b", "--rp", "x")
			refused("v1", "dbrp", "create", "-o", "acme", "--bucket-id", metrics, "--db", "d", "--rp", "one")
			ownRefused("v1", "dbrp", "create", "--org", "acme", "--bucket", "metrics", "--database", "d", "--rp", "one")

			virtual(t, s, operator, ours, facts)

			// The CLI can't take a default away; the API can.
			patch := func(mapping string, change map[string]any, args ...string) {
				t.Helper()
				check(t, s.Must(operator, "PATCH", "/api/v2/dbrps/"+ids[mapping][0]+"?orgID="+org, change, &struct{}{}))
				own(append([]string{"v1", "dbrp", "update", "--id", ids[mapping][1]}, args...)...)
			}
			patch("d/one", map[string]any{"default": true}, "--default")
			patch("d/two", map[string]any{"retention_policy": "2"}, "--rp", "2")
			patch("d/three", map[string]any{"retention_policy": "3", "default": true}, "--rp", "3", "--default")
			compare("changed mappings")
			for _, mapping := range []string{"d/three", "d/four & <five>", "d/one", "e/last"} {
				run("v1", "dbrp", "delete", "-o", "acme", "--id", ids[mapping][0])
				own("v1", "dbrp", "delete", "--id", ids[mapping][1])
				compare("without " + mapping)
			}
			virtual(t, s, operator, ours, facts)

			var user struct{ ID string }
			check(t, s.Must(operator, "POST", "/api/v2/users", map[string]string{"name": "bob"}, &user))
			own("user", "create", "--name", "bob")
			check(t, s.Must(operator, "PATCH", "/api/v2/users/"+user.ID, map[string]string{"name": "b <o> b"}, &struct{}{}))
			own("user", "update", "--name", "bob", "--rename", "b <o> b")
			check(t, s.Must(operator, "PATCH", "/api/v2/users/"+facts.Users["alice"], map[string]string{"name": "bob"}, &struct{}{}))
			own("user", "update", "--name", "alice", "--rename", "bob")
			if status, _, err := s.Call(operator, "PATCH", "/api/v2/users/"+user.ID, map[string]string{"name": "bob"}); err != nil || status < 400 {
				t.Errorf("a name that is taken: %d", status)
			}
			ownRefused("user", "update", "--name", "b <o> b", "--rename", "bob")
			compare("renamed users")
			boltStarts(t, release, ours, facts)
			t.Logf("%d comparisons of %d records and entries", steps, lines)
			if steps != 10 || lines < 480 {
				t.Errorf("%d comparisons of %d records and entries", steps, lines)
			}
		})
	}
}

// boltStarts expects a server to start on a copy of a store and its operator to be let in.
func boltStarts(t *testing.T, release server.Release, db string, facts *server.Facts) {
	t.Helper()
	sound(t, db)
	content, err := os.ReadFile(db)
	check(t, err)
	dir := t.TempDir()
	check(t, os.WriteFile(server.Bolt(dir), content, 0o600))
	s := start(t, release, dir)
	if known, err := s.Knows(facts.Operator()); err != nil || !known {
		t.Errorf("the operator is not known: %v", err)
	}
	if log := stop(t, s); strings.Contains(log, "Missing metadata for bucket.") {
		t.Error(log)
	}
}

// virtual expects every mapping that the server lists, stored or virtual, in our list.
func virtual(t *testing.T, s *server.Server, token, db string, facts *server.Facts) {
	t.Helper()
	type mapping struct {
		Database        string
		RetentionPolicy string `json:"retention_policy"`
		Bucket          string
		BucketID        string
		OrgID           string
		Default         bool
		Virtual         bool
	}
	for _, org := range facts.Orgs {
		var buckets struct{ Buckets []struct{ ID, Name string } }
		if s.Must(token, "GET", "/api/v2/buckets?limit=100&orgID="+org, nil, &buckets) != nil || len(buckets.Buckets) == 0 {
			continue // deleted
		}
		names := map[string]string{}
		for _, b := range buckets.Buckets {
			names[b.ID] = b.Name
		}
		lines := func(list []mapping) (lines []string) {
			for _, m := range list {
				name := m.Bucket
				if name == "" {
					name = names[m.BucketID]
				}
				lines = append(lines, fmt.Sprintf("%q %q to %q, default %v, virtual %v", m.Database, m.RetentionPolicy, name, m.Default, m.Virtual))
			}
			return
		}
		var theirs struct{ Content []mapping }
		check(t, s.Must(token, "GET", "/api/v2/dbrps?orgID="+org, nil, &theirs))
		var ours struct{ Dbrps []mapping }
		answer(t, &ours, []int{0}, "", "v1", "dbrp", "list", "--org-id", org, "--db", db)
		if len(theirs.Content) < 2 {
			t.Errorf("%d mappings", len(theirs.Content))
		}
		sameLines(t, "mappings of "+org, lines(theirs.Content), lines(ours.Dbrps))
	}
}

// 1.x clients are served by servers on stores in which boltkey made their users, databases and
// buckets, in every way to sign in. Who is inactive, deleted or has another password is refused, and
// user verify says so before.
func TestServersServe1xClients(t *testing.T) {
	t.Parallel()
	stores, answers := 0, 0
	eachLivedStore(t, func(t *testing.T, l lived) {
		stop(t, l.server)
		stores++
		judges := []judge{judgeHashing, judgePlain}
		if l.release == server.V27 && !strings.Contains(t.Name(), "upgraded") {
			judges = append([]judge{judge27}, judges...)
		}
		db := server.Bolt(l.server.Dir)
		findings := findingsOf(t, db)
		c := changer{t, db, l.facts}
		secret := c.file("a 1.x password\n")
		create := func(name string, more ...string) {
			t.Helper()
			args := []string{"v1", "auth", "create", "--org", "acme", "--user", "alice", "--username", name}
			c.change("", append(args, more...)...)
		}
		c.change("", "bucket", "create", "--org", "acme", "--name", "of a month", "--retention", "30d")
		all := []string{"--password-file", secret, "--read-bucket", "metrics", "--write-bucket", "metrics", "--read-bucket", "of a month", "--write-bucket", "of a month"}
		create("grafana", all...)
		create("reader", "--password-file", secret, "--read-bucket", "metrics")
		create("off", all...)
		c.change("", "v1", "auth", "update", "--username", "off", "--status", "inactive")
		create("gone", all...)
		c.change("", "v1", "auth", "delete", "--username", "gone")
		create("narrowed", all...)
		c.change("", "v1", "auth", "update", "--username", "narrowed", "--read-bucket", "of a month")
		c.change("", "v1", "auth", "password", "--username", "collectd", "--password-file", c.file("another 1.x password"))
		c.change("", "v1", "dbrp", "create", "--org", "acme", "--database", "telegraf", "--bucket", "metrics")
		c.change("", "v1", "dbrp", "create", "--org", "acme", "--database", "telegraf", "--rp", "month", "--bucket", "of a month")
		c.change("", "user", "password", "--name", "alice", "--password-file", c.file("a new password"))
		c.change("", "user", "update", "--name", "bob", "--rename", "robert")
		sound(t, db)
		if now := findingsOf(t, db); now != findings {
			t.Errorf("check said\n%s\nand says\n%s", findings, now)
		}
		create("without", "--no-password", "--read-bucket", "metrics")
		const right = "a 1.x password"
		// Neither a space nor a colon: it stands in headers.
		token := c.named("all access one").Token
		for _, j := range judges {
			s := start(t, j.release, copyOf(t, l.server.Dir), j.flags...)
			for _, e := range []struct {
				user, password string
				write, query   int
			}{
				{"grafana", right, 204, 200},
				{"grafana", right + "x", 401, 401},
				{"grafana", "", 401, 401},
				{"Grafana", right, 401, 401},
				{"reader", right, 403, 200},
				{"off", right, 401, 401},
				{"gone", right, 401, 401},
				{"without", right, 401, 401},
				{"without", "", 401, 401},
				// It does not see the mapping of a bucket that it may not use.
				{"narrowed", right, 404, 200},
				{"collectd", "another 1.x password", 204, 200},
				{"collectd", "legacy pass 9", 401, 401},
				{"alice", "a new password", 401, 401},
				{"anyone", token, 204, 200},
				{"grafana", token, 401, 401},
			} {
				for _, way := range ways {
					wantWrite, wantQuery := e.write, e.query
					if way == "token" {
						// Authorization: Token NAME:VALUE takes only tokens of 2.x, whatever the name.
						wantWrite, wantQuery = 401, 401
						if e.password == token {
							wantWrite, wantQuery = 204, 200
						}
					}
					values := url.Values{"db": {"telegraf"}, "q": {"show databases"}}
					write, text := v1(t, s, way, e.user, e.password, "/write", values, "probe v=1")
					query, _ := v1(t, s, way, e.user, e.password, "/query", values, "")
					if write != wantWrite || query != wantQuery {
						t.Errorf("%s, %s, %s with %.8q: write %d, query %d; expected %d, %d: %s", j.name, way, e.user, e.password, write, query, wantWrite, wantQuery, text)
					}
					answers++
				}
				if e.password == "" {
					continue // boltkey wants one
				}
				if ours := verifies(t, db, e.user, e.password, "--v1"); ours != (e.query == 200) {
					t.Errorf("%s, %s with %.8q: user verify says %v", j.name, e.user, e.password, ours)
				}
			}
			// The new bucket has its own points, and the default of the database the others.
			if status := writes(t, s, "grafana", right, "telegraf", "month"); status != 204 {
				t.Errorf("%s: month takes %d", j.name, status)
			}
			for _, e := range []struct {
				user, rp string
				points   bool
			}{{"grafana", "", true}, {"grafana", "month", true}, {"narrowed", "month", true}} {
				status, text := queries(t, s, e.user, right, "telegraf", e.rp)
				if status != 200 || strings.Contains(text, `"probe"`) != e.points {
					t.Errorf("%s: %s of %q: %d %s", j.name, e.user, e.rp, status, text)
				}
			}
			wrote, err := s.CanWrite(token, l.facts.Orgs["acme"], bucketID(t, s, token, "of a month"))
			if err != nil || !wrote {
				t.Errorf("%s: the bucket takes no points: %v", j.name, err)
			}
			virtual(t, s, token, db, l.facts)
			for _, e := range []struct {
				user, password string
				status         int
			}{
				{"alice", "a new password", 204},
				{"alice", "correct horse battery", 401},
				{"robert", "another good one 7", 204},
				{"bob", "another good one 7", 401},
				{"robert", "a new password", 401},
				{"sleeper", "a new password", 401},
				{"grafana", right, 401},
				{"nobody", right, 401},
			} {
				if _, status := signin(t, s, e.user, e.password); status != e.status {
					t.Errorf("%s: %s signs in: %d, expected %d", j.name, e.user, status, e.status)
				}
				if ours := verifies(t, db, e.user, e.password); ours != (e.status == 204) {
					t.Errorf("%s: user verify says %v of %s", j.name, ours, e.user)
				}
			}
			if log := stop(t, s); strings.Contains(log, "Missing metadata for bucket.") {
				t.Errorf("%s: %s", j.name, log)
			}
		}
	})
	t.Logf("%d stores, %d answers", stores, answers)
	if stores != 5 || answers < 400 {
		t.Errorf("%d stores, %d answers", stores, answers)
	}
}

// bucketID is the ID of a bucket in acme.
func bucketID(t *testing.T, s *server.Server, token, name string) string {
	t.Helper()
	var list struct{ Buckets []struct{ ID string } }
	check(t, s.Must(token, "GET", "/api/v2/buckets?org=acme&name="+url.QueryEscape(name), nil, &list))
	if len(list.Buckets) != 1 {
		t.Fatalf("%d buckets %q", len(list.Buckets), name)
	}
	return list.Buckets[0].ID
}

// Each situation of the public threads in which 1.x clients are refused, made on real servers, and solved
// by the commands that boltkey names. The numbers are those of influxdata/influxdb.
func TestPublicThreadsOf1xClients(t *testing.T) {
	t.Parallel()
	for _, release := range []server.Release{server.V27, server.V29} {
		t.Run(string(release), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := start(t, release, dir)
			facts, err := s.Setup(string(release), "a-chosen-token")
			check(t, err)
			operator, org, metrics := facts.Operator(), facts.Orgs["acme"], facts.Buckets["metrics"]
			const right = "legacy pass 9"
			v1User := func(name, password string) {
				t.Helper()
				args := []string{"v1", "auth", "create", "-o", "acme", "--username", name, "--read-bucket", metrics, "--write-bucket", metrics}
				if password == "" {
					args = append(args, "--no-password")
				} else {
					args = append(args, "--password", password)
				}
				if out, ok := influx(t, s, operator, args); !ok {
					t.Fatalf("influx %v: %s", args, out)
				}
			}
			for _, name := range []string{"forgotten", "short", "off", "unindexed", "narrow"} {
				v1User(name, right)
			}
			v1User("new", "")
			var other struct{ ID string }
			check(t, s.Must(operator, "POST", "/api/v2/orgs", map[string]string{"name": "other"}, &other))
			var bucket struct{ ID string }
			check(t, s.Must(operator, "POST", "/api/v2/buckets", map[string]any{"name": "elsewhere", "orgID": other.ID, "retentionRules": []any{}}, &bucket))
			mapping := func(database, policy, org, bucket string) (m struct{ ID string }) {
				t.Helper()
				check(t, s.Must(operator, "POST", "/api/v2/dbrps", map[string]any{"database": database, "retention_policy": policy, "orgID": org, "bucketID": bucket}, &m))
				return
			}
			mapping("misplaced", "autogen", other.ID, bucket.ID)
			mapping("policies", "autogen", org, metrics)
			undefined := mapping("undefined", "autogen", org, metrics)
			headless := mapping("headless", "autogen", org, metrics)
			early := mapping("early", "autogen", org, metrics)
			// A 1.x user outlives the organization and the owner.
			var gone, leaver struct{ ID string }
			check(t, s.Must(operator, "POST", "/api/v2/orgs", map[string]string{"name": "gone"}, &gone))
			check(t, s.Must(operator, "POST", "/api/v2/users", map[string]string{"name": "leaver"}, &leaver))
			for name, of := range map[string][2]string{"of no organization": {gone.ID, facts.Users["alice"]}, "of nobody": {org, leaver.ID}} {
				request := map[string]any{"token": name, "orgID": of[0], "userID": of[1], "permissions": []map[string]any{
					{"action": "write", "resource": map[string]string{"type": "buckets", "orgID": of[0]}},
				}}
				var made struct{ ID string }
				check(t, s.Must(operator, "POST", "/private/legacy/authorizations", request, &made))
				if status, _, err := s.Call(operator, "POST", "/private/legacy/authorizations/"+made.ID+"/password", map[string]string{"password": right}); err != nil || status != 204 {
					t.Fatalf("password of %s: %d", name, status)
				}
			}
			for _, path := range []string{"/api/v2/orgs/" + gone.ID, "/api/v2/users/" + leaver.ID} {
				if status, _, err := s.Call(operator, "DELETE", path, nil); err != nil || status != 204 {
					t.Fatalf("DELETE %s: %d", path, status)
				}
			}
			stop(t, s)

			// What no server makes any more: a password of 1.x that is too short, and damage.
			db := server.Bolt(dir)
			records := pairs(t, db, ofV1...)
			id := func(name string) string {
				t.Helper()
				for id, record := range records["legacy/authorizationsv1"] {
					if strings.Contains(record, `"token":"`+name+`"`) {
						return id
					}
				}
				t.Fatalf("no 1.x user %s", name)
				return ""
			}
			bolt := func(args ...string) {
				t.Helper()
				if out, err := exec.Command(server.Binary("bbolt136"), args...).CombinedOutput(); err != nil {
					t.Fatalf("bbolt %v: %s", args, out)
				}
			}
			// The hash of "short".
			bolt("put", db, "legacy/authorizationPasswordv1", id("short"), "$2a$10$N9qo8uLOickgx2ZMRZoMyef1MxGIAw.g1aXeKC2PBeN9d0V1c/fSO")
			bolt("remove", db, "legacy/authorizationindexv1", "unindexed")
			bolt("remove", db, "dbrpdefaultv1", org+"headless")
			record := strings.ReplaceAll(records["dbrpv1"][undefined.ID], metrics, "00000000000000aa")
			bolt("put", db, "dbrpv1", undefined.ID, record)
			// As releases before 2.0.2 named the fields.
			record = strings.NewReplacer(`"orgID"`, `"organization_id"`, `"bucketID"`, `"bucket_id"`).Replace(records["dbrpv1"][early.ID])
			bolt("put", db, "dbrpv1", early.ID, record)

			c := changer{t, db, facts}
			secret := c.file("a new 1.x password")
			const fresh = "a new 1.x password"
			type client struct {
				user, password, db, rp string
				write                  int
			}
			for _, thread := range []struct {
				name   string
				before client
				says   []string   // what user verify --v1, or check, or explain says before
				cures  [][]string // one or two commands
				after  client
			}{
				{"20619, 23041: the password of a 1.x user is forgotten",
					client{"forgotten", "what was it", "policies", "", 401}, []string{"the password is wrong", "v1 auth password"},
					[][]string{{"v1", "auth", "password", "--username", "forgotten", "--password-file", secret}},
					client{"forgotten", fresh, "policies", "", 204}},
				{"a 1.x user never got a password",
					client{"new", right, "policies", "", 401}, []string{"no password is set", "v1 auth password"},
					[][]string{{"v1", "auth", "password", "--username", "new", "--password-file", secret}},
					client{"new", fresh, "policies", "", 204}},
				{"inactive",
					client{"off", right, "policies", "", 204}, nil,
					[][]string{{"v1", "auth", "update", "--username", "off", "--status", "inactive"}},
					client{"off", right, "policies", "", 401}},
				{"active again",
					client{"off", right, "policies", "", 401}, []string{"inactive", "v1 auth update"},
					[][]string{{"v1", "auth", "update", "--username", "off", "--status", "active"}},
					client{"off", right, "policies", "", 204}},
				{"the name has no index entry",
					client{"unindexed", right, "policies", "", 401}, []string{"index"},
					[][]string{{"v1", "auth", "password", "--username", "unindexed", "--password-file", secret}},
					client{"unindexed", fresh, "policies", "", 204}},
				{"4393 (docs-v2), 472 (influxdata-docker): the user of the UI is used by a 1.x client",
					client{"alice", "correct horse battery", "policies", "", 401}, []string{"is a user of 2.x", "v1 auth create"},
					[][]string{{"v1", "auth", "create", "--org", "acme", "--username", "alice", "--password-file", secret, "--write-bucket", "metrics"}},
					client{"alice", fresh, "policies", "", 204}},
				{"after the upgrade the database of 1.x is unknown",
					client{"forgotten", fresh, "telegraf", "", 404}, []string{"v1 dbrp create"},
					[][]string{{"v1", "dbrp", "create", "--org", "acme", "--database", "telegraf", "--bucket", "metrics"}},
					client{"forgotten", fresh, "telegraf", "", 204}},
				{"a retention policy is unknown",
					client{"forgotten", fresh, "policies", "month", 404}, []string{"v1 dbrp create"},
					[][]string{
						{"bucket", "create", "--org", "acme", "--name", "month", "--retention", "30d"},
						{"v1", "dbrp", "create", "--org", "acme", "--database", "policies", "--rp", "month", "--bucket", "month"}},
					client{"forgotten", fresh, "policies", "month", 404}},
				{"20686: the permissions of a 1.x user are to be others",
					client{"forgotten", fresh, "policies", "month", 404}, []string{"v1 dbrp create"},
					[][]string{{"v1", "auth", "update", "--username", "forgotten", "--read-bucket", "month", "--write-bucket", "month", "--write-bucket", "metrics"}},
					client{"forgotten", fresh, "policies", "month", 204}},
				{"2515 (kapacitor): the mapping is in another organization",
					client{"narrow", right, "misplaced", "", 404}, []string{"v1 dbrp create"},
					[][]string{{"v1", "dbrp", "create", "--org", "acme", "--database", "misplaced", "--bucket", "metrics"}},
					client{"narrow", right, "misplaced", "", 204}},
			} {
				t.Run(thread.name, func(t *testing.T) {
					asks := func(e client, says []string) {
						t.Helper()
						s := start(t, release, copyOf(t, dir))
						defer stop(t, s)
						status := writes(t, s, e.user, e.password, e.db, e.rp)
						if status != e.write {
							t.Errorf("write of %s to %s/%s: %d, expected %d", e.user, e.db, e.rp, status, e.write)
						}
						let := boltkey(t, e.password, "user", "verify", "--v1", "--name", e.user, "--password-file", "-", "--db", db)
						if (let.code == 0) != (e.write != 401) {
							t.Errorf("user verify: exit %d: %s", let.code, let.stdout)
						}
						told := let.stdout
						if e.write == 404 {
							values := url.Values{"db": {e.db}, "rp": {e.rp}}
							_, text := v1(t, s, "basic", e.user, e.password, "/write", values, "probe v=1")
							told += boltkey(t, "", "explain", text).stdout
						}
						for _, word := range says {
							if !strings.Contains(strings.Join(strings.Fields(told), " "), word) {
								t.Errorf("%q is missing: %s", word, told)
							}
						}
					}
					asks(thread.before, thread.says)
					for _, command := range thread.cures {
						c.change("", command...)
					}
					asks(thread.after, nil)
				})
			}

			t.Run("whose organization or owner is gone", func(t *testing.T) {
				s := start(t, release, copyOf(t, dir))
				for _, name := range []string{"of no organization", "of nobody"} {
					status := writes(t, s, name, right, "policies", "")
					if ours := verifies(t, db, name, right, "--v1"); ours || status < 400 {
						t.Errorf("%s: write %d, user verify says %v", name, status, ours)
					}
					t.Logf("%s: write %d", name, status)
				}
				stop(t, s)
			})

			t.Run("20264: there are hidden users, whose database is not found", func(t *testing.T) {
				s := start(t, release, copyOf(t, dir))
				for _, command := range [][]string{{"user", "list"}, {"auth", "list"}} {
					out, ok := influx(t, s, operator, command)
					if !ok || strings.Contains(out, "narrow") {
						t.Errorf("influx %v: %s", command, out)
					}
				}
				if status, text := queries(t, s, "narrow", right, "hidden", ""); status != 200 || !strings.Contains(text, "database not found") {
					t.Errorf("query: %d %s", status, text)
				}
				stop(t, s)
				list := boltkey(t, "", "v1", "auth", "list", "--db", db)
				if list.code != 0 || !regexp.MustCompile(`\bnarrow +custom +alice +acme +active +yes\b`).MatchString(list.stdout) {
					t.Errorf("exit %d: %s", list.code, list.stdout)
				}
				c.change("", "v1", "dbrp", "create", "--org", "acme", "--database", "hidden", "--bucket", "metrics")
				s = start(t, release, copyOf(t, dir))
				defer stop(t, s)
				if status := writes(t, s, "narrow", right, "hidden", ""); status != 204 {
					t.Errorf("write: %d", status)
				}
				if status, text := queries(t, s, "narrow", right, "hidden", ""); status != 200 || !strings.Contains(text, "probe") {
					t.Errorf("query: %d %s", status, text)
				}
			})

			t.Run("20173: mappings of an early release can't be listed", func(t *testing.T) {
				// In a store of its own, without the other mappings that influxd fails on.
				own := copyOf(t, dir)
				c.change("", "v1", "dbrp", "delete", "--id", early.ID)
				dir, c := own, changer{t, server.Bolt(own), facts}
				for _, id := range []string{undefined.ID, headless.ID} {
					c.change("", "v1", "dbrp", "delete", "--id", id)
				}
				list := func(s *server.Server) int {
					t.Helper()
					status, _, err := s.Call(operator, "GET", "/api/v2/dbrps?orgID="+org, nil)
					check(t, err)
					return status
				}
				s := start(t, release, copyOf(t, dir))
				out, ok := influx(t, s, operator, []string{"v1", "dbrp", "list", "-o", "acme"})
				if status := list(s); ok || status != 500 {
					t.Errorf("the list is answered: %d %s", status, out)
				}
				if status := writes(t, s, "narrow", right, "early", ""); status != 500 {
					t.Errorf("write: %d", status)
				}
				s.Kill()
				told := boltkey(t, "", "v1", "dbrp", "list", "--db", c.db, "--database", "early").stdout
				if !strings.Contains(findingsOf(t, c.db), early.ID) || !strings.Contains(told, "releases before 2.0.2") {
					t.Errorf("the mapping is not named: %s", told)
				}
				c.change("", "v1", "dbrp", "delete", "--id", early.ID)
				c.change("", "v1", "dbrp", "create", "--org", "acme", "--database", "early", "--bucket", "metrics")
				s = start(t, release, copyOf(t, dir))
				defer s.Kill()
				if status := list(s); status != 200 {
					t.Errorf("list: %d", status)
				}
				if status := writes(t, s, "narrow", right, "early", ""); status != 204 {
					t.Errorf("write: %d", status)
				}
			})

			t.Run("25261: the password of 1.x is too short for 2.x", func(t *testing.T) {
				s := start(t, release, copyOf(t, dir))
				if status := writes(t, s, "short", "short", "policies", ""); status != 401 {
					t.Errorf("the short password: %d", status)
				}
				stop(t, s)
				result := boltkey(t, "short", "user", "verify", "--v1", "--name", "short", "--password-file", "-", "--db", db)
				if result.code != 3 {
					t.Errorf("exit %d: %s", result.code, result.stdout)
				}
				c.change("", "v1", "auth", "password", "--username", "short", "--password-file", secret)
				s = start(t, release, copyOf(t, dir))
				if status := writes(t, s, "short", fresh, "policies", ""); status != 204 {
					t.Errorf("the new password: %d", status)
				}
				stop(t, s)
			})

			t.Run("20121: a mapping without a bucket, and a database without a default", func(t *testing.T) {
				findings := findingsOf(t, db)
				for _, wanted := range []string{undefined.ID, headless.ID} {
					if !strings.Contains(findings, wanted) {
						t.Errorf("check does not find %s: %s", wanted, findings)
					}
				}
				s := start(t, release, copyOf(t, dir))
				if status, text := queries(t, s, "forgotten", fresh, "headless", ""); status == 200 && !strings.Contains(text, "error") {
					t.Errorf("a database without a default mapping is queried: %s", text)
				}
				if status := writes(t, s, "narrow", right, "undefined", ""); status == 204 {
					t.Error("a mapping without a bucket takes points")
				}
				s.Kill()
				c.change("", "repair")
				c.change("", "v1", "dbrp", "create", "--org", "acme", "--database", "undefined", "--bucket", "metrics")
				if findings := findingsOf(t, db); strings.Contains(findings, "dbrp") {
					t.Error(findings)
				}
				s = start(t, release, copyOf(t, dir))
				for _, database := range []string{"undefined", "headless"} {
					if status := writes(t, s, "narrow", right, database, ""); status != 204 {
						t.Errorf("%s: %d", database, status)
					}
					if status, text := queries(t, s, "narrow", right, database, ""); status != 200 || !strings.Contains(text, "probe") {
						t.Errorf("%s: %d %s", database, status, text)
					}
				}
				stop(t, s)
			})
			sound(t, db)
		})
	}
}
