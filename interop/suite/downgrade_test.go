package suite

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// outlook is what `downgrade check` and `downgrade apply` answer.
type outlook struct {
	Supported bool
	Lost      []struct{ ID, Description, Kind, Reason string }
	Kept      int
	Dropped   int
	Changed   *bool
	Steps     []string
	Warnings  []string
}

// prepared is what `downgrade prepare` answers.
type prepared struct {
	Restored, AlreadyPlaintext, Unmatched int
	StillHashed                           []struct{ ID string }
	Changed                               *bool
}

// statuses are a server's answers to every token: 200 if it knows it, 403 if it knows it and its
// user is inactive or gone, 401 if it does not know it.
func statuses(t *testing.T, s *server.Server, facts *server.Facts) map[string]int {
	t.Helper()
	said := map[string]int{}
	for _, token := range facts.Tokens {
		status, _, err := s.Call(token.Token, "GET", "/api/v2/resources", nil)
		check(t, err)
		said[token.ID] = status
	}
	return said
}

// same expects the same answer to every token but those that are lost, which are 401 now. Returns
// how many were known before.
func same(t *testing.T, name string, before, after map[string]int, lost []string) (known int) {
	t.Helper()
	for id, was := range before {
		want := was
		if slices.Contains(lost, id) {
			want = 401
			if was == 401 {
				t.Errorf("%s: %s is called lost and was not known", name, id)
			}
		}
		if after[id] != want {
			t.Errorf("%s: %s was answered %d, is answered %d instead of %d", name, id, was, after[id], want)
		}
		if was != 401 {
			known++
		}
	}
	return known
}

func lostIDs(o outlook) (ids []string) {
	for _, loss := range o.Lost {
		ids = append(ids, loss.ID)
	}
	return ids
}

// refuses expects that a release does not start on a store.
func refuses(t *testing.T, release server.Release, dir, words string) {
	t.Helper()
	s, err := server.Start(release, copyOf(t, dir))
	if err == nil {
		s.Kill()
		t.Fatalf("%s starts on it", release)
	}
	if !strings.Contains(err.Error(), words) {
		t.Errorf("%s: %v", release, err)
	}
}

const unknownMigration = "DB contains record of unknown migration"

