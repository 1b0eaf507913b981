package suite

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// password is that of the first user in all setups, as the server package gives it too.
const password = "correct horse battery"

// setUp is what `setup` answers.
type setUp struct {
	made
	Database struct{ Path, Engine string }
	Shards   []struct {
		Shard  int
		Bucket string
	}
}

// setup makes a new store for alice, acme and metrics.
func setup(t *testing.T, db string, args ...string) setUp {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	check(t, os.WriteFile(file, []byte(password+"\n"), 0o600))
	args = append([]string{"setup", "--db", db, "--password-file", file,
		"--username", "alice", "--org", "acme", "--bucket", "metrics"}, args...)
	var s setUp
	answer(t, &s, []int{0}, "", args...)
	if s.Changed == nil || !*s.Changed || !s.Authorization.Usable || s.Authorization.Token == "" {
		t.Fatalf("setup: %+v", s)
	}
	return s
}

// signsIn asks a server for a session with a password.
func signsIn(t *testing.T, s *server.Server, user, password string) int {
	t.Helper()
	request, err := http.NewRequest("POST", s.URL+"/api/v2/signin", nil)
	check(t, err)
	request.SetBasicAuth(user, password)
	response, err := http.DefaultClient.Do(request)
	check(t, err)
	response.Body.Close()
	return response.StatusCode
}

// record is one key of a store, with its value.
type record struct{ bucket, key, value string }

// everything is all that a store holds, as Bolt reads it.
func everything(t *testing.T, file string) (buckets []string, records []record) {
	t.Helper()
	text, err := exec.Command(server.Binary("bbolt136"), "dump", "--values", file).Output()
	check(t, err)
	plain := func(digits string) string {
		bytes, err := hex.DecodeString(digits)
		check(t, err)
		return string(bytes)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		fields := strings.Split(line, " ")
		name := plain(strings.TrimPrefix(fields[1], "/"))
		if fields[0] == "bucket" {
			buckets = append(buckets, name+" "+fields[2])
		} else {
			value := plain(strings.TrimPrefix(fields[3], "="))
			records = append(records, record{name, plain(fields[2]), value})
		}
	}
	return buckets, records
}

