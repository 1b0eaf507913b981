package suite

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"boltkey/interop/suite/server"
)

type capture struct {
	Format string
	Tokens []struct{ ID, Token string }
}

// A real 2.9.1 hashes the tokens of a store. `residue recover` finds exactly the tokens that a plain
// byte search finds in the file, and the server accepts each. After `residue scrub` the search finds
// none.
func TestRecoverGetsBackWhatTheFileShows(t *testing.T) {
	t.Parallel()
	for _, n := range []int{3, 50, 1000, 20000} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			dir, facts := hashedByStart(t, n)
			shown := shownTokens(t, server.Bolt(dir), facts)
			recovered := lastCopies(t, server.Bolt(dir))
			for id, token := range recovered {
				if shown[id] != token {
					t.Errorf("%s is not what the file shows", id)
				}
			}
			// Of three tokens, the server's own later commits may have overwritten all.
			if len(recovered) != len(shown) || (len(shown) == 0 && n > 3) {
				t.Errorf("recovered %d of %d shown, of %d", len(recovered), len(shown), n)
			}
			t.Logf("%d tokens: the file shows %d, recovered %d", n, len(shown), len(recovered))

			s := start(t, server.V29, dir)
			for id, token := range recovered {
				ok, err := s.Knows(token)
				check(t, err)
				if !ok {
					t.Errorf("the server refuses the recovered token of %s", id)
				}
			}
			stop(t, s)
			scrubs(t, dir, facts, len(lastCopies(t, server.Bolt(dir))))
		})
	}
}

// hashedByStart makes a store of n plaintext tokens and has a server hash them as it starts.
func hashedByStart(t *testing.T, n int) (string, *server.Facts) {
	t.Helper()
	dir := t.TempDir()
	s := start(t, server.V29, dir, noHashing)
	facts, err := s.Setup("2.9.1", "chosen-by-hand")
	check(t, err)
	check(t, addMany(s, facts, n-1))
	stop(t, s)
	log := stop(t, start(t, server.V29, dir))
	if !bytes.Contains([]byte(log), []byte("Migrating raw tokens")) {
		t.Fatalf("the server hashed nothing:\n%s", log)
	}
	return dir, facts
}

// shownTokens are those that a plain byte search finds in a file, by ID.
func shownTokens(t *testing.T, db string, facts *server.Facts) map[string]string {
	t.Helper()
	file, err := os.ReadFile(db)
	check(t, err)
	shown := map[string]string{}
	for _, token := range facts.Tokens {
		if bytes.Contains(file, []byte(token.Token)) {
			shown[token.ID] = token.Token
		}
	}
	return shown
}

// lastCopies are the tokens that `residue recover` finds, by ID.
func lastCopies(t *testing.T, db string) map[string]string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "recovered.json")
	var report map[string]any
	answer(t, &report, []int{0}, "", "residue", "recover", "--out", out, "--db", db)
	found := map[string]string{}
	text, err := os.ReadFile(out)
	if os.IsNotExist(err) && report["out"] == nil {
		return found
	}
	check(t, err)
	var recovered capture
	check(t, json.Unmarshal(text, &recovered))
	if recovered.Format != "boltkey-capture/1" || len(recovered.Tokens) == 0 {
		t.Errorf("%d tokens in format %q", len(recovered.Tokens), recovered.Format)
	}
	for _, token := range recovered.Tokens {
		found[token.ID] = token.Token
	}
	return found
}

// addMany makes n tokens over a few connections at once.
func addMany(s *server.Server, facts *server.Facts, n int) error {
	const workers = 8
	var group sync.WaitGroup
	parts := make([]server.Facts, workers)
	errors := make([]error, workers)
	for w := range workers {
		parts[w] = *facts
		parts[w].Tokens = facts.Tokens[:1:1]
		share := n / workers
		if w < n%workers {
			share++
		}
		group.Go(func() { errors[w] = s.AddDevices(&parts[w], share) })
	}
	group.Wait()
	for w := range workers {
		if errors[w] != nil {
			return errors[w]
		}
		facts.Tokens = append(facts.Tokens, parts[w].Tokens[1:]...)
	}
	return nil
}