// A real 2.7.12, started on a downgraded store of 2.9.1, answers 401 to the tokens that `downgrade
// check` named and to no other known token.
func TestDowngradeLosesWhatCheckNames(t *testing.T) {
	t.Parallel()
	stores, lossy := 0, 0
	eachLivedStore(t, func(t *testing.T, l lived) {
		before := statuses(t, l.server, l.facts)
		stop(t, l.server)
		if l.release == server.V27 {
			return
		}
		stores++
		db := server.Bolt(l.server.Dir)
		var seen outlook
		answer(t, &seen, []int{0, 3}, "", "downgrade", "check", "--to", "2.7", "--db", db)
		lost := lostIDs(seen)
		if len(lost) > 0 {
			lossy++
			if result := boltkey(t, "", "downgrade", "apply", "--to", "2.7", "--yes", "--db", db); result.code != 3 {
				t.Errorf("loses tokens unasked: exit %d", result.code)
			}
		}
		refuses(t, server.V27, l.server.Dir, unknownMigration)
		for _, drop := range []bool{false, true} {
			dir := copyOf(t, l.server.Dir)
			db := server.Bolt(dir)
			args := []string{"downgrade", "apply", "--to", "2.7", "--allow-loss", "--yes", "--db", db}
			if drop {
				args = append(args, "--drop-hashed")
			}
			lines, sqlite := contents(t, db), sum(read(t, filepath.Join(dir, "influxd.sqlite")))
			var done outlook
			answer(t, &done, []int{0}, "", args...)
			if done.Changed == nil || !*done.Changed || !slices.Equal(lostIDs(done), lost) || done.Kept != seen.Kept {
				t.Errorf("apply: %+v", done)
			}
			sound(t, db)
			gone := len(lines) - len(contents(t, db))
			// The index and its entries, the migration, and the records that were dropped.
			if want := 2 + keys(lines, "authorizationhashedindexv1") + done.Dropped; gone != want {
				t.Errorf("%d lines are gone instead of %d", gone, want)
			}
			if sum(read(t, filepath.Join(dir, "influxd.sqlite"))) != sqlite {
				t.Error("the SQLite file was changed")
			}
			s := start(t, server.V27, dir)
			after := statuses(t, s, l.facts)
			known := same(t, fmt.Sprint("dropped ", drop), before, after, lost)
			if known != len(lost)+seen.Kept {
				t.Errorf("%d were known; %d lost, %d kept", known, len(lost), seen.Kept)
			}
			log := stop(t, s)
			if strings.Contains(log, "migration_count") {
				t.Errorf("2.7.12 had something to migrate:\n%s", log)
			}
		}
	})
	if stores != 4 || lossy != 3 {
		t.Errorf("%d stores, %d that lose tokens", stores, lossy)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	check(t, err)
	return text
}

// Tokens that 2.9.1 hashed are restored, from a capture and from each place where an unprepared
// upgrade leaves them. Then a real 2.7.12 accepts each as before, and so does 2.9.1 after it has hashed
// them again.
func TestPreparedTokensSurvive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, server.V27, dir)
	facts, err := s.Setup("2.7.12", "chosen by hand")
	check(t, err)
	check(t, s.Live(facts))
	check(t, s.AddDevices(facts, 80))
	before := statuses(t, s, facts)
	stop(t, s)
	capture := filepath.Join(t.TempDir(), "tokens.json")
	if result := boltkey(t, "", "capture", "--out", capture, "--db", server.Bolt(dir)); result.code != 0 {
		t.Fatal(result.stderr)
	}
	if log := stop(t, start(t, server.V29, dir)); !strings.Contains(log, "Migrating raw tokens") {
		t.Fatalf("2.9.1 hashed nothing:\n%s", log)
	}
	backups, err := filepath.Glob(server.Bolt(dir) + ".pre-*-upgrade.backup")
	check(t, err)
	if len(backups) != 1 {
		t.Fatalf("backups: %v", backups)
	}
	total := 0
	for _, status := range before {
		if status != 401 {
			total++
		}
	}
	var list strings.Builder
	for _, token := range facts.Tokens {
		fmt.Fprintf(&list, "%s\r\n\r\n", token.Token)
	}
	configs := filepath.Join(t.TempDir(), "configs")
	check(t, os.WriteFile(configs, []byte("[default]\n  url = \"http://localhost:8086\"\n  token = \"chosen by hand\"\n"), 0o600))
	shown := len(lastCopies(t, server.Bolt(dir)))
	t.Logf("%d tokens, the file itself shows %d", total, shown)

	for _, c := range []struct {
		name     string
		input    string
		sources  []string
		restored int
	}{
		{"capture", "", []string{"--tokens", capture}, total},
		{"list", list.String(), []string{"--tokens", "-"}, total},
		{"copy of before the upgrade", "", []string{"--from-db", backups[0]}, total},
		{"residue", "", []string{"--from-residue"}, shown},
		{"residue and copy", "", []string{"--from-residue", "--files", backups[0]}, total},
		{"configs", "", []string{"--files", configs}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := copyOf(t, dir)
			db := server.Bolt(dir)
			var p prepared
			args := append([]string{"downgrade", "prepare", "--yes", "--db", db}, c.sources...)
			answer(t, &p, []int{0}, c.input, args...)
			if p.Restored != c.restored || p.AlreadyPlaintext != 0 || len(p.StillHashed) != total-c.restored {
				t.Fatalf("%+v", p)
			}
			sound(t, db)
			// As it is, 2.9.1 takes all of them, whichever way they are kept.
			s := start(t, server.V29, copyOf(t, dir), noHashing)
			same(t, "2.9.1 without hashing", before, statuses(t, s, facts), nil)
			stop(t, s)

			var done outlook
			answer(t, &done, []int{0}, "", "downgrade", "apply", "--to", "2.7", "--allow-loss", "--yes", "--db", db)
			var still []string
			for _, token := range p.StillHashed {
				still = append(still, token.ID)
			}
			if lost := lostIDs(done); !slices.Equal(lost, still) || done.Kept != c.restored {
				t.Errorf("lost %v, still hashed %v", lost, still)
			}
			s = start(t, server.V27, dir)
			same(t, "2.7.12", before, statuses(t, s, facts), still)
			stop(t, s)
			s = start(t, server.V29, dir)
			same(t, "2.9.1 again", before, statuses(t, s, facts), still)
			if log := stop(t, s); !strings.Contains(log, "Migrating raw tokens") {
				t.Error("2.9.1 had nothing to hash again")
			}
			// Now they are hashes again, and the same source brings them back as well.
			answer(t, &p, []int{0}, c.input, append([]string{"downgrade", "prepare", "--dry-run", "--db", db}, c.sources...)...)
			if c.name != "residue" && p.Restored < c.restored {
				t.Errorf("after all that: %+v", p)
			}
		})
	}
}

