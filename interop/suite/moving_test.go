package suite

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// exported is the report of `auth export`.
type exported struct {
	Orgs, Users, Passwords, Tokens, Values int
	Skipped                                []struct{ Kind, ID, Name, Reason string }
	Out                                    string
	Encrypted                              bool
}

// place is a server with the same organizations, users and buckets as another one, under IDs of its
// own, and an object of some kinds in each organization.
type place struct {
	s       *server.Server
	orgs    map[string]string
	users   map[string]string
	buckets map[string]string
	objects map[string]string // the path of an object by kind and organization
}

// placeOf looks the names up as an operator, and makes the objects.
func placeOf(t *testing.T, s *server.Server, operator string) place {
	t.Helper()
	p := place{s, map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}}
	var orgs struct{ Orgs []struct{ ID, Name string } }
	check(t, s.Must(operator, "GET", "/api/v2/orgs?limit=100", nil, &orgs))
	for _, org := range orgs.Orgs {
		p.orgs[org.Name] = org.ID
	}
	var users struct{ Users []struct{ ID, Name string } }
	check(t, s.Must(operator, "GET", "/api/v2/users?limit=100", nil, &users))
	for _, user := range users.Users {
		p.users[user.Name] = user.ID
	}
	for name, org := range p.orgs {
		var buckets struct{ Buckets []struct{ ID, Name string } }
		check(t, s.Must(operator, "GET", "/api/v2/buckets?limit=100&orgID="+org, nil, &buckets))
		for _, bucket := range buckets.Buckets {
			p.buckets[name+"/"+bucket.Name] = bucket.ID
		}
		for kind, body := range map[string]map[string]any{
			"dashboards": {"orgID": org, "name": "theirs"},
			"labels":     {"orgID": org, "name": "theirs"},
			"variables": {"orgID": org, "name": "theirs",
				"arguments": map[string]any{"type": "constant", "values": []string{"a"}}},
		} {
			var made struct {
				ID    string
				Label struct{ ID string }
			}
			check(t, s.Must(operator, "POST", "/api/v2/"+kind, body, &made))
			p.objects[kind+" of "+name] = "/api/v2/" + kind + "/" + made.ID + made.Label.ID
		}
	}
	return p
}

// answers are the statuses of requests with a token, each about a resource by its name.
func (p place) answers(t *testing.T, token string, number int, names place) map[string]int {
	t.Helper()
	answers := map[string]int{}
	ask := func(question, method, path string, body any) {
		status, _, err := p.s.Call(token, method, path, body)
		check(t, err)
		answers[question] = status
	}
	ask("any request", "GET", "/api/v2/resources", nil)
	ask("configuration of the server", "GET", "/api/v2/config", nil)
	// Only what the other server has too.
	for name := range names.orgs {
		id := p.orgs[name]
		ask("read org "+name, "GET", "/api/v2/orgs/"+id, nil)
		ask("write org "+name, "PATCH", "/api/v2/orgs/"+id, map[string]string{"description": "changed"})
		ask("read secrets of "+name, "GET", "/api/v2/orgs/"+id+"/secrets", nil)
		ask("write a dashboard of "+name, "POST", "/api/v2/dashboards", map[string]any{"orgID": id, "name": "mine"})
		ask("write a label of "+name, "POST", "/api/v2/labels",
			map[string]any{"orgID": id, "name": fmt.Sprintf("label %d", number)})
		ask("write a task of "+name, "POST", "/api/v2/tasks", map[string]any{"orgID": id,
			"flux": "option task = {name: \"t\", every: 24h}\nbuckets()"})
		ask("query "+name, "POST", "/api/v2/query?orgID="+id, map[string]string{"type": "flux", "query": "buckets() |> limit(n: 1)"})
	}
	for name := range names.objects {
		ask("read "+name, "GET", p.objects[name], nil)
		ask("change "+name, "PATCH", p.objects[name], map[string]any{"description": "changed"})
	}
	for name := range names.users {
		ask("read user "+name, "GET", "/api/v2/users/"+p.users[name], nil)
	}
	for name := range names.buckets {
		id, org := p.buckets[name], p.orgs[strings.SplitN(name, "/", 2)[0]]
		ask("see bucket "+name, "GET", "/api/v2/buckets/"+id, nil)
		ask("change bucket "+name, "PATCH", "/api/v2/buckets/"+id, map[string]string{"description": "changed"})
		ask("write to "+name, "POST", "/api/v2/write?"+url.Values{"org": {org}, "bucket": {id}}.Encode(), "probe v=1")
		status, text, err := p.s.Query(token, org, `from(bucketID: "`+id+`") |> range(start: -1h) |> limit(n: 1)`)
		check(t, err)
		// A query answers 200 before it is refused.
		if strings.Contains(string(text), "unauthorized") || strings.Contains(string(text), "could not find bucket") {
			status = 0
		}
		answers["read from "+name] = status
	}
	return answers
}

