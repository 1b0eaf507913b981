package suite

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"boltkey/interop/suite/server"
)

// TestUpgradesMissTokens: upgrades from 2.0 and 2.1 extend the operator and all-access tokens that have
// the list of the release before, and no others. `check` names exactly the tokens that were missed;
// after `repair` they may do what new ones may, with the values that they had.
func TestUpgradesMissTokens(t *testing.T) {
	t.Parallel()
	missedTokens := 0
	for _, c := range []struct {
		from    string
		release int // how many types its tokens have
	}{{"2.0", 18}, {"2.1", 20}} {
		t.Run(c.from, func(t *testing.T) {
			dir := t.TempDir()
			// Tokens stay in plaintext, so that their values can be compared.
			s := start(t, server.V29, dir, "--use-hashed-tokens=false")
			facts, err := s.Setup("2.9.1", "")
			check(t, err)
			var bob struct{ ID string }
			check(t, s.Must(facts.Operator(), "POST", "/api/v2/users", map[string]any{"name": "bob"}, &bob))
			org, alice := facts.Orgs["acme"], facts.Users["alice"]
			tokens := map[string]server.Token{}
			var missed, others []string
			codes := map[string]string{}
			for _, types := range []int{18, 20, 22} {
				for _, kind := range []struct {
					name, code string
					exact      bool // whether an upgrade knows this list
					list       []server.Permission
				}{
					{"operator", "metadata.operator-old", true, server.OperatorOf(types)},
					{"on its own user", "metadata.all-access-old", true, server.AllAccessOf(types, org, alice, "")},
					{"on another user", "metadata.all-access-old", false, server.AllAccessOf(types, org, bob.ID, "")},
					{"on all users", "metadata.all-access-old", false, server.AllAccessOf(types, org, "", org)},
					{"of an owner", "", false, append(server.AllAccessOf(types, org, alice, ""), server.Grant("write", "orgs", org, ""))},
				} {
					name := fmt.Sprint(kind.name, " ", types)
					tokens[name], err = s.AddToken(facts, name, "acme", "", kind.list)
					check(t, err)
					if kind.code == "" || types == 22 || kind.exact && types >= c.release {
						others = append(others, name)
					} else {
						missed = append(missed, name)
						codes[tokens[name].ID] = kind.code
					}
				}
			}
			stop(t, s)
			down := exec.Command(server.Binary(string(server.V29)), "downgrade", c.from,
				"--bolt-path", server.Bolt(dir), "--sqlite-path", filepath.Join(dir, "influxd.sqlite"))
			down.Env = []string{"HOME=" + dir}
			if text, err := down.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			// On the older schema no token is missed.
			for _, f := range findings(t, server.Bolt(dir)) {
				if f.Code == "metadata.all-access-old" && c.from == "2.0" || f.Code == "metadata.operator-old" && c.from == "2.0" {
					t.Errorf("before the upgrade: %+v", f)
				}
			}
			s = start(t, server.V29, dir, "--use-hashed-tokens=false")
			permissions := func() map[string]int {
				var list struct {
					Authorizations []struct {
						Token, Description string
						Permissions        []any
					}
				}
				check(t, s.Must(facts.Operator(), "GET", "/api/v2/authorizations", nil, &list))
				found := map[string]int{}
				for _, one := range list.Authorizations {
					if token, known := tokens[one.Description]; known && token.Token != one.Token {
						t.Errorf("%s has another value", one.Description)
					}
					found[one.Description] = len(one.Permissions)
				}
				return found
			}
			// What only a complete list allows: a remote needs its own type, an annotation too.
			works := func(name string) (ok bool) {
				remote := map[string]any{"name": name, "orgID": org, "remoteURL": "http://127.0.0.1:1", "remoteAPIToken": "t", "remoteOrgID": org, "allowInsecureTLS": false}
				made, _, err := s.Call(tokens[name].Token, "POST", "/api/v2/remotes", remote)
				check(t, err)
				read, _, err := s.Call(tokens[name].Token, "GET", "/api/v2private/annotations?orgID="+org, nil)
				check(t, err)
				return made == 201 && read == 200
			}
			before := permissions()
			for name, token := range tokens {
				complete := works(name)
				if slices.Contains(missed, name) && complete {
					t.Errorf("%s was extended: %d permissions", name, before[name])
				}
				if known, err := s.Knows(token.Token); err != nil || !known {
					t.Errorf("%s: %t %v", name, known, err)
				}
			}
			stop(t, s)
			told := map[string]string{}
			for _, f := range findings(t, server.Bolt(dir)) {
				if f.Code == "metadata.all-access-old" || f.Code == "metadata.operator-old" {
					told[filepath.Base(f.Where)] = f.Code
				}
			}
			if fmt.Sprint(told) != fmt.Sprint(codes) {
				t.Errorf("told %v, not %v", told, codes)
			}
			report := repaired(t, server.Bolt(dir))
			if len(report.Repaired) != len(missed) {
				t.Errorf("%+v", report)
			}
			sound(t, server.Bolt(dir))
			s = start(t, server.V29, dir, "--use-hashed-tokens=false")
			after := permissions()
			for _, name := range missed {
				if !works(name) || after[name] < 43 {
					t.Errorf("%s after the repair: %d permissions", name, after[name])
				}
			}
			for _, name := range others {
				if after[name] != before[name] {
					t.Errorf("%s has %d permissions, not %d", name, after[name], before[name])
				}
			}
			stop(t, s)
			missedTokens += len(missed)
		})
	}
	t.Logf("cases: TestUpgradesMissTokens %d", missedTokens)
}