// The unused bytes of a large store contain some of the tokens. Exactly those survive.
func TestWhatTheFileShowsSurvives(t *testing.T) {
	t.Parallel()
	dir, facts := hashedByStart(t, 1000)
	db := server.Bolt(dir)
	s := start(t, server.V29, dir)
	before := statuses(t, s, facts)
	stop(t, s)
	shown := lastCopies(t, db)
	if len(shown) == 0 || len(shown) == len(facts.Tokens) {
		t.Fatalf("the file shows %d of %d", len(shown), len(facts.Tokens))
	}
	var p prepared
	answer(t, &p, []int{0}, "", "downgrade", "prepare", "--from-residue", "--yes", "--db", db)
	var done outlook
	answer(t, &done, []int{0}, "", "downgrade", "apply", "--to", "2.7", "--allow-loss", "--yes", "--db", db)
	t.Logf("%d tokens, %d shown, %d restored, %d lost", len(facts.Tokens), len(shown), p.Restored, len(done.Lost))
	if p.Restored != len(shown) || done.Kept != len(shown) || len(done.Lost) != len(facts.Tokens)-len(shown) {
		t.Errorf("shown %d, %+v", len(shown), p)
	}
	for _, id := range lostIDs(done) {
		if shown[id] != "" {
			t.Errorf("%s is shown and lost", id)
		}
	}
	s = start(t, server.V27, dir)
	same(t, "2.7.12", before, statuses(t, s, facts), lostIDs(done))
	stop(t, s)
}

// After `influxd downgrade`, which neither asks nor lists, 2.7.12 knows none of the hashed tokens.
// `downgrade prepare` revives them there.
func TestPrepareRevivesAfterInfluxdDowngrade(t *testing.T) {
	t.Parallel()
	dir, facts := hashedByStart(t, 20)
	s := start(t, server.V29, dir)
	before := statuses(t, s, facts)
	stop(t, s)
	var seen outlook
	answer(t, &seen, []int{3}, "", "downgrade", "check", "--to", "2.7", "--db", server.Bolt(dir))
	downgrade(t, dir, "2.4")
	s = start(t, server.V27, dir)
	same(t, "influxd downgrade", before, statuses(t, s, facts), lostIDs(seen))
	stop(t, s)
	var list strings.Builder
	for _, token := range facts.Tokens {
		fmt.Fprintln(&list, token.Token)
	}
	var p prepared
	answer(t, &p, []int{0}, list.String(), "downgrade", "prepare", "--tokens", "-", "--yes", "--db", server.Bolt(dir))
	if p.Restored != len(facts.Tokens) || len(p.StillHashed) != 0 {
		t.Errorf("%+v", p)
	}
	for _, release := range []server.Release{server.V27, server.V29} {
		s = start(t, release, dir)
		same(t, string(release), before, statuses(t, s, facts), nil)
		stop(t, s)
	}
}

