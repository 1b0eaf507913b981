package suite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// After `hash`, a server that hashes has nothing to do on the store, with hashing on or off, and
// answers every token as before. The file contains none of them. The same check of the log fails on the
// original store. This also holds for redb.
func TestHashLeavesTheServerNothingToDo(t *testing.T) {
	t.Parallel()
	stores, refused, starts, embedded, seen := 0, 0, 0, 0, map[string]int{}
	eachVault(t, func(t *testing.T, v vault) {
		original := server.Bolt(v.dir)
		dir := copyOf(t, v.dir)
		db := server.Bolt(dir)
		captureFile := filepath.Join(t.TempDir(), "capture.json")
		if v.schema < 20 {
			result := boltkey(t, "", "hash", "--db", db, "--yes", "--capture", captureFile)
			if result.code != 1 || !strings.Contains(result.stderr, "start influxd 2.7 on it once") {
				t.Errorf("schema %d: exit %d: %s", v.schema, result.code, result.stderr)
			}
			refused++
			return
		}
		stores++
		plain := plaintextOf(t, original)
		owned, names := owner(t, db), folder(t, dir)
		h := hash(t, db, "--capture", captureFile)
		if now := owner(t, db); now != owned || folder(t, dir) != names {
			t.Errorf("inode, mode and owner were %s, are %s; the folder holds %s", owned, now, folder(t, dir))
		}
		if h.Hashed != len(plain) || h.Migrated != (v.schema == 20) || h.WithoutToken != 0 {
			t.Errorf("%d in plaintext: %+v", len(plain), h)
		}
		embedded += len(h.Embedded)
		put := map[string]string{}
		if len(plain)+h.Recovered > 0 {
			put = capturedIn(t, captureFile)
		}
		for id, token := range plain {
			if put[id] != token {
				t.Errorf("the capture lacks %s", id)
			}
		}
		// Beyond these, hashed tokens that other live records show.
		if more := len(put) - len(plain) - h.Recovered; len(put) > 0 && (more < 0 || more > len(h.Embedded)) {
			t.Errorf("captured %d of %d and %d recovered", len(put), len(plain), h.Recovered)
		}
		onlyEmbedded(t, db, v.facts, h)
		sound(t, db)
		again := boltkey(t, "", "hash", "--db", db, "--yes", "--capture", captureFile)
		if again.code != 0 || !strings.Contains(again.stdout, "nothing to do") {
			t.Errorf("again: exit %d: %s%s", again.code, again.stdout, again.stderr)
		}

		// The same through the other engine and back.
		there, back := filepath.Join(t.TempDir(), "there.redb"), copyOf(t, v.dir)
		copied(t, "convert", original, there, "--engine", "redb")
		r := hash(t, there, "--no-capture")
		onlyEmbedded(t, there, v.facts, r)
		check(t, os.Remove(server.Bolt(back)))
		copied(t, "convert", there, server.Bolt(back), "--engine", "bolt")

		// What the server says of the store as it was.
		s := start(t, server.V29, copyOf(t, v.dir), noHashing)
		before := answers(t, s, v.facts)
		stop(t, s)
		for _, said := range before {
			seen[said]++
		}
		log := stop(t, start(t, server.V29, copyOf(t, v.dir)))
		migrates, hashes := workLeft(log)
		if migrates != (v.schema == 20) || hashes != (len(plain) > 0) {
			t.Errorf("as it was, with %d in plaintext at schema %d: migrates %v, hashes %v", len(plain), v.schema, migrates, hashes)
		}
		if migrates {
			seen["migrates"]++
		}
		if hashes {
			seen["hashes"]++
		}
		for _, dir := range []string{dir, back} {
			for _, j := range []judge{judgeHashing, judgePlain} {
				s := start(t, j.release, copyOf(t, dir), j.flags...)
				starts++
				for token, said := range answers(t, s, v.facts) {
					if before[token] == "401 401" && said != "401 401" && h.Revived > 0 {
						seen["revived"]++ // which a downgrade had left dead
					} else if said != before[token] {
						t.Errorf("%s: %s was answered %s, is answered %s", j.name, token, before[token], said)
					}
				}
				log := stop(t, s)
				if migrates, hashes := workLeft(log); migrates || hashes {
					t.Errorf("%s: migrates %v, hashes %v:\n%s", j.name, migrates, hashes, log)
				}
			}
		}
	})
	t.Logf("%d stores hashed, %d refused, %d starts, %d embedded, %v", stores, refused, starts, embedded, seen)
	if stores != 10 || refused != 4 || starts != 40 || embedded == 0 || seen["migrates"] == 0 || seen["hashes"] == 0 || seen["revived"] == 0 || seen["200 200"] == 0 {
		t.Errorf("%d stores hashed, %d refused, %d starts, %d embedded, %v", stores, refused, starts, embedded, seen)
	}
}

