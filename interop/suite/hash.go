package suite

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// hashed is what `hash` answers.
type hashed struct {
	Hashed, AlreadyHashed, Recovered, WithoutToken int
	Variant                                        string
	ResidueRemoved                                 int
	PlaintextRemaining                             *int
	Embedded                                       []struct{ Bucket, Key, ID string }
	Siblings                                       []struct{ Path string }
	Changed                                        *bool
	Migrated                                       bool
	Revived                                        int
}

// hash hashes a store and expects it to be proved. A store with nothing in plaintext may have
// nothing to be done.
func hash(t *testing.T, db string, args ...string) hashed {
	t.Helper()
	var h hashed
	answer(t, &h, []int{0}, "", append([]string{"hash", "--db", db, "--yes"}, args...)...)
	if h.Changed == nil || (!*h.Changed && h.Hashed > 0) || h.PlaintextRemaining == nil || *h.PlaintextRemaining != 0 {
		t.Fatalf("hash: %+v", h)
	}
	return h
}

// capturedIn reads a capture: tokens by ID.
func capturedIn(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	var c capture
	check(t, json.Unmarshal(text, &c))
	tokens := map[string]string{}
	for _, token := range c.Tokens {
		tokens[token.ID] = token.Token
	}
	return tokens
}

// onlyEmbedded expects that a file shows no token but inside the live values that were named.
func onlyEmbedded(t *testing.T, db string, facts *server.Facts, h hashed) {
	t.Helper()
	file, err := os.ReadFile(db)
	check(t, err)
	named := map[string]int{}
	for _, place := range h.Embedded {
		named[place.ID]++
	}
	for _, token := range facts.Tokens {
		n := bytes.Count(file, []byte(token.Token))
		if n > named[token.ID] {
			t.Errorf("%s (%s) stands %d times in the file, of which %d are named", token.ID, token.Name, n, named[token.ID])
		}
		if escaped, _ := json.Marshal(token.Token); n == 0 && bytes.Contains(file, escaped[1:len(escaped)-1]) {
			t.Errorf("%s stands in the file as JSON writes it", token.ID)
		}
	}
}

// workLeft tells what a server that hashes finds to do when it starts.
func workLeft(log string) (migrates, hashes bool) {
	return strings.Contains(log, "KV migrations"), strings.Contains(log, "Migrating raw tokens")
}

// scrub overwrites unused parts of a store's file.
func scrub(t *testing.T, db string) (report struct {
	Tokens, Matching, Unmatched int
	Changed                     *bool
}) {
	t.Helper()
	answer(t, &report, []int{0}, "", "residue", "scrub", "--yes", "--db", db)
	if report.Changed == nil {
		t.Fatalf("scrub: %+v", report)
	}
	return report
}

// plaintextOf are the tokens of a store that it holds in plaintext, by ID.
func plaintextOf(t *testing.T, db string) map[string]string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "plaintext.json")
	var report map[string]any
	answer(t, &report, []int{0}, "", "capture", "--out", out, "--db", db)
	return capturedIn(t, out)
}