// shared are the names that both places have.
func shared(one, other place) place {
	both := place{}
	common := func(a, b map[string]string) map[string]string {
		names := map[string]string{}
		for name := range a {
			if _, there := b[name]; there {
				names[name] = ""
			}
		}
		return names
	}
	both.orgs, both.users = common(one.orgs, other.orgs), common(one.users, other.users)
	both.buckets, both.objects = common(one.buckets, other.buckets), common(one.objects, other.objects)
	return both
}

// noSecretIn fails if a file that others may read has one of the tokens.
func noSecretIn(t *testing.T, folder string, tokens []server.Token) {
	t.Helper()
	check(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Mode().Perm()&0o077 == 0 {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, token := range tokens {
			if strings.Contains(string(content), token.Token) {
				t.Errorf("%s, which others may read, has the token %s", path, token.Name)
			}
		}
		if strings.Contains(string(content), "$2a$") {
			t.Errorf("%s, which others may read, has the hash of a password", path)
		}
		return nil
	}))
}

// quiet runs boltkey and fails if it is given a token in its arguments, or tells one.
func quiet(t *testing.T, tokens []server.Token, out any, args ...string) {
	t.Helper()
	result := boltkey(t, "", append(args, "--json")...)
	said := strings.Join(args, " ") + result.stdout + result.stderr
	for _, token := range tokens {
		if strings.Contains(said, token.Token) {
			t.Errorf("boltkey %v tells the token %s", args, token.Name)
		}
	}
	if strings.Contains(said, "$2a$") {
		t.Errorf("boltkey %v tells the hash of a password", args)
	}
	if result.code != 0 {
		t.Fatalf("boltkey %v: exit %d: %s", args, result.code, result.stderr)
	}
	if out != nil {
		decode(t, result.stdout, out)
	}
}

// addAccess adds buckets, 1.x users, mappings and passwords to a running server.
func addAccess(t *testing.T, s *server.Server, f *server.Facts) {
	t.Helper()
	operator, acme, metrics := f.Operator(), f.Orgs["acme"], f.Buckets["metrics"]
	must := func(method, path string, body any) (made struct{ ID string }) {
		t.Helper()
		if method == "POST" {
			check(t, s.Must(operator, method, path, body, &made))
			return
		}
		if status, text, err := s.Call(operator, method, path, body); err != nil || status/100 != 2 {
			t.Fatalf("%s %s: %d %s", method, path, status, text)
		}
		return
	}
	kept := must("POST", "/api/v2/buckets", map[string]any{"name": "kept for 90m", "orgID": acme, "description": "<short>",
		"retentionRules": []map[string]any{{"type": "expire", "everySeconds": 5400, "shardGroupDurationSeconds": 3600}}})
	for _, m := range []struct {
		database, policy, bucket string
		isDefault                bool
	}{{"telegraf", "autogen", metrics, false}, {"telegraf", "short", kept.ID, true}, {"collectd", "autogen", metrics, true}} {
		must("POST", "/api/v2/dbrps", map[string]any{"database": m.database, "retention_policy": m.policy, "orgID": acme, "bucketID": m.bucket, "default": m.isDefault})
	}
	for name, permissions := range map[string][]server.Permission{
		"grafana": {server.Grant("read", "buckets", "", acme)},
		"off":     {server.Grant("write", "buckets", metrics, acme)},
		"both":    {server.Grant("read", "buckets", metrics, acme), server.Grant("write", "buckets", kept.ID, acme), server.Grant("write", "buckets", metrics, acme)},
	} {
		made := must("POST", "/private/legacy/authorizations", map[string]any{"token": name, "orgID": acme, "userID": f.Users["bob"], "permissions": permissions})
		if status, _, err := s.Call(operator, "POST", "/private/legacy/authorizations/"+made.ID+"/password", map[string]string{"password": "legacy pass 9"}); err != nil || status != 204 {
			t.Fatalf("password of %s: %d", name, status)
		}
		if name == "off" {
			must("PATCH", "/private/legacy/authorizations/"+made.ID, map[string]string{"status": "inactive"})
		}
	}
}

