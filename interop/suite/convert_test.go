package suite

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// digest is Bolt's own digest of the contents of a file.
func digest(t *testing.T, file string) string {
	t.Helper()
	text, err := exec.Command(server.Binary("bbolt136"), "dump", file).Output()
	check(t, err)
	return string(text)
}

// soundFixtures are all files of Bolt and of real servers that have no defect.
func soundFixtures(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, folder := range []string{"real", "bbolt"} {
		for _, ending := range []string{"*.bolt", "*.bolt.gz"} {
			files, err := filepath.Glob(filepath.Join("..", "..", "fixtures", folder, ending))
			check(t, err)
			all = append(all, files...)
		}
	}
	return all
}

// plain is a fixture without compression, in a folder of its own.
func plain(t *testing.T, fixture string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(fixture), ".gz"))
	text, err := os.ReadFile(fixture)
	check(t, err)
	if strings.HasSuffix(fixture, ".gz") {
		cmd := exec.Command("gzip", "-dc", fixture)
		text, err = cmd.Output()
		check(t, err)
	}
	check(t, os.WriteFile(file, text, 0o600))
	return file
}

// Every bucket, key, value and sequence survives `convert` to redb and back, and `compact`, by Bolt's
// own dump. Bolt finds the results sound. A file that Bolt compacts has the same contents.
func TestConversionsHoldTheSame(t *testing.T) {
	t.Parallel()
	files := soundFixtures(t)
	for _, size := range []string{"512", "4096", "65536"} {
		for _, profile := range []string{"names", "overflow", "influx"} {
			file := filepath.Join(t.TempDir(), profile+"-"+size+".bolt")
			peer(t, "bbolt150", "make", "--page-size", size, "--profile", profile, "--seed", "5", file)
			peer(t, "bbolt136", "commit", file, "20", "7")
			files = append(files, file)
		}
	}
	copies, nested := 0, 0
	for _, fixture := range files {
		t.Run(filepath.Base(fixture), func(t *testing.T) {
			file := plain(t, fixture)
			want, dir := digest(t, file), t.TempDir()
			at := func(name string) string { return filepath.Join(dir, name) }
			same := func(name string) {
				if have := digest(t, at(name)); have != want {
					t.Errorf("%s holds %s instead of %s", name, have, want)
				}
				sound(t, at(name))
				copies++
			}
			peer(t, "bbolt136", "copy", file, at("theirs"))
			same("theirs")
			copied(t, "compact", file, at("small"))
			same("small")
			copied(t, "compact", at("theirs"), at("small theirs"))
			same("small theirs")
			// The compressed file itself is read as well.
			copied(t, "compact", fixture, at("small fixture"))
			same("small fixture")

			if result := boltkey(t, "", "convert", "--json", "--db", file, "--out", at("redb")); result.code != 0 {
				nested++
				code, message := failure(t, result)
				if result.code != 1 || code != "failed" || !strings.Contains(message, "is a bucket inside another one; nothing was changed") ||
					!hasNested(t, file) || folder(t, dir) != "small small fixture small theirs theirs" {
					t.Errorf("exit %d: %s; the folder holds %s", result.code, message, folder(t, dir))
				}
				return
			}
			if hasNested(t, file) {
				t.Error("nested buckets were converted")
			}
			copied(t, "compact", at("redb"), at("small redb"))
			for _, redb := range []string{"redb", "small redb"} {
				var report structure
				answer(t, &report, []int{0}, "", "check", "--structure-only", "--db", at(redb))
				if !report.OK {
					t.Errorf("%+v", report.Findings)
				}
				copied(t, "convert", at(redb), at("back from "+redb))
				same("back from " + redb)
			}
			copied(t, "convert", file, at("bolt"), "--engine", "bolt")
			same("bolt")
		})
	}
	t.Logf("cases: TestConversionsHoldTheSame %d", copies)
	if len(files) < 50 || nested < 10 || copies < 4*len(files)+3*(len(files)-nested) {
		t.Errorf("%d files, %d with nested buckets, %d copies", len(files), nested, copies)
	}
}

// hasNested tells whether a bucket stands in another one.
func hasNested(t *testing.T, file string) bool {
	return slices.ContainsFunc(contents(t, file), func(line string) bool {
		return strings.HasPrefix(line, "bucket /") && strings.Count(line, "/") > 1
	})
}