var (
	aTime   = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)`)
	aHash   = regexp.MustCompile(`\$influxdb2-sha256\$[A-Za-z0-9_-]{43}=`)
	aBcrypt = regexp.MustCompile(`^\$2a\$10\$[./A-Za-z0-9]{53}$`)
	aToken  = regexp.MustCompile(`[A-Za-z0-9_-]{86}==`)
)

// masked is a store without what differs from one setup to the next: IDs, times, salts and the
// token. The value of meta.db begins with three numbers, of which the third is random.
func masked(t *testing.T, file string) []string {
	t.Helper()
	buckets, records := everything(t, file)
	ids := []string{}
	for _, r := range records {
		switch r.bucket {
		case "usersv1", "organizationsv1", "authorizationsv1":
			ids = append(ids, r.key, "<"+r.bucket+">")
		case "bucketindexv1":
			ids = append(ids, r.value, "<"+r.key[16:]+">")
		case "idsv1":
			ids = append(ids, r.value, "<instance>")
		}
	}
	if len(ids) != 2*7 {
		t.Fatalf("%s: %v", file, ids)
	}
	names := strings.NewReplacer(ids...)
	lines := buckets
	for _, r := range records {
		value := names.Replace(r.value)
		if r.bucket == "v1_tsm1_metadata" {
			end := 5
			for value[end]&0x80 != 0 {
				end++
			}
			value = value[:5] + "<random>" + value[end+1:]
		}
		value = aTime.ReplaceAllString(value, "<time>")
		value = aHash.ReplaceAllString(value, "<hash>")
		value = aBcrypt.ReplaceAllString(value, "<bcrypt>")
		value = aToken.ReplaceAllString(value, "<token>")
		key := aToken.ReplaceAllString(aHash.ReplaceAllString(names.Replace(r.key), "<hash>"), "<token>")
		lines = append(lines, fmt.Sprintf("%s %s = %q", r.bucket, key, value))
	}
	slices.Sort(lines)
	return lines
}

// `setup` writes what a server's own setup writes, except IDs, times, salts and the token: all buckets
// and all records, with hashed tokens and with plaintext ones, for 2.7 and 2.9. 2.8 writes what 2.9
// does, but does not hash unless told to.
func TestSetupWritesWhatInfluxdWrites(t *testing.T) {
	t.Parallel()
	records := 0
	for _, c := range []struct {
		name, kept string
		release    server.Release
		flags      []string
		ours       []string
	}{
		{"hashed", "hashed", server.V29, nil, []string{"--store", "hashed"}},
		{"plaintext", "plaintext", server.V29, []string{noHashing}, []string{"--store", "plaintext"}},
		{"2.9", "hashed", server.V29, nil, []string{"--release", "2.9"}},
		{"2.8", "plaintext", server.V29, []string{noHashing}, []string{"--release", "2.8"}},
		{"2.7", "plaintext", server.V27, nil, []string{"--release", "2.7"}},
	} {
		for _, retention := range []struct {
			ours    string
			seconds int
		}{{"0", 0}, {"72h", 259200}, {"90m", 5400}, {"30d", 2592000}, {"52w", 31449600}} {
			dir := t.TempDir()
			s := start(t, c.release, dir, c.flags...)
			request := map[string]any{
				"username": "alice", "password": password, "org": "acme", "bucket": "metrics",
				"retentionPeriodSeconds": retention.seconds,
			}
			check(t, s.Must("", "POST", "/api/v2/setup", request, nil))
			stop(t, s)
			want := masked(t, server.Bolt(dir))

			file := filepath.Join(t.TempDir(), "influxd.bolt")
			made := setup(t, file, append(c.ours, "--retention", retention.ours)...)
			if made.Database.Engine != "bolt" || made.Authorization.Storage != c.kept {
				t.Errorf("%+v", made)
			}
			sound(t, file)
			have := masked(t, file)
			records += len(have)
			for _, line := range want {
				if !slices.Contains(have, line) {
					t.Errorf("%s %s: only influxd writes %s", c.name, retention.ours, line)
				}
			}
			for _, line := range have {
				if !slices.Contains(want, line) {
					t.Errorf("%s %s: only boltkey writes %s", c.name, retention.ours, line)
				}
			}
			if len(have) != len(want) {
				t.Errorf("%d lines, not %d", len(have), len(want))
			}
		}
	}
	t.Logf("cases: TestSetupWritesWhatInfluxdWrites %d", records)
}

// A server starts on a new store with nothing to migrate and nothing to hash, and accepts the login,
// the token, a write and a query. It does so too on a store made with redb and converted.
func TestServersStartOnWhatSetupMade(t *testing.T) {
	t.Parallel()
	for _, made := range []struct {
		name, engine string
		judge        judge
		args         []string
		// What the log tells of.
		hashes, migrates bool
	}{
		{"hashed", "bolt", judgeHashing, []string{"--store", "hashed"}, false, false},
		{"by way of redb", "redb", judgeHashing, nil, false, false},
		{"plaintext", "bolt", judgePlain, []string{"--store", "plaintext"}, false, false},
		{"plaintext for a server that hashes", "bolt", judgeHashing, []string{"--store", "plaintext"}, true, false},
		{"for 2.8", "bolt", judgePlain, []string{"--release", "2.8"}, false, false},
		{"for 2.8 and upgraded", "bolt", judgeHashing, []string{"--release", "2.8"}, true, false},
		{"for 2.7", "bolt", judge27, []string{"--release", "2.7"}, false, false},
		{"for 2.7 by way of redb", "redb", judge27, []string{"--release", "2.7"}, false, false},
		{"for 2.7 and upgraded", "bolt", judgeHashing, []string{"--release", "2.7"}, true, true},
		{"for 2.7 and upgraded without hashing", "bolt", judgePlain, []string{"--release", "2.7"}, false, true},
	} {
		t.Run(made.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "store")
			if made.engine == "bolt" {
				file = server.Bolt(dir)
			}
			store := setup(t, file, append(made.args, "--engine", made.engine)...)
			if made.engine == "redb" {
				copied(t, "convert", file, server.Bolt(dir))
				check(t, os.Remove(file))
			}
			s := start(t, made.judge.release, dir, made.judge.flags...)
			for _, login := range []struct {
				password string
				status   int
			}{{password, 204}, {password + "x", 401}} {
				if status := signsIn(t, s, "alice", login.password); status != login.status {
					t.Errorf("sign in: %d, not %d", status, login.status)
				}
			}
			token, org := store.Authorization.Token, store.Authorization.OrgID
			status, text, err := s.Call(token, "GET", "/api/v2/config", nil)
			check(t, err)
			if status != 200 {
				t.Errorf("config: %d %s", status, text)
			}
			if can, err := s.CanWrite(token, "acme", "metrics"); err != nil || !can {
				t.Errorf("write: %v %v", can, err)
			}
			status, text, err = s.Query(token, org, `from(bucket: "metrics") |> range(start: -1h)`)
			check(t, err)
			if status != 200 || !strings.Contains(string(text), "probe") {
				t.Errorf("query: %d %s", status, text)
			}
			var allowed struct{ Allowed bool }
			check(t, s.Must("", "GET", "/api/v2/setup", nil, &allowed))
			if allowed.Allowed {
				t.Error("the server offers to be set up")
			}
			log := stop(t, s)
			if hashed := strings.Contains(log, "Migrating raw tokens"); hashed != made.hashes {
				t.Errorf("hashed: %v\n%s", hashed, log)
			}
			if migrated := strings.Contains(log, `service="KV migrations"`); migrated != made.migrates {
				t.Errorf("migrated: %v\n%s", migrated, log)
			}
			if strings.Contains(log, "Missing metadata") {
				t.Error(log)
			}
			sound(t, server.Bolt(dir))
		})
	}
	// That the log tells of migrations is seen on an older store.
	dir := t.TempDir()
	s := start(t, server.V27, dir)
	_, err := s.Setup("2.7.12", "")
	check(t, err)
	stop(t, s)
	if log := stop(t, start(t, server.V29, dir)); !strings.Contains(log, `service="KV migrations"`) {
		t.Errorf("an older store was not migrated:\n%s", log)
	}
}

// shardsIn are the numbers of the shards in a server's folder, by bucket.
func shardsIn(t *testing.T, dir string) map[string][]int {
	t.Helper()
	found := map[string][]int{}
	paths, err := filepath.Glob(filepath.Join(dir, "engine", "data", "*", "autogen", "*"))
	check(t, err)
	for _, path := range paths {
		number, err := strconv.Atoi(filepath.Base(path))
		check(t, err)
		bucket := filepath.Base(filepath.Dir(filepath.Dir(path)))
		found[bucket] = append(found[bucket], number)
	}
	return found
}

// Beside the points of an older store no shard number is used twice: the new store's bucket shows
// only its own points. A server's own setup uses number 1 again.
func TestSetupGivesNoShardNumberOutTwice(t *testing.T) {
	t.Parallel()
	old := t.TempDir()
	s := start(t, server.V29, old)
	facts, err := s.Setup("2.9.1", "")
	check(t, err)
	points := []string{"old v=1 1700000000000000000", "old v=2 1710000000000000000", "old v=3 1720000000000000000"}
	for _, point := range points {
		check(t, s.Must(facts.Operator(), "POST", "/api/v2/write?org=acme&bucket=metrics", point, nil))
	}
	stop(t, s)
	before := shardsIn(t, old)[facts.Buckets["metrics"]]
	if len(before) != len(points) {
		t.Fatalf("shards: %v", before)
	}
	check(t, os.Remove(server.Bolt(old)))
	check(t, os.Remove(filepath.Join(old, "influxd.sqlite")))

	for _, theirs := range []bool{true, false} {
		dir := copyOf(t, old)
		var token, org string
		if !theirs {
			store := setup(t, server.Bolt(dir))
			token, org = store.Authorization.Token, store.Authorization.OrgID
			if len(store.Shards) != len(points) || store.Shards[0].Bucket != facts.Buckets["metrics"] {
				t.Errorf("%+v", store.Shards)
			}
		}
		s := start(t, server.V29, dir)
		if theirs {
			facts, err := s.Setup("2.9.1", "")
			check(t, err)
			token, org = facts.Operator(), facts.Orgs["acme"]
		}
		check(t, s.Must(token, "POST", "/api/v2/buckets", map[string]any{"name": "second", "orgID": org}, nil))
		check(t, s.Must(token, "POST", "/api/v2/write?org=acme&bucket=metrics", "new v=4 1700000000000000000", nil))
		check(t, s.Must(token, "POST", "/api/v2/write?org=acme&bucket=second", "next v=5 1710000000000000000", nil))
		status, text, err := s.Query(token, org, `from(bucket: "metrics") |> range(start: 0)`)
		check(t, err)
		if status != 200 || !strings.Contains(string(text), "new") || strings.Contains(string(text), "next") || strings.Contains(string(text), "old") != theirs {
			t.Errorf("theirs %v: %d %s", theirs, status, text)
		}
		status, text, err = s.Query(token, org, `from(bucket: "second") |> range(start: 0)`)
		check(t, err)
		if status != 200 || !strings.Contains(string(text), "next") || strings.Contains(string(text), "new") || strings.Contains(string(text), "old") != theirs {
			t.Errorf("theirs %v, second: %d %s", theirs, status, text)
		}
		stop(t, s)
		// The point of theirs lies in the old bucket's folder.
		given := 0
		for bucket, numbers := range shardsIn(t, dir) {
			if bucket == facts.Buckets["metrics"] {
				continue
			}
			for _, number := range numbers {
				given++
				if number <= slices.Max(before) {
					t.Errorf("shard %d is given out twice", number)
				}
			}
		}
		if (given == 0) != theirs {
			t.Errorf("theirs %v: %v", theirs, shardsIn(t, dir))
		}
	}
}