// access is what logins and 1.x clients are answered, and what the API says about users and buckets. The
// buckets get a point if they may.
func (p place) access(t *testing.T, operator string) map[string]string {
	t.Helper()
	told := map[string]string{}
	for _, user := range []string{"alice", "bob", "sleeper", "nobody"} {
		for _, password := range []string{"correct horse battery", "another good one 7", "a wrong one"} {
			_, status := signin(t, p.s, user, password)
			told["sign in as "+user+" with "+password] = fmt.Sprint(status)
		}
	}
	for _, user := range []string{"collectd", "grafana", "both", "off", "nobody"} {
		for _, password := range []string{"legacy pass 9", "a wrong one"} {
			for _, at := range [][2]string{{"telegraf", ""}, {"telegraf", "autogen"}, {"telegraf", "short"}, {"telegraf", "none"}, {"collectd", ""}, {"metrics", ""}, {"none", ""}} {
				for _, way := range ways {
					values := url.Values{"db": {at[0]}}
					if at[1] != "" {
						values.Set("rp", at[1])
					}
					question := fmt.Sprintf("%s of %s with %q to %v", way, user, password, at)
					status, _ := v1(t, p.s, way, user, password, "/write", values, "probe v=1")
					told["write by "+question] = fmt.Sprint(status)
					values.Set("q", "show measurements")
					status, text := v1(t, p.s, way, user, password, "/query", values, "")
					told["query by "+question] = fmt.Sprint(status, strings.Contains(text, "probe"), strings.Contains(text, "error"))
				}
			}
		}
	}
	var users struct {
		Users []struct{ Name, Status string }
	}
	check(t, p.s.Must(operator, "GET", "/api/v2/users?limit=100", nil, &users))
	for _, user := range users.Users {
		told["status of user "+user.Name] = user.Status
	}
	for name, org := range p.orgs {
		var buckets struct {
			Buckets []struct {
				Name, Description string
				RetentionRules    []map[string]any
			}
		}
		check(t, p.s.Must(operator, "GET", "/api/v2/buckets?limit=100&orgID="+org, nil, &buckets))
		for _, bucket := range buckets.Buckets {
			told["bucket "+name+"/"+bucket.Name] = fmt.Sprint(bucket.Description, bucket.RetentionRules)
		}
		var dbrps struct {
			Content []struct {
				Database        string
				RetentionPolicy string `json:"retention_policy"`
				Default         bool
				Virtual         bool
				BucketID        string `json:"bucketID"`
			}
		}
		check(t, p.s.Must(operator, "GET", "/api/v2/dbrps?orgID="+org, nil, &dbrps))
		for _, dbrp := range dbrps.Content {
			bucket := ""
			for name, id := range p.buckets {
				if id == dbrp.BucketID {
					bucket = name
				}
			}
			told["mapping of "+name+" "+dbrp.Database+"/"+dbrp.RetentionPolicy] = fmt.Sprint(bucket, dbrp.Default, dbrp.Virtual)
		}
	}
	return told
}

