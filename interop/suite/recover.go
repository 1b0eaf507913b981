package suite

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// made is what `recover operator` answers.
type made struct {
	Authorization authorization
	Changed       *bool
	Login         string
}

// recoverOperator makes a new operator token and expects the answer to be complete.
func recoverOperator(t *testing.T, db string, args ...string) made {
	t.Helper()
	var m made
	answer(t, &m, []int{0}, "", append([]string{"recover", "operator", "--db", db}, args...)...)
	a := m.Authorization
	if m.Changed == nil || !*m.Changed || len(a.ID) != 16 || len(a.Token) < 20 || !a.Usable || a.Status != "active" || m.Login != a.User {
		t.Fatalf("recover operator: %+v", m)
	}
	return m
}

// contents is Bolt's own account of a file: a line for each bucket, its sequence, and each key
// with the sum of its value.
func contents(t *testing.T, file string) []string {
	t.Helper()
	text, err := exec.Command(server.Binary("bbolt136"), "dump", "--lines", file).Output()
	check(t, err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// keys counts the keys of a bucket.
func keys(contents []string, bucket string) int {
	n := 0
	for _, line := range contents {
		if strings.HasPrefix(line, "key /"+hex.EncodeToString([]byte(bucket))+" ") {
			n++
		}
	}
	return n
}

// line is that of one key.
func line(bucket, key string, value []byte) string {
	sum := sum(value)
	return "key /" + hex.EncodeToString([]byte(bucket)) + " " + hex.EncodeToString([]byte(key)) + " " + hex.EncodeToString(sum[:])
}

// onlyTokenAdded expects that a record and its one index entry were added and nothing else was
// changed.
func onlyTokenAdded(t *testing.T, before, after []string, m made) {
	t.Helper()
	old := map[string]bool{}
	for _, line := range before {
		old[line] = true
	}
	var added []string
	for _, line := range after {
		if !old[line] {
			added = append(added, line)
		}
		delete(old, line)
	}
	for line := range old {
		t.Errorf("gone or changed: %s", line)
	}
	a := m.Authorization
	record := strings.TrimSuffix(line("authorizationsv1", a.ID, nil), line("", "", nil)[len("key / "):])
	entry := line("authorizationindexv1", a.Token, []byte(a.ID))
	if a.Storage == "hashed" {
		// The key is the hash, which has a check of its own: the server knows the token.
		entry = "key /" + hex.EncodeToString([]byte("authorizationhashedindexv1")) + " "
	}
	slices.Sort(added) // "…index…" and "…hashedindex…" come before "…s…"
	if len(added) != 2 || !strings.HasPrefix(added[0], entry) || !strings.HasPrefix(added[1], record) {
		t.Errorf("added instead of one record and one index entry:\n%s", strings.Join(added, "\n"))
	} else if value := sum([]byte(a.ID)); !strings.HasSuffix(added[0], hex.EncodeToString(value[:])) {
		t.Errorf("the index entry leads elsewhere: %s", added[0])
	}
}

// shows counts the places where the file shows a text. The key of a branch page, which is a copy
// of one of a leaf, is no place of its own.
func shows(t *testing.T, file, text string) int {
	t.Helper()
	const page = 4096
	all, err := os.ReadFile(file)
	check(t, err)
	places := 0
	for at := 0; ; at++ {
		next := bytes.Index(all[at:], []byte(text))
		if next < 0 {
			return places
		}
		at += next
		header := all[at/page*page:]
		branch := binary.LittleEndian.Uint16(header[8:]) == 1
		if !branch || binary.LittleEndian.Uint64(header) != uint64(at/page) {
			places++
		}
	}
}
