package suite

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// salvaged is what `salvage` answers, as far as it is judged here.
type salvaged struct {
	Out       string
	SizeBytes int64
	Sound     bool
	Tokens    struct{ Found, OnlyInIndex int }
	Lost      []struct{ Bucket, Id, Reason string }
	Changed   *bool
}

func salvage(t *testing.T, db, out string) salvaged {
	t.Helper()
	before, err := os.ReadFile(db)
	check(t, err)
	var report salvaged
	answer(t, &report, []int{0, 3}, "", "salvage", "--db", db, "--out", out)
	after, err := os.ReadFile(db)
	check(t, err)
	info, err := os.Lstat(out)
	check(t, err)
	if string(before) != string(after) || info.Mode().Perm() != 0o600 || info.Size() != report.SizeBytes ||
		report.Changed == nil || *report.Changed {
		t.Errorf("%s: %+v, %v", db, report, info.Mode())
	}
	return report
}

// serves starts the servers that know the schema of a store on copies of it. They know its usable
// tokens, and those that are given, and these users sign in.
func serves(t *testing.T, db string, given []string, users ...string) {
	t.Helper()
	sound(t, db)
	var list struct {
		Authorizations []struct {
			ID, Token, Storage string
			Usable             bool
		}
	}
	answer(t, &list, []int{0}, "", "auth", "list", "--db", db, "--reveal")
	tokens := slices.Clone(given)
	for _, token := range list.Authorizations {
		if token.Usable && token.Storage == "plaintext" && len(tokens) < 60 {
			tokens = append(tokens, token.Token)
		}
	}
	if len(tokens) < 30 {
		t.Errorf("%d tokens are usable", len(tokens))
	}
	var status struct{ Schema struct{ Migrations int } }
	answer(t, &status, []int{0}, "", "status", "--db", db)
	releases := []server.Release{server.V29}
	if status.Schema.Migrations <= 20 {
		releases = append(releases, server.V27)
	}
	for _, release := range releases {
		dir := t.TempDir()
		text, err := os.ReadFile(db)
		check(t, err)
		check(t, os.WriteFile(server.Bolt(dir), text, 0o600))
		s := start(t, release, dir)
		for _, user := range users {
			if _, status := signin(t, s, user, "correct horse battery"); status != http.StatusNoContent {
				t.Errorf("%s: %s signs in: %d", release, user, status)
			}
		}
		for n, token := range tokens {
			known, err := s.Knows(token)
			check(t, err)
			if !known {
				t.Errorf("%s does not know token %d", release, n)
			}
		}
		if log := stop(t, s); strings.Contains(log, "Missing metadata for bucket") {
			t.Errorf("%s: %s", release, log)
		}
	}
}

// recovered are the tokens of hashed authorizations that unused parts of a damaged file still show.
func recovered(t *testing.T, db, salvaged string) (tokens []string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "recovered.json")
	result := boltkey(t, "", "residue", "recover", "--db", salvaged, "--files", db, "--out", out)
	if result.code != 0 {
		t.Fatalf("%+v", result)
	}
	for _, token := range capturedIn(t, out) {
		tokens = append(tokens, token)
	}
	return tokens
}

// salvagedField are the states of fixtures/field that need `salvage`, with the tokens that are in them. In
// c76 one record is damaged.
var salvagedField = map[string]int{
	"bolt-c01": 36, "bolt-c08": 36, "bolt-c21": 36, "bolt-hotnone-25": 36, "bolt-bigp-d2": 2001,
	"bolt-okbut-1-13": 36, "bolt-fullok-2-113": 36, "6-23186-invalid-page-type-41-10": 36, "bolt-c76": 35,
}

// Real servers start on what `salvage` makes of the states that people reported, users sign in, and
// their tokens answer.
func TestSalvagedStoresServe(t *testing.T) {
	t.Parallel()
	for name, tokens := range salvagedField {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := plain(t, filepath.Join("..", "..", "fixtures", "field", name+".bolt.gz"))
			out := filepath.Join(t.TempDir(), "new.bolt")
			report := salvage(t, db, out)
			if report.Tokens.Found < tokens || report.Sound {
				t.Errorf("%+v", report)
			}
			var given []string
			if strings.HasPrefix(name, "6-") {
				// Those of inactive and deleted users are refused.
				for _, token := range recovered(t, db, out) {
					var verified struct{ Authenticates bool }
					answer(t, &verified, []int{0, 3}, token, "auth", "verify", "--db", out, "--token-file", "-")
					if verified.Authenticates {
						given = append(given, token)
					}
				}
			}
			users := []string{"alice"}
			if name == "bolt-bigp-d2" {
				users = nil // Its passwords are not known.
			}
			serves(t, out, given, users...)
		})
	}
}

// The same for large stores with damage of every class: one that Bolt wrote, and one that boltkey wrote.
func TestSalvagedDamageServes(t *testing.T) {
	t.Parallel()
	churned := plain(t, filepath.Join("..", "..", "fixtures", "churned", "tokens-136.bolt.gz"))
	own := filepath.Join(t.TempDir(), "own.bolt")
	copied(t, "compact", churned, own)
	for number := range 5 {
		args := []string{"auth", "create", "--user", "alice", "--org", "acme", "--all-access", "--description", fmt.Sprint("new ", number), "--db", own}
		if r := boltkey(t, "", args...); r.code != 0 {
			t.Fatal(r)
		}
	}
	for _, file := range []string{churned, own} {
		salvagedDamageServes(t, file)
	}
}

func salvagedDamageServes(t *testing.T, file string) {
	whole, err := os.ReadFile(file)
	check(t, err)
	const page = 4096
	zero := func(pages ...uint64) []byte {
		text := append([]byte{}, whole...)
		for _, n := range pages {
			clear(text[n*page : (n+1)*page])
		}
		return text
	}
	number := func(at uint64) uint64 {
		n := uint64(0)
		for i := uint64(8); i > 0; i-- {
			n = n<<8 | uint64(whole[at+i-1])
		}
		return n
	}
	meta := uint64(0)
	if number(page+64) > number(64) {
		meta = page
	}
	root := number(meta + 32)
	children := func(n uint64) (all []uint64) {
		if whole[n*page+8] != 1 {
			return []uint64{n}
		}
		for i := range uint64(whole[n*page+10]) + uint64(whole[n*page+11])<<8 {
			all = append(all, number(n*page+16+16*i+8))
		}
		return all
	}
	for name, text := range map[string][]byte{
		"root": zero(root), "both metas": zero(0, 1), "all root leaves": zero(children(root)...),
		"half": whole[:len(whole)/2],
	} {
		t.Run(filepath.Base(file)+" "+name, func(t *testing.T) {
			t.Parallel()
			db, out := filepath.Join(t.TempDir(), "influxd.bolt"), filepath.Join(t.TempDir(), "new.bolt")
			check(t, os.WriteFile(db, text, 0o600))
			report := salvage(t, db, out)
			least := 2050
			if name == "half" {
				least = 700
			}
			if report.Tokens.Found < least {
				t.Errorf("%d tokens: %+v", report.Tokens.Found, report)
			}
			serves(t, out, nil)
		})
	}
}