// An exported list, applied to the store of a new server, makes every old token answer there as on the
// old one: for each request about a resource of the same name; those of inactive users too. Users sign in
// with their old passwords, 1.x clients are served as before, buckets have their retention. Plaintext and
// hashed tokens of both variants, both engines, 2.7.12 and 2.9.1. No token and no hash of a password is in
// arguments, output, logs or files that others may read.
func TestMovedTokensAnswerAsBefore(t *testing.T) {
	t.Parallel()
	compared, allowed, served := 0, 0, 0
	eachLivedStore(t, func(t *testing.T, l lived) {
		addAccess(t, l.server, l.facts)
		stop(t, l.server)
		db := server.Bolt(l.server.Dir)
		var tokens []server.Token
		for _, token := range l.facts.Tokens {
			if token.Status != "deleted" {
				tokens = append(tokens, token)
			}
		}
		targets := []judge{judgeHashing, judgePlain}
		isPlain := l.release == server.V27 && !strings.Contains(t.Name(), "upgraded")
		if isPlain {
			targets = []judge{judge27, judgeHashing}
		}
		for number, target := range targets {
			folder := t.TempDir()
			from := db
			variant := ""
			switch {
			case number == 1 && isPlain:
				// By way of the other engine.
				from = filepath.Join(folder, "old.redb")
				copied(t, "convert", db, from)
			case number == 1:
				// Those that are still in plaintext get hashes of the other kind.
				from = filepath.Join(folder, "hashed.bolt")
				copied(t, "compact", db, from)
				variant = " sha512"
				quiet(t, tokens, nil, "hash", "--db", from, "--no-capture", "--variant", "sha512", "--yes")
			}
			list := filepath.Join(folder, "list.toml")
			var report exported
			quiet(t, tokens, &report, "auth", "export", "--db", from, "--out", list, "--with-passwords")
			if report.Tokens != len(tokens)-len(report.Skipped) || len(report.Skipped) != 2 {
				t.Errorf("%+v", report)
			}

			// A new server, whose names have other IDs.
			dir := t.TempDir()
			fresh := start(t, target.release, dir, target.flags...)
			facts, err := fresh.Setup(string(target.release), "")
			check(t, err)
			stop(t, fresh)
			new := server.Bolt(dir)
			redb := number == 1
			if redb {
				new = filepath.Join(folder, "new.redb")
				copied(t, "convert", server.Bolt(dir), new)
			}
			var first, second applied
			quiet(t, tokens, &first, "apply", list, "--db", new)
			quiet(t, tokens, &second, "apply", list, "--db", new)
			if !*first.Changed || *second.Changed {
				t.Errorf("%s: %+v, then %+v", target.name, first, second)
			}
			if redb {
				check(t, os.Remove(server.Bolt(dir)))
				copied(t, "convert", new, server.Bolt(dir))
			}
			sound(t, server.Bolt(dir))
			noSecretIn(t, folder, tokens)

			old := start(t, l.release, copyOf(t, l.server.Dir), l.flags...)
			fresh = start(t, target.release, dir, target.flags...)
			here, there := placeOf(t, old, l.facts.Operator()), placeOf(t, fresh, facts.Operator())
			names := shared(here, there)
			if len(names.orgs) != 2 || len(names.users) != 3 || len(names.buckets) != 7 {
				t.Errorf("%s: %+v", target.name, names)
			}
			skipped := map[string]bool{}
			for _, one := range report.Skipped {
				skipped[one.ID] = true
			}
			was, is := here.access(t, l.facts.Operator()), there.access(t, facts.Operator())
			for question, answer := range was {
				compared++
				if strings.HasPrefix(answer, "20") {
					served++
				}
				if is[question] != answer {
					t.Errorf("%s%s: %s: %q, not %q", target.name, variant, question, is[question], answer)
				}
			}
			if len(is) != len(was) {
				t.Errorf("%s%s: %d answers, not %d", target.name, variant, len(is), len(was))
			}
			for n, token := range tokens {
				if skipped[token.ID] {
					known, err := fresh.Knows(token.Token)
					check(t, err)
					if known {
						t.Errorf("%s: %s is known, though it is not in the list", target.name, token.Name)
					}
					continue
				}
				want, have := here.answers(t, token.Token, n, names), there.answers(t, token.Token, n, names)
				for question, status := range want {
					compared++
					if status/100 == 2 {
						allowed++
					}
					if have[question] != status {
						t.Errorf("%s%s, %s: %s: %d, not %d", target.name, variant, token.Name, question, have[question], status)
					}
				}
			}
			for _, s := range []*server.Server{old, fresh} {
				log := stop(t, s)
				for _, token := range tokens {
					if strings.Contains(log, token.Token) {
						t.Errorf("the log of a server has %s", token.Name)
					}
				}
			}
		}
	})
	t.Logf("cases: TestMovedTokensAnswerAsBefore %d, of which %d requests with tokens and %d of logins and 1.x clients are allowed", compared, allowed, served)
	if compared < 10_000 || allowed < 2_000 || served < 500 {
		t.Errorf("%d answers, %d and %d of them yes", compared, allowed, served)
	}
}

