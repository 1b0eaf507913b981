package suite

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Bolt and boltkey change the same file in turns, for every page size and freelist form. After each
// turn both find it sound, and every token that boltkey made verifies.
func TestBoltGoesOnWithWhatWeChanged(t *testing.T) {
	t.Parallel()
	rounds := 0
	for _, size := range []string{"512", "1024", "2048", "4096", "5000", "8192", "16384", "32768", "65536"} {
		for _, freelist := range []string{"array", "hashmap", "none"} {
			for _, store := range []string{"lived-2.7.12", "upgraded-2.9.1"} {
				for _, maker := range []string{"bbolt136", "bbolt150"} {
					name := strings.Join([]string{size, freelist, store, maker}, "-")
					t.Run(name, func(t *testing.T) {
						dir := t.TempDir()
						first := filepath.Join(dir, "first.bolt")
						peer(t, maker, "copy", "--page-size", size, "--freelist", freelist,
							filepath.Join("..", "..", "fixtures", "real", store+".bolt"), first)
						tokens := []string{ourTurn(t, first)}
						text, err := os.ReadFile(first)
						check(t, err)
						for seed, user := range []string{"bbolt136", "bbolt150"} {
							file := filepath.Join(dir, user+".bolt")
							check(t, os.WriteFile(file, text, 0o600))
							tokens := tokens
							for round := range 3 {
								if round > 0 {
									tokens = append(tokens[:len(tokens):len(tokens)], ourTurn(t, file))
								}
								theirTurn(t, user, file, freelist, string(rune('1'+3*seed+round)))
								allVerify(t, file, tokens)
								rounds++
							}
						}
					})
				}
			}
		}
	}
	t.Logf("cases: TestBoltGoesOnWithWhatWeChanged %d", rounds)
	if rounds != 9*3*2*2*2*3 {
		t.Errorf("%d rounds", rounds)
	}
}

// ourTurn makes a token.
func ourTurn(t *testing.T, file string) string {
	t.Helper()
	before := contents(t, file)
	m := recoverOperator(t, file, "--user", "alice", "--org", "acme")
	onlyTokenAdded(t, before, contents(t, file), m)
	sound(t, file)
	return m.Authorization.Token
}

// theirTurn has Bolt rewrite what is there, and change buckets of its own at random.
func theirTurn(t *testing.T, user, file, freelist, seed string) {
	t.Helper()
	before := contents(t, file)
	peer(t, user, "commit", "--freelist", freelist, "--keep", file, "20", seed)
	after := contents(t, file)
	sound(t, file)
	if strings.Join(before, "\n") == strings.Join(after, "\n") {
		t.Errorf("%s changed nothing", user)
	}
	if records(before) != records(after) {
		t.Errorf("%s changed records of the store", user)
	}
}

// records are the keys in buckets that Bolt did not make in its turns.
func records(contents []string) string {
	var kept []string
	for _, line := range contents {
		if strings.HasPrefix(line, "key ") && !strings.HasPrefix(line, "key /"+hex.EncodeToString([]byte("new-"))) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func allVerify(t *testing.T, file string, tokens []string) {
	t.Helper()
	for i, token := range tokens {
		result := boltkey(t, token+"\n", "auth", "verify", "--token-file", "-", "--can", "write:buckets", "--db", file)
		if result.code != 0 {
			t.Errorf("token %d of %d: exit %d: %s%s", i+1, len(tokens), result.code, result.stdout, result.stderr)
		}
	}
}
