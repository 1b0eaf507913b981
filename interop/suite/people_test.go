package suite

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// signin is the cookie of a login, or none and the status.
func signin(t *testing.T, s *server.Server, user, password string) (*http.Cookie, int) {
	t.Helper()
	request, err := http.NewRequest("POST", s.URL+"/api/v2/signin", nil)
	check(t, err)
	request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	response, err := http.DefaultClient.Do(request)
	check(t, err)
	defer response.Body.Close()
	if cookies := response.Cookies(); response.StatusCode == http.StatusNoContent && len(cookies) > 0 {
		return cookies[0], response.StatusCode
	}
	return nil, response.StatusCode
}

// as makes a request with a login's cookie.
func as(t *testing.T, s *server.Server, cookie *http.Cookie, method, path, body string, out any) int {
	t.Helper()
	request, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	check(t, err)
	request.AddCookie(cookie)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	check(t, err)
	defer response.Body.Close()
	if out != nil && response.StatusCode < 300 {
		check(t, json.NewDecoder(response.Body).Decode(out))
	}
	return response.StatusCode
}

// Users and organizations made offline work like those of a server: servers start on the store, users
// sign in and see only what belongs to them, and a new organization accepts buckets and points, also
// by the 1.x endpoints.
func TestUsersAndOrganizationsMadeOffline(t *testing.T) {
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
		c := changer{t, db, l.facts}
		c.change("", "org", "create", "--name", "new & one")
		c.change("", "user", "create", "--name", "nora", "--org", "new & one", "--password-file", c.file("noras password\n"))
		c.change("", "user", "create", "--name", "root", "--instance-owner", "--password-file", c.file("roots password"))
		c.change("", "user", "password", "--name", "alice", "--password-file", c.file("another password"))
		c.change("", "user", "delete", "--name", "bob")
		token := c.change("", "auth", "create", "--user", "nora", "--org", "new & one", "--all-access").Authorization
		sound(t, db)
		peopleChanged(t, before, contents(t, db))
		// Bob's tokens are orphans now.
		if now := findingsOf(t, db); now != findings {
			t.Errorf("check said\n%s\nand says\n%s", findings, now)
		}
		for _, j := range judges {
			s := start(t, j.release, copyOf(t, l.server.Dir), j.flags...)
			starts++
			for _, wrong := range [][2]string{{"alice", "correct horse battery"}, {"bob", "another good one 7"}, {"nora", "x"}} {
				if _, status := signin(t, s, wrong[0], wrong[1]); status != http.StatusUnauthorized {
					t.Errorf("%s: %s signs in with %q: %d", j.name, wrong[0], wrong[1], status)
				}
			}
			if _, status := signin(t, s, "alice", "another password"); status != http.StatusNoContent {
				t.Errorf("%s: alice does not sign in: %d", j.name, status)
			}
			nora, status := signin(t, s, "nora", "noras password")
			root, rootStatus := signin(t, s, "root", "roots password")
			if nora == nil || root == nil {
				t.Fatalf("%s: nora %d, root %d", j.name, status, rootStatus)
			}
			var orgs struct{ Orgs []struct{ ID, Name string } }
			as(t, s, nora, "GET", "/api/v2/orgs", "", &orgs)
			if len(orgs.Orgs) != 1 || orgs.Orgs[0].Name != "new & one" {
				t.Fatalf("%s: nora sees %+v", j.name, orgs)
			}
			org := orgs.Orgs[0].ID
			as(t, s, root, "GET", "/api/v2/orgs", "", &orgs)
			if len(orgs.Orgs) < 3 {
				t.Errorf("%s: root sees %+v", j.name, orgs)
			}
			// Nobody's tokens but her own, and no power elsewhere.
			var tokens listing
			as(t, s, nora, "GET", "/api/v2/authorizations", "", &tokens)
			if len(tokens.Authorizations) != 1 || tokens.Authorizations[0].ID != token.ID {
				t.Errorf("%s: nora sees %d tokens", j.name, len(tokens.Authorizations))
			}
			if status := as(t, s, nora, "DELETE", "/api/v2/orgs/"+l.facts.Orgs["acme"], "", nil); status < 400 {
				t.Errorf("%s: nora deletes acme: %d", j.name, status)
			}
			var bucket struct{ ID string }
			request := `{"name":"points","orgID":"` + org + `","retentionRules":[]}`
			if status := as(t, s, nora, "POST", "/api/v2/buckets", request, &bucket); status != http.StatusCreated {
				t.Errorf("%s: nora makes a bucket: %d", j.name, status)
			}
			wrote, err := s.CanWrite(token.Token, org, bucket.ID)
			check(t, err)
			status, text, err := s.Query(token.Token, org, `from(bucket: "points") |> range(start: -1h)`)
			check(t, err)
			if !wrote || status != 200 || !strings.Contains(string(text), ",probe") {
				t.Errorf("%s: wrote %v, query %d: %s", j.name, wrote, status, text)
			}
			status, text, err = s.Call("", "GET", "/query?u=nora&p="+token.Token+"&q=show+databases", nil)
			check(t, err)
			if status != 200 {
				t.Errorf("%s: /query answers %d: %s", j.name, status, text)
			}
			if log := stop(t, s); strings.Contains(log, "Missing metadata for bucket.") {
				t.Errorf("%s: %s", j.name, log)
			}
		}
	})
	t.Logf("%d stores, %d judgements", stores, starts)
	if stores != 5 || starts < 11 {
		t.Errorf("%d stores, %d judgements", stores, starts)
	}
}