// scrubs overwrites what a store's file shows that a server hashed: a byte search finds no token
// afterwards, Bolt goes on with the file, and the server accepts every token.
func scrubs(t *testing.T, dir string, facts *server.Facts, shown int) {
	t.Helper()
	db := server.Bolt(dir)
	report := scrub(t, db)
	if report.Matching != shown {
		t.Errorf("scrubbed %+v, where the file showed %d", report, shown)
	}
	if left := shownTokens(t, db, facts); len(left) > 0 {
		t.Errorf("the file still shows %d tokens", len(left))
	}
	if again := scrub(t, db); *again.Changed || again.Tokens != 0 {
		t.Errorf("again: %+v", again)
	}
	sound(t, db)
	s := start(t, server.V29, dir)
	refused := 0
	for _, token := range facts.Tokens {
		ok, err := s.Knows(token.Token)
		check(t, err)
		if !ok {
			refused++
		}
	}
	stop(t, s)
	if refused > 0 {
		t.Errorf("the server refuses %d of %d tokens", refused, len(facts.Tokens))
	}
	theirs := filepath.Join(t.TempDir(), "theirs.bolt")
	text, err := os.ReadFile(db)
	check(t, err)
	for _, user := range []string{"bbolt136", "bbolt150"} {
		check(t, os.WriteFile(theirs, text, 0o600))
		theirTurn(t, user, theirs, "array", "7")
	}
}

// There and back: a store of 2.7.12 is hashed with a capture, 2.9.1 runs on it, the capture puts
// the tokens back, the migration is undone, 2.7.12 runs on it, 2.9.1 hashes it again by itself.
// Every server accepts every token as before.
func TestThereAndBackAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := server.Bolt(dir)
	s := start(t, server.V27, dir)
	facts, err := s.Setup("2.7.12", "chosen by hand")
	check(t, err)
	check(t, s.Live(facts))
	before := statuses(t, s, facts)
	stop(t, s)
	captureFile := filepath.Join(t.TempDir(), "tokens.age")
	passphrase := filepath.Join(t.TempDir(), "passphrase")
	check(t, os.WriteFile(passphrase, []byte("a long passphrase\n"), 0o600))
	h := hash(t, db, "--capture", captureFile, "--passphrase-file", passphrase)
	if !h.Migrated || h.Hashed < 30 {
		t.Errorf("%+v", h)
	}
	onlyEmbedded(t, db, facts, h)
	refuses(t, server.V27, dir, unknownMigration)

	s = start(t, server.V29, dir)
	known := same(t, "2.9.1 on the hashed store", before, statuses(t, s, facts), nil)
	log := stop(t, s)
	if migrates, hashes := workLeft(log); migrates || hashes {
		t.Errorf("migrates %v, hashes %v", migrates, hashes)
	}

	var p prepared
	answer(t, &p, []int{0}, "", "downgrade", "prepare", "--tokens", captureFile, "--passphrase-file", passphrase, "--yes", "--db", db)
	if p.Restored != h.Hashed || len(p.StillHashed) != 0 {
		t.Errorf("%+v of %d", p, h.Hashed)
	}
	var done outlook
	answer(t, &done, []int{0}, "", "downgrade", "apply", "--to", "2.7", "--yes", "--db", db)
	if len(done.Lost) != 0 || done.Changed == nil || !*done.Changed {
		t.Errorf("%+v", done)
	}
	s = start(t, server.V27, dir)
	same(t, "2.7.12 again", before, statuses(t, s, facts), nil)
	stop(t, s)
	s = start(t, server.V29, dir)
	same(t, "2.9.1 hashing by itself", before, statuses(t, s, facts), nil)
	if migrates, hashes := workLeft(stop(t, s)); !migrates || !hashes {
		t.Errorf("migrates %v, hashes %v", migrates, hashes)
	}
	t.Logf("%d tokens known all the way, of %d", known, len(before))
}