// A real server starts on the result of `compact`, of `convert` to redb and back, and of a redb store
// with a new operator token. It answers all tokens as on the original.
func TestServersStartOnCopies(t *testing.T) {
	t.Parallel()
	stores, starts, seen := 0, 0, map[string]int{}
	eachVault(t, func(t *testing.T, v vault) {
		stores++
		db, redb := server.Bolt(v.dir), filepath.Join(t.TempDir(), "store.redb")
		lines := contents(t, db)
		folderWith := func(name, command, from string, made *made) variant {
			dir := copyOf(t, v.dir)
			check(t, os.Remove(server.Bolt(dir)))
			copied(t, command, from, server.Bolt(dir))
			sound(t, server.Bolt(dir))
			return variant{name, dir, made}
		}
		copied(t, "convert", db, redb)
		variants := []variant{
			folderWith("compacted", "compact", db, nil), folderWith("back from redb", "convert", redb, nil),
		}
		for _, copy := range variants {
			if !slices.Equal(contents(t, server.Bolt(copy.dir)), lines) {
				t.Errorf("%s: not the same", copy.name)
			}
		}

		m := recoverOperator(t, redb, whose(v.facts)...)
		if m.Authorization.Storage != v.storage {
			t.Errorf("made %+v", m)
		}
		allVerify(t, redb, []string{m.Authorization.Token})
		if n := shows(t, redb, m.Authorization.Token); (n > 0) != (places(m.Authorization) > 0) {
			t.Errorf("kept %s, and the redb store shows the token %d times", m.Authorization.Storage, n)
		}
		recovered := folderWith("recovered on redb", "convert", redb, &m)
		onlyTokenAdded(t, lines, contents(t, server.Bolt(recovered.dir)), m)
		if n := shows(t, server.Bolt(recovered.dir), m.Authorization.Token); n != places(m.Authorization) {
			t.Errorf("kept %s, and the file shows the token %d times", m.Authorization.Storage, n)
		}
		starts += eachVariantServes(t, v, append(variants, recovered), seen)
	})
	t.Logf("%d stores, %d judgements, old tokens known and operators: %v", stores, starts, seen)
	if stores != 14 || starts != 3*36 || seen["200 200"] == 0 || seen["200 401"] == 0 || seen["401 401"] == 0 {
		t.Errorf("%d stores, %d judgements, %v", stores, starts, seen)
	}
}

// Every command answers on a conversion as on the original, except for path, engine, size, number of
// pages and unused parts.
func TestCommandsAnswerTheSameOnAConversion(t *testing.T) {
	t.Parallel()
	fixtures, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "real", "*.bolt*"))
	check(t, err)
	cases, emptied := 0, 0
	for _, fixture := range fixtures {
		name := strings.Split(filepath.Base(fixture), ".bolt")[0]
		t.Run(name, func(t *testing.T) {
			var facts server.Facts
			text, err := os.ReadFile(filepath.Join(filepath.Dir(fixture), name+".json"))
			check(t, err)
			check(t, json.Unmarshal(text, &facts))
			dir := t.TempDir()
			file := func(name string) string {
				check(t, os.Mkdir(filepath.Join(dir, name), 0o700))
				return filepath.Join(dir, name, "store")
			}
			db := file("source")
			check(t, os.Rename(plain(t, fixture), db))
			redb, back, small := file("redb"), file("back"), file("small")
			copied(t, "convert", db, redb)
			copied(t, "convert", redb, back)
			copied(t, "compact", db, small)

			type question struct {
				input string
				args  []string
			}
			questions := []question{
				{args: []string{"auth", "list", "--json"}}, {args: []string{"auth", "list", "--reveal", "--json"}},
				{args: []string{"auth", "list", "--v1", "--json"}}, {args: []string{"auth", "list", "--v1"}},
				{args: []string{"auth", "list", "--kind", "operator", "--json"}},
				{args: []string{"auth", "list", "--orphaned", "--json"}},
				{args: []string{"auth", "list", "--storage", "hashed", "--json"}},
				{args: []string{"auth", "list", "--can", "write:buckets/metrics", "--json"}},
				{args: []string{"auth", "list"}}, {args: []string{"user", "list"}}, {args: []string{"org", "list"}},
				{args: []string{"bucket", "list"}}, {args: []string{"user", "list", "--json"}},
				{args: []string{"org", "list", "--json"}}, {args: []string{"bucket", "list", "--json"}},
				{args: []string{"capture", "--out", "-"}}, {args: []string{"capture", "--out", "-", "--format", "csv"}},
				{args: []string{"capture", "--out", "-", "--format", "env"}},
				{args: []string{"auth", "show", "0000000000000001", "--json"}},
				{"never made", []string{"auth", "verify", "--token-file", "-", "--json"}},
			}
			for _, token := range facts.Tokens {
				questions = append(questions, question{args: []string{"auth", "show", token.ID, "--json"}},
					question{token.Token, []string{"auth", "verify", "--token-file", "-", "--org", "acme", "--can", "write:buckets/metrics", "--json"}})
			}
			for _, q := range questions {
				want := boltkey(t, q.input, append(q.args, "--db", db)...)
				if want.code != 0 && want.code != 3 && !slices.Contains(q.args, "show") {
					t.Errorf("%v: exit %d: %s", q.args, want.code, want.stderr)
				}
				for _, other := range []string{redb, back, small} {
					have := boltkey(t, q.input, append(q.args, "--db", other)...)
					have.stderr = strings.ReplaceAll(have.stderr, other, db)
					if have != want {
						t.Errorf("%s: %v:\n%+v\n%+v", other, q.args, have, want)
					}
					cases++
				}
			}

			// What is of the file.
			unused, findings := residues(t, db), stripped(t, db, "check")
			status := stripped(t, db, "status")
			for _, other := range []string{redb, back, small} {
				if now := stripped(t, other, "check"); !reflect.DeepEqual(now, findings) {
					t.Errorf("%s: check: %v, %v", other, now, findings)
				}
				if now := stripped(t, other, "status"); !reflect.DeepEqual(now, status) {
					t.Errorf("%s: status: %v, %v", other, now, status)
				}
				if n := residues(t, other); n != 0 {
					t.Errorf("%s: %d tokens in unused parts", other, n)
				}
				// What a live record shows, such as a telegraf configuration, is found in both.
				before, after := lastCopies(t, db), lastCopies(t, other)
				for id, token := range after {
					if before[id] != token {
						t.Errorf("%s: %s is recovered from the copy only", other, id)
					}
				}
				if len(after) > 1 {
					t.Errorf("%s: %d recovered", other, len(after))
				}
				left := copied(t, "compact", db, filepath.Join(t.TempDir(), "again")).RecoverableLeft
				if left != len(before)-len(after) {
					t.Errorf("%s: %d are said to be left, %d recovered before and %d after", other, left, len(before), len(after))
				}
				cases += 4
			}
			if unused > 0 {
				emptied++
			}
		})
	}
	t.Logf("cases: TestCommandsAnswerTheSameOnAConversion %d", cases)
	if len(fixtures) != 12 || cases < 2500 || emptied != 2 {
		t.Errorf("%d stores, %d with residues, %d cases", len(fixtures), emptied, cases)
	}
}