// The commands that `downgrade check` lists run without change: a real influxd undoes the announced
// migrations, and the rows that were called lost are gone.
func TestCheckListsCommandsThatRun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "it's a folder")
	check(t, os.Mkdir(dir, 0o700))
	s := start(t, server.V29, dir)
	facts, err := s.Setup("2.9.1", "chosen")
	check(t, err)
	for i, org := range []any{nil, facts.Orgs["acme"]} {
		request := map[string]any{
			"name": fmt.Sprint("remote ", i), "orgID": facts.Orgs["acme"], "remoteURL": "http://127.0.0.1:1",
			"remoteAPIToken": "x", "allowInsecureTLS": false,
		}
		if org != nil {
			request["remoteOrgID"] = org
		}
		check(t, s.Must("chosen", "POST", "/api/v2/remotes", request, nil))
	}
	stop(t, s)
	bin := t.TempDir()
	for name, target := range map[string]string{"influxd": server.Binary(string(server.V29)), "boltkey": os.Getenv("BOLTKEY_BIN")} {
		if target == "" {
			target = filepath.Join("..", "..", "target", "release", "boltkey")
		}
		target, err := filepath.Abs(target)
		check(t, err)
		check(t, os.Symlink(target, filepath.Join(bin, name)))
	}
	list := filepath.Join(t.TempDir(), "list")
	check(t, os.WriteFile(list, []byte("chosen\n"), 0o600))
	for _, c := range []struct {
		to      string
		schema  int    // of the database afterwards
		remotes int    // how many are left
		warning string // what is said of the others
	}{
		{"2.0", 15, 0, "2 remotes"},
		{"2.1", 18, 0, "2 remotes"},
		{"2.2", 18, 0, "2 remotes"},
		{"2.3", 20, 1, "1 remote without an organization"},
		{"2.4", 20, 1, "1 remote without an organization"},
		{"2.5", 20, 2, ""},
		{"2.7", 20, 2, ""},
		{"2.8", 21, 2, ""},
	} {
		t.Run(c.to, func(t *testing.T) {
			to := filepath.Join(t.TempDir(), "it's another")
			check(t, os.CopyFS(to, os.DirFS(dir)))
			var o outlook
			answer(t, &o, []int{0, 3}, "", "downgrade", "check", "--to", c.to, "--db", server.Bolt(to))
			warnings := strings.Join(o.Warnings, "\n")
			if !o.Supported || !strings.Contains(warnings, c.warning) || strings.Contains(warnings, "would be deleted") != (c.warning != "") {
				t.Errorf("%+v", o)
			}
			if direct := "Downgrading directly to a version earlier than 2.7 is not recommended"; strings.Contains(warnings, direct) != (c.to < "2.7") {
				t.Errorf("%s", warnings)
			}
			for _, step := range o.Steps {
				step = strings.Replace(step, " FILE ", " "+list+" ", 1)
				if strings.HasPrefix(step, "boltkey ") {
					step += " --yes"
				}
				cmd := exec.Command("sh", "-c", step)
				cmd.Env = []string{"HOME=" + t.TempDir(), "PATH=" + bin + ":/usr/bin:/bin"}
				if text, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", step, err, text)
				}
			}
			if n := keys(contents(t, server.Bolt(to)), "migrationsv1"); n != c.schema {
				t.Errorf("schema %d after %v", n, o.Steps)
			}
			if c.to != "2.2" { // for which influxd goes further back
				var again outlook
				answer(t, &again, []int{0}, "", "downgrade", "check", "--to", c.to, "--db", server.Bolt(to))
				if len(again.Steps) != 0 || len(again.Lost) != 0 || again.Kept != 1 {
					t.Errorf("%+v", again)
				}
			}
			release := server.V27
			if c.schema > 20 {
				release = server.V29
			}
			s := start(t, release, to)
			var remotes struct{ Remotes []any }
			check(t, s.Must("chosen", "GET", "/api/v2/remotes?orgID="+facts.Orgs["acme"], nil, &remotes))
			if len(remotes.Remotes) != c.remotes {
				t.Errorf("%d remotes are left", len(remotes.Remotes))
			}
			stop(t, s)
		})
	}
}