// After `auth rotate --all`, real servers refuse every old value but that of the token that was named,
// and answer the new ones as they answered the old ones.
func TestServersActOnManyRotatedTokens(t *testing.T) {
	t.Parallel()
	stores := 0
	eachLivedStore(t, func(t *testing.T, l lived) {
		stop(t, l.server)
		stores++
		judges := []judge{judgeHashing, judgePlain}
		if l.release == server.V27 && !strings.Contains(t.Name(), "upgraded") {
			judges = append([]judge{judge27}, judges...)
		}
		db := server.Bolt(l.server.Dir)
		before := copyOf(t, l.server.Dir)
		c := changer{t, db, l.facts}
		kept := c.named("telegraf")
		folder := t.TempDir()
		file := filepath.Join(folder, "new.json")
		quiet(t, l.facts.Tokens, nil, "auth", "rotate", "--all", "--except", kept.ID,
			"--token-out", file, "--db", db, "--yes")
		content, err := os.ReadFile(file)
		check(t, err)
		var captured struct {
			Format string
			Tokens []struct{ ID, Token string }
		}
		decode(t, string(content), &captured)
		values := map[string]string{}
		for _, token := range captured.Tokens {
			values[token.ID] = token.Token
		}
		quiet(t, l.facts.Tokens, nil, "auth", "delete", "--orphaned", "--db", db, "--yes")
		sound(t, db)
		noSecretIn(t, folder, l.facts.Tokens)

		acme, metrics := l.facts.Orgs["acme"], l.facts.Buckets["metrics"]
		statuses := func(s *server.Server, token string) [3]int {
			t.Helper()
			var all [3]int
			for n, request := range [][3]string{
				{"GET", "/api/v2/resources", ""},
				{"POST", "/api/v2/write?org=" + acme + "&bucket=" + metrics, "probe v=1"},
				{"GET", "/api/v2/config", ""},
			} {
				status, _, err := s.Call(token, request[0], request[1], request[2])
				check(t, err)
				all[n] = status
			}
			return all
		}
		unknown := [3]int{401, 401, 401}
		for _, j := range judges {
			old := start(t, j.release, copyOf(t, before), j.flags...)
			s := start(t, j.release, copyOf(t, l.server.Dir), j.flags...)
			for _, token := range l.facts.Tokens {
				if token.Status == "deleted" {
					continue
				}
				want, value := statuses(old, token.Token), values[token.ID]
				gone := token.Name == "of the leaver" || strings.HasPrefix(token.Name, "operator of the deleted")
				switch {
				case token.ID == kept.ID:
					if have := statuses(s, token.Token); have != want || value != "" {
						t.Errorf("%s: %s was to stay: %v, not %v", j.name, token.Name, have, want)
					}
					continue
				case gone:
					want = unknown
				}
				if have := statuses(s, value); have != want {
					t.Errorf("%s: new value of %s: %v, not %v", j.name, token.Name, have, want)
				}
				if have := statuses(s, token.Token); have != unknown {
					t.Errorf("%s: old value of %s: %v", j.name, token.Name, have)
				}
			}
			stop(t, old)
			stop(t, s)
		}
	})
	if stores != 5 {
		t.Errorf("%d stores", stores)
	}
}