// residues counts the tokens in unused parts of a file.
func residues(t *testing.T, db string) int {
	t.Helper()
	var report struct{ Tokens int }
	answer(t, &report, []int{0, 3}, "", "residue", "scan", "--db", db)
	return report.Tokens
}

// stripped is the answer of `check` or `status` without what is of the file rather than of its
// contents.
func stripped(t *testing.T, db, command string) map[string]any {
	t.Helper()
	var report map[string]any
	answer(t, &report, []int{0, 3}, "", command, "--db", db)
	for _, of := range []string{"database", "pages", "residue", "previous"} {
		delete(report, of)
	}
	findings, ok := report["findings"].([]any)
	if !ok {
		t.Fatalf("%s: %v", command, report)
	}
	report["findings"] = slices.DeleteFunc(findings, func(finding any) bool {
		return strings.Contains(fmt.Sprint(finding), "metadata.last-copies")
	})
	return report
}

// While influxd runs, nothing is copied from its database: the copy would mix several states.
func TestARunningServersDatabaseIsNotCopied(t *testing.T) {
	dir, outputs := t.TempDir(), t.TempDir()
	db, out := server.Bolt(dir), filepath.Join(outputs, "out")
	s := start(t, server.V29, dir, noHashing)
	_, err := s.Setup("2.9.1", "")
	check(t, err)
	commands := [][]string{{"convert"}, {"compact"}, {"convert", "--engine", "bolt"}, {"compact", "--wait", "300ms"},
		{"compact", "--no-lock"}, {"convert", "--no-lock", "--yes"}, {"capture"}, {"residue", "recover"}}
	for _, command := range commands {
		before := picture(t, dir, db)
		result := boltkey(t, "", append(command, "--json", "--db", db, "--out", out)...)
		code, message := failure(t, result)
		if want := fmt.Sprintf("influxd29 (pid %d)", s.Pid()); result.code != 4 || code != "locked" ||
			result.stdout != "" || !strings.Contains(message, want) {
			t.Errorf("%v: exit %d, code %s: %s", command, result.code, code, message)
		}
		if after := picture(t, dir, db); after != before || folder(t, outputs) != "" {
			t.Fatalf("%v changed something: %s\n%s\n%s", command, folder(t, outputs), before, after)
		}
	}
	stop(t, s)
	before := picture(t, dir, db)
	for _, command := range commands {
		result := boltkey(t, "", append(command, "--json", "--db", db, "--out", out)...)
		_, err := os.Lstat(out)
		// There is nothing to recover, so no file for it is made.
		if result.code != 0 || (err != nil) != (command[0] == "residue") {
			t.Errorf("%v: exit %d: %s (%v)", command, result.code, result.stderr, err)
		}
		if err == nil {
			check(t, os.Remove(out))
		}
		if after := picture(t, dir, db); after != before {
			t.Fatalf("%v changed something:\n%s\n%s", command, before, after)
		}
	}
	// No lock is left over.
	stop(t, start(t, server.V29, dir, noHashing))
}
