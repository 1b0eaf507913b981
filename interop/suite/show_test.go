package suite

import (
	"net/http"
	"testing"

	"boltkey/interop/suite/server"
)

// `auth show` names exactly the tokens that can see an authorization on the server. No token sees one
// whose user or organization was deleted.
func TestVisibilityIsTheServers(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		type pair struct{ whose, by string }
		sees := map[pair]bool{}
		for _, whose := range l.facts.Tokens {
			for _, by := range l.facts.Tokens {
				status, _, err := l.server.Call(by.Token, "GET", "/api/v2/authorizations/"+whose.ID, nil)
				check(t, err)
				sees[pair{whose.ID, by.ID}] = status == http.StatusOK
			}
		}
		stop(t, l.server)
		yes, orphans := 0, 0
		for _, whose := range l.facts.Tokens {
			if whose.Status == "deleted" {
				continue
			}
			var shown struct {
				Org, User string
				VisibleTo []struct {
					ID     string
					Active bool
				}
			}
			answer(t, &shown, []int{0}, "", "auth", "show", whose.ID, "--db", server.Bolt(l.server.Dir))
			if shown.Org == "" || shown.User == "" {
				orphans++
			}
			named := map[string]bool{}
			for _, other := range shown.VisibleTo {
				named[other.ID] = other.Active
			}
			for _, by := range l.facts.Tokens {
				theirs := sees[pair{whose.ID, by.ID}]
				if by.ID != whose.ID && theirs != named[by.ID] {
					t.Errorf("%q by %q: ours %v, theirs %v", whose.Name, by.Name, named[by.ID], theirs)
				}
				if theirs {
					yes++
				}
			}
		}
		if yes < 50 || orphans != 2 {
			t.Errorf("%d are visible, %d orphans", yes, orphans)
		}
	})
}