// peopleChanged expects every record to be byte for byte as it was but those that the commands are
// about: an organization with two buckets, two users and one of them with a token, another
// password for a third, and a fourth gone with what he owned.
func peopleChanged(t *testing.T, before, after []string) {
	t.Helper()
	split := func(lines []string) map[string]map[string]string {
		buckets := map[string]map[string]string{}
		for _, line := range lines {
			words := strings.Split(line, " ")
			if words[0] != "key" || len(words) != 4 {
				continue
			}
			name, err := hex.DecodeString(strings.TrimPrefix(words[1], "/"))
			check(t, err)
			if buckets[string(name)] == nil {
				buckets[string(name)] = map[string]string{}
			}
			buckets[string(name)][words[2]] = words[3]
		}
		return buckets
	}
	old, now := split(before), split(after)
	// Added, changed, gone. Of what was owned there is more in one store than in another.
	const some = -1
	expected := map[string][3]int{
		"organizationsv1":                   {1, 0, 0},
		"organizationindexv1":               {1, 0, 0},
		"bucketsv1":                         {2, 0, 0},
		"bucketindexv1":                     {2, 0, 0},
		"v1_tsm1_metadata":                  {0, 1, 0},
		"usersv1":                           {2, 0, 1},
		"userindexv1":                       {2, 0, 1},
		"userspasswordv1":                   {2, 1, 1},
		"userresourcemappingsv1":            {2, 0, some},
		"userresourcemappingsbyuserindexv1": {2, 0, some},
		"authorizationsv1":                  {1, 0, 0},
	}
	compared := 0
	for name := range old {
		var counts [3]int
		for key, sum := range now[name] {
			if was, ok := old[name][key]; !ok {
				counts[0]++
			} else if was != sum {
				counts[1]++
			} else {
				compared++
			}
		}
		for key := range old[name] {
			if _, ok := now[name][key]; !ok {
				counts[2]++
			}
		}
		want := expected[name]
		if want[2] == some && counts[2] > 0 {
			want[2] = counts[2]
		}
		if strings.HasPrefix(name, "authorization") && strings.HasSuffix(name, "indexv1") {
			continue // one entry, in the index that fits how the store keeps tokens
		}
		if counts != want {
			t.Errorf("%s: %d added, %d changed, %d gone; expected %v", name, counts[0], counts[1], counts[2], want)
		}
	}
	if compared < 100 {
		t.Errorf("%d records compared", compared)
	}
}
