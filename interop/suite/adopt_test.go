package suite

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"boltkey/interop/suite/server"
)

// adoption is what `bucket adopt` answers.
type adoption struct {
	Changed *bool
	Adopted []struct {
		ID, Name, From, To        string
		Shards, Empty             []int
		ShardGroupDurationSeconds int
	}
	Extended []struct {
		ID, Name            string
		Shards, Overlapping []int
	}
	Skipped []struct{ ID, Reason string }
	Unread  []struct{ Path, Reason string }
}

func adopt(t *testing.T, dir string, args ...string) (a adoption) {
	t.Helper()
	args = append([]string{"bucket", "adopt", "--yes", "--db", server.Bolt(dir)}, args...)
	answer(t, &a, []int{0}, "", args...)
	return a
}

// An engine is a server's folder with points of every kind, and what is in it.
type engine struct {
	dir     string
	facts   *server.Facts
	buckets map[string]string // name to ID
	now     time.Time
}

const hour = time.Hour

func (e *engine) write(t *testing.T, s *server.Server, token, bucket string, lines ...string) {
	t.Helper()
	path := "/api/v2/write?org=acme&bucket=" + e.buckets[bucket]
	check(t, s.Must(token, "POST", path, strings.Join(lines, "\n"), nil))
}

// lines are one point of each type at a time.
func lines(measurement string, number int, at time.Time) []string {
	return []string{
		fmt.Sprintf("%s,host=a f=%d.25,i=%di,u=%du %d", measurement, number, number, number+7, at.UnixNano()),
		fmt.Sprintf("%s,host=b b=%v,s=\"text %d, #!~# = end\" %d", measurement, number%2 == 0, number, at.UnixNano()+1),
		fmt.Sprintf("%s\\ two,to\\,g=c\\=d f=%d %d", measurement, -number, at.UnixNano()+2),
	}
}

// files are those in a part of the engine folder with this end of the name.
func (e *engine) files(t *testing.T, part, bucket, end string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(e.dir, "engine", part, e.buckets[bucket], "autogen", "*", "*"+end))
	check(t, err)
	return slices.DeleteFunc(paths, func(path string) bool { return size(t, path) == 0 })
}

// forever keeps everything in shards of a week, month 30 days in shards of a day, day one day in
// shards of an hour. mixed had shards of an hour, then of a week.
var durations = map[string]int{"forever": 604800, "month": 86400, "day": 3600, "mixed": 604800}

// makeEngine runs a server until there are TSM files with tombstones, then one that leaves points in
// the write-ahead log only, with deletions. The end of one segment is torn.
func makeEngine(t *testing.T, release server.Release) *engine {
	t.Helper()
	e := &engine{dir: t.TempDir(), now: time.Now().UTC().Truncate(hour)}
	s := start(t, release, e.dir, "--storage-cache-snapshot-write-cold-duration=100ms")
	facts, err := s.Setup(string(release), "")
	check(t, err)
	e.facts = facts
	token, org := facts.Operator(), facts.Orgs["acme"]
	e.buckets = map[string]string{}
	for name, rule := range map[string]map[string]any{
		"forever": {"everySeconds": 0},
		"month":   {"everySeconds": 30 * 86400},
		"day":     {"everySeconds": 86400},
		"mixed":   {"everySeconds": 0, "shardGroupDurationSeconds": 3600},
	} {
		rule["type"] = "expire"
		var bucket struct{ ID string }
		check(t, s.Must(token, "POST", "/api/v2/buckets", map[string]any{
			"name": name, "orgID": org, "retentionRules": []any{rule},
		}, &bucket))
		e.buckets[name] = bucket.ID
	}
	// Writes by ID need the API of buckets only for names, so IDs serve as names here.
	for number := range 6 {
		e.write(t, s, token, "forever", lines("old", number, e.now.Add(-time.Duration(number)*300*hour))...)
		e.write(t, s, token, "month", lines("old", number, e.now.Add(-time.Duration(number)*50*hour))...)
		e.write(t, s, token, "day", lines("old", number, e.now.Add(-time.Duration(number)*2*hour+time.Minute))...)
		e.write(t, s, token, "mixed", lines("old", number, e.now.Add(-time.Duration(number)*hour-200*hour))...)
	}
	// The first times of influxd, and before 1970.
	e.write(t, s, token, "forever", lines("early", 1, time.Unix(-90000000, 0))...)
	e.write(t, s, token, "forever", fmt.Sprintf("least f=1 %d", -9223372036854775806), "greatest f=1 9223372036854775806")
	var task struct{ ID string }
	check(t, s.Must(token, "POST", "/api/v2/tasks", map[string]any{
		"orgID": org, "flux": "option task = {name: \"t\", every: 1s}\nfrom(bucket: \"forever\") |> range(start: -1h) |> limit(n: 1)",
	}, &task))
	for _, bucket := range slices.Sorted(maps.Keys(durations)) {
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			tsm, wal := e.files(t, "data", bucket, ".tsm"), e.files(t, "wal", bucket, ".wal")
			if len(tsm) >= 3 && len(wal) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d TSM files, %d segments", bucket, len(tsm), len(wal))
			}
		}
	}
	check(t, s.Must(token, "PATCH", "/api/v2/buckets/"+e.buckets["mixed"], map[string]any{
		"retentionRules": []any{map[string]any{"type": "expire", "everySeconds": 0, "shardGroupDurationSeconds": 604800}},
	}, nil))
	erase := func(bucket, predicate string, from, to time.Time) {
		check(t, s.Must(token, "POST", "/api/v2/delete?orgID="+org+"&bucketID="+e.buckets[bucket], map[string]any{
			"start": from.Format(time.RFC3339), "stop": to.Format(time.RFC3339), "predicate": predicate,
		}, nil))
	}
	for bucket, old := range map[string]struct {
		predicate string
		number    int
		apart     time.Duration
	}{"forever": {`host="a"`, 2, 300 * hour}, "month": {`_measurement="old"`, 1, 50 * hour}} {
		// influxd may have compacted one away before it is seen, so the next points are erased then.
		for number := old.number; len(e.files(t, "data", bucket, ".tombstone")) == 0; number++ {
			if number > old.number+2 {
				t.Fatal("no tombstones")
			}
			at := e.now.Add(-time.Duration(number) * old.apart)
			erase(bucket, old.predicate, at.Add(-10*hour), at.Add(10*hour))
		}
	}
	stop(t, s)

	s = start(t, release, e.dir, "--storage-cache-snapshot-write-cold-duration=24h")
	for number := 6; number < 10; number++ {
		// In shards that there are, and in others.
		e.write(t, s, token, "forever", lines("new", number, e.now.Add(-time.Duration(number)*200*hour))...)
		e.write(t, s, token, "month", lines("new", number, e.now.Add(-time.Duration(number)*60*hour))...)
		e.write(t, s, token, "day", lines("new", number, e.now.Add(-time.Duration(number)*2*hour+time.Minute))...)
		e.write(t, s, token, "mixed", lines("new", number, e.now.Add(-time.Duration(number-6)*hour))...)
	}
	erase("day", `host="b"`, e.now.Add(-15*hour), e.now.Add(-13*hour))
	// With a time of its own: the server's may be of the next day by now, in a shard without other points.
	e.write(t, s, token, "month", fmt.Sprintf("torn f=1 %d", e.now.UnixNano()), fmt.Sprintf("torn f=2 %d", e.now.UnixNano()+1))
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		tasks := 0
		for bucket := range shardsIn(t, e.dir) {
			if !slices.Contains(slices.Collect(maps.Values(e.buckets)), bucket) {
				tasks++
				e.buckets["_tasks"] = bucket
			}
		}
		if tasks == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the task does not run")
		}
	}
	check(t, s.Must(token, "DELETE", "/api/v2/tasks/"+task.ID, nil, nil))
	stop(t, s)
	tear(t, e)
	return e
}

// tear cuts the last bytes off the segment with the last write.
func tear(t *testing.T, e *engine) {
	t.Helper()
	torn := 0
	for _, path := range e.files(t, "wal", "month", ".wal") {
		content, err := os.ReadFile(path)
		check(t, err)
		if bytes.Contains(content, []byte("torn")) {
			check(t, os.Truncate(path, int64(len(content)-3)))
			torn++
		}
	}
	if torn != 1 {
		t.Fatalf("%d segments were torn", torn)
	}
}

// cutOff cuts off the torn end of a segment where the report says. Without that, influxd loses the
// next point.
func (e *engine) cutOff(t *testing.T, dir, path, reason string) {
	t.Helper()
	end, err := strconv.Atoi(strings.Fields(reason)[4][:len(strings.Fields(reason)[4])-1])
	check(t, err)
	if !strings.Contains(reason, fmt.Sprintf("truncate -s %d FILE", end)) || int64(end) >= size(t, path) {
		t.Errorf("%s of %d bytes: %s", path, size(t, path), reason)
	}
	check(t, os.Truncate(path, int64(end)))
}

// contents is what a server shows of these buckets: all points, and by series their number, sum, first
// and last.
func (e *engine) contents(t *testing.T, s *server.Server, token, org string, names ...string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, name := range names {
		all := `from(bucketID: "` + e.buckets[name] + `") |> range(start: 1677-09-21T00:12:43.145224194Z, stop: 2262-04-11T23:47:16.854775806Z)`
		numbers := ` |> filter(fn: (r) => r._field != "b" and r._field != "s")`
		for _, step := range []string{"", " |> count()", numbers + " |> sum()", " |> first()", " |> last()"} {
			status, csv, err := s.Query(token, org, all+step)
			check(t, err)
			if status != 200 || strings.Contains(string(csv), ",error,") {
				t.Fatalf("%s%s: %d %s", name, step, status, csv)
			}
			for _, line := range strings.Split(string(csv), "\r\n") {
				// Without the number of the table.
				if columns := strings.Split(line, ","); len(columns) > 3 {
					found[name] = append(found[name], step+":"+strings.Join(columns[3:], ","))
				}
			}
		}
		slices.Sort(found[name])
	}
	return found
}

// lost removes what boltkey must make again.
func lost(t *testing.T, dir string) {
	t.Helper()
	check(t, os.Remove(server.Bolt(dir)))
	check(t, os.Remove(filepath.Join(dir, "influxd.sqlite")))
}

// After the loss of influxd.bolt and influxd.sqlite, `setup` and `bucket adopt --all` give a server
// that shows the same points as before, takes new ones into old and new shards, and never mixes
// buckets.
func TestAdoptedBucketsShowTheirPoints(t *testing.T) {
	t.Parallel()
	points := 0
	for _, release := range []server.Release{server.V29, server.V27} {
		t.Run(string(release), func(t *testing.T) {
			e := makeEngine(t, release)
			old := e.facts
			names := slices.Sorted(maps.Keys(durations))
			before := copyOf(t, e.dir)
			s := start(t, release, before)
			want := e.contents(t, s, old.Operator(), old.Orgs["acme"], names...)
			// The server loses what it writes behind a torn end.
			e.write(t, s, old.Operator(), "month", fmt.Sprintf("behind f=1 %d", e.now.UnixNano()))
			stop(t, s)
			s = start(t, release, before)
			if after := e.contents(t, s, old.Operator(), old.Orgs["acme"], "month"); !slices.Equal(after["month"], want["month"]) {
				t.Error("nothing was lost, so cutting off proves nothing")
			}
			stop(t, s)
			for _, name := range names {
				if len(want[name]) < 20 || strings.Contains(strings.Join(want[name], ""), "torn") {
					t.Fatalf("%s: %v", name, want[name])
				}
				points += len(want[name])
			}

			dir := copyOf(t, e.dir)
			lost(t, dir)
			shards := shardsIn(t, dir)
			made := setup(t, server.Bolt(dir), "--store", "plaintext")
			number := 0
			for _, placed := range made.Shards {
				if !slices.Contains(shards[placed.Bucket], placed.Shard) {
					t.Errorf("%+v", placed)
				}
				number++
			}
			for _, numbers := range shards {
				number -= len(numbers)
			}
			if number != 0 {
				t.Errorf("setup: %+v, not %v", made.Shards, shards)
			}
			adopted := adopt(t, dir, "--all", "--name", e.buckets["day"]+"=my day")
			if !*adopted.Changed || len(adopted.Adopted) != len(names) {
				t.Fatalf("%+v", adopted)
			}
			for _, bucket := range adopted.Adopted {
				for name, id := range e.buckets {
					if id != bucket.ID {
						continue
					}
					wanted := "recovered-" + id
					if name == "day" {
						wanted = "my day"
					}
					if bucket.Name != wanted || bucket.ShardGroupDurationSeconds != durations[name] || len(bucket.Empty) > 0 {
						t.Errorf("%s: %+v", name, bucket)
					}
					slices.Sort(bucket.Shards)
					slices.Sort(shards[id])
					if !slices.Equal(bucket.Shards, shards[id]) {
						t.Errorf("%s: %v, not %v", name, bucket.Shards, shards[id])
					}
				}
			}
			if len(adopted.Skipped) != 1 || adopted.Skipped[0].ID != e.buckets["_tasks"] || !strings.Contains(adopted.Skipped[0].Reason, "_tasks") {
				t.Errorf("skipped: %+v", adopted.Skipped)
			}
			if len(adopted.Unread) != 1 || !strings.Contains(adopted.Unread[0].Path, e.buckets["month"]) {
				t.Errorf("unread: %+v", adopted.Unread)
			}
			e.cutOff(t, dir, adopted.Unread[0].Path, adopted.Unread[0].Reason)
			if again := adopt(t, dir, "--all"); *again.Changed || len(again.Adopted) != 0 {
				t.Errorf("again: %+v", again)
			}
			if tasks := adopt(t, dir, e.buckets["_tasks"], "--name", e.buckets["_tasks"]+"=old tasks"); len(tasks.Adopted) != 1 {
				t.Errorf("tasks: %+v", tasks)
			}
			sound(t, server.Bolt(dir))
			if r := boltkey(t, "", "check", "--db", server.Bolt(dir)); r.code != 0 {
				t.Errorf("check: %s%s", r.stdout, r.stderr)
			}
			token, org := made.Authorization.Token, made.Authorization.OrgID
			if release == server.V27 {
				if r := boltkey(t, "", "downgrade", "apply", "--to", "2.7", "--yes", "--db", server.Bolt(dir)); r.code != 0 {
					t.Fatal(r.stdout, r.stderr)
				}
			}

			s = start(t, release, dir)
			same := func(when string) {
				t.Helper()
				have := e.contents(t, s, token, org, names...)
				for _, name := range names {
					if !slices.Equal(have[name], want[name]) {
						t.Errorf("%s, %s:\n%s\nnot\n%s", when, name, strings.Join(have[name], "\n"), strings.Join(want[name], "\n"))
					}
				}
			}
			same("after the adoption")
			status, csv, err := s.Query(token, org, `from(bucket: "old tasks") |> range(start: -1d) |> filter(fn: (r) => r._field == "runID")`)
			check(t, err)
			if status != 200 || !strings.Contains(string(csv), "success") {
				t.Errorf("old tasks: %d %s", status, csv)
			}
			// New points: at the time of old ones, and where there is no shard.
			fresh := []time.Time{e.now.Add(-12*hour + time.Second), e.now.Add(-100*hour + time.Second), e.now.Add(-150 * 24 * hour), e.now.Add(30 * 24 * hour), time.Unix(-90000000, 99)}
			e.buckets["metrics"] = "metrics"
			every := append([]string{"metrics"}, names...)
			for number, name := range every {
				for _, at := range fresh {
					e.write(t, s, token, name, fmt.Sprintf("fresh,bucket=%s v=%d %d", name, number, at.UnixNano()))
				}
			}
			stop(t, s)
			s = start(t, release, dir)
			for _, name := range every {
				id := fmt.Sprintf(`bucketID: %q`, e.buckets[name])
				if name == "metrics" {
					id = `bucket: "metrics"`
				}
				status, csv, err := s.Query(token, org, `from(`+id+`) |> range(start: 1960-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == "fresh")`)
				check(t, err)
				rows := strings.Count(string(csv), ",fresh,")
				if status != 200 || rows != len(fresh) || strings.Count(string(csv), ","+name+"\r\n") != rows {
					t.Errorf("%s: %d %s", name, status, csv)
				}
			}
			for _, name := range names {
				check(t, s.Must(token, "POST", "/api/v2/delete?orgID="+org+"&bucketID="+e.buckets[name], map[string]any{
					"start": "1960-01-01T00:00:00Z", "stop": "2100-01-01T00:00:00Z", "predicate": `_measurement="fresh"`,
				}, nil))
			}
			same("after new points")
			if log := stop(t, s); strings.Contains(log, "Missing metadata") {
				t.Error(log)
			}
			lies := map[int]string{}
			for bucket, numbers := range shardsIn(t, dir) {
				for _, number := range numbers {
					if other, twice := lies[number]; twice {
						t.Errorf("shard %d lies under %s and %s", number, other, bucket)
					}
					lies[number] = bucket
				}
			}
			sound(t, server.Bolt(dir))
		})
	}
	t.Logf("cases: TestAdoptedBucketsShowTheirPoints %d", points)
}

// What the report says about a folder that influxd would not serve is true, and so is what it says
// that helps: another number for a shard whose number is taken, a folder for a shard that has only a
// write-ahead log. A retention policy may have any name.
func TestAdviceOfAdoptionHelps(t *testing.T) {
	t.Parallel()
	e := &engine{dir: t.TempDir(), buckets: map[string]string{}}
	s := start(t, server.V29, e.dir)
	facts, err := s.Setup("2.9.1", "")
	check(t, err)
	for number, name := range []string{"alpha", "beta"} {
		var bucket struct{ ID string }
		check(t, s.Must(facts.Operator(), "POST", "/api/v2/buckets", map[string]any{"name": name, "orgID": facts.Orgs["acme"]}, &bucket))
		e.buckets[name] = bucket.ID
		e.write(t, s, facts.Operator(), name, name+" v=1 1700000000000000000", name+" v=2 1710000000000000000")
		if have := len(shardsIn(t, e.dir)[bucket.ID]); have != 2 {
			t.Fatalf("%d: %d shards", number, have)
		}
	}
	stop(t, s)
	lost(t, e.dir)
	alpha, beta := shardsIn(t, e.dir)[e.buckets["alpha"]], shardsIn(t, e.dir)[e.buckets["beta"]]
	// move renames a shard or a policy of beta in data and wal.
	move := func(dir, bucket, from, to string) {
		for _, part := range []string{"data", "wal"} {
			folder := filepath.Join(dir, "engine", part, e.buckets[bucket])
			check(t, os.Rename(filepath.Join(folder, from), filepath.Join(folder, to)))
		}
	}
	shows := func(dir string, made setUp, want map[string]int) {
		t.Helper()
		s := start(t, server.V29, dir)
		for name, number := range want {
			status, csv, err := s.Query(made.Authorization.Token, made.Authorization.OrgID, `from(bucketID: "`+e.buckets[name]+`") |> range(start: 0)`)
			check(t, err)
			if have := strings.Count(string(csv), ","+name+"\r\n"); status != 200 || have != number || strings.Count(string(csv), ",v,") != number {
				t.Errorf("%s: %d, not %d: %d %s", name, have, number, status, csv)
			}
		}
		stop(t, s)
	}

	t.Run("a number is taken", func(t *testing.T) {
		dir := copyOf(t, e.dir)
		move(dir, "beta", fmt.Sprintf("autogen/%d", beta[0]), fmt.Sprintf("autogen/%d", alpha[0]))
		made := setup(t, server.Bolt(dir))
		adopted := adopt(t, dir, "--all")
		if len(adopted.Adopted) != 0 || len(adopted.Skipped) != 2 {
			t.Fatalf("%+v", adopted)
		}
		_, after, _ := strings.Cut(adopted.Skipped[0].Reason, "rename its folders in data and wal to ")
		free, _, _ := strings.Cut(after, ",")
		move(dir, "beta", fmt.Sprintf("autogen/%d", alpha[0]), "autogen/"+free)
		if adopted := adopt(t, dir, "--all"); len(adopted.Adopted) != 2 || len(adopted.Skipped) != 0 {
			t.Fatalf("%+v", adopted)
		}
		shows(dir, made, map[string]int{"alpha": 2, "beta": 2})
	})
	t.Run("only a write-ahead log", func(t *testing.T) {
		dir := copyOf(t, e.dir)
		check(t, os.RemoveAll(filepath.Join(dir, "engine", "data", e.buckets["alpha"], "autogen", fmt.Sprint(alpha[1]))))
		made := setup(t, server.Bolt(dir))
		adopted := adopt(t, dir, "--all")
		if len(adopted.Adopted) != 2 || len(adopted.Unread) != 1 || !strings.Contains(adopted.Unread[0].Reason, "make this empty folder") {
			t.Fatalf("%+v", adopted)
		}
		helped := copyOf(t, dir)
		shows(dir, made, map[string]int{"alpha": 1, "beta": 2})
		relative, err := filepath.Rel(dir, adopted.Unread[0].Path)
		check(t, err)
		check(t, os.Mkdir(filepath.Join(helped, relative), 0o700))
		shows(helped, made, map[string]int{"alpha": 2, "beta": 2})
	})
	t.Run("another policy", func(t *testing.T) {
		dir := copyOf(t, e.dir)
		move(dir, "beta", "autogen", "old")
		made := setup(t, server.Bolt(dir))
		if adopted := adopt(t, dir, "--all"); len(adopted.Adopted) != 2 {
			t.Fatalf("%+v", adopted)
		}
		shows(dir, made, map[string]int{"alpha": 2, "beta": 2})
	})
	t.Run("by way of redb", func(t *testing.T) {
		dir := copyOf(t, e.dir)
		store := filepath.Join(t.TempDir(), "store.redb")
		made := setup(t, store, "--engine-path", filepath.Join(dir, "engine"))
		var adopted adoption
		answer(t, &adopted, []int{0}, "", "bucket", "adopt", "--all", "--yes", "--db", store, "--engine-path", filepath.Join(dir, "engine"))
		if made.Database.Engine != "redb" || len(made.Shards) != 4 || len(adopted.Adopted) != 2 {
			t.Fatalf("%+v %+v", made, adopted)
		}
		copied(t, "convert", store, server.Bolt(dir))
		shows(dir, made, map[string]int{"alpha": 2, "beta": 2})
	})
	t.Run("a store in use", func(t *testing.T) {
		dir := copyOf(t, e.dir)
		s := start(t, server.V29, dir)
		facts, err := s.Setup("2.9.1", "")
		check(t, err)
		check(t, s.Must(facts.Operator(), "POST", "/api/v2/write?org=acme&bucket=metrics", "alpha v=3 1700000000000000001", nil))
		stop(t, s)
		adopted := adopt(t, dir, "--all")
		if len(adopted.Adopted) != 1 || len(adopted.Skipped) != 1 || !strings.Contains(adopted.Skipped[0].Reason, "in the store, shard 1 belongs to bucket "+facts.Buckets["metrics"]) {
			t.Fatalf("%+v", adopted)
		}
		_, after, _ := strings.Cut(adopted.Skipped[0].Reason, "rename its folders in data and wal to ")
		free, _, _ := strings.Cut(after, ",")
		move(dir, "alpha", "autogen/1", "autogen/"+free)
		if adopted := adopt(t, dir, "--all"); len(adopted.Adopted) != 1 || len(adopted.Skipped) != 0 {
			t.Fatalf("%+v", adopted)
		}
		var made setUp
		made.Authorization.Token, made.Authorization.OrgID = facts.Operator(), facts.Orgs["acme"]
		// The new point is in the old folder.
		shows(dir, made, map[string]int{"alpha": 3, "beta": 2})
	})
}

// A store that is older than its engine folder lacks the shards that were made since. `bucket adopt`
// adds them to the buckets that the store has: the server shows all points, those of a group that has
// the same time too, and takes new ones.
func TestAdoptedShardsOfAnOlderStore(t *testing.T) {
	t.Parallel()
	for _, release := range []server.Release{server.V27, server.V29} {
		t.Run(string(release), func(t *testing.T) {
			e := &engine{dir: t.TempDir(), buckets: map[string]string{}, now: time.Now().UTC().Truncate(hour)}
			s := start(t, release, e.dir)
			facts, err := s.Setup(string(release), "")
			check(t, err)
			e.facts = facts
			token, org := facts.Operator(), facts.Orgs["acme"]
			for name, seconds := range map[string]int{"forever": 0, "month": 30 * 86400} {
				var bucket struct{ ID string }
				check(t, s.Must(token, "POST", "/api/v2/buckets", map[string]any{
					"name": name, "orgID": org, "retentionRules": []any{map[string]any{"type": "expire", "everySeconds": seconds}},
				}, &bucket))
				e.buckets[name] = bucket.ID
			}
			names := []string{"forever", "month"}
			write := func(s *server.Server, from, to int) {
				for number := from; number < to; number++ {
					e.write(t, s, token, "forever", lines("old", number, e.now.Add(-time.Duration(number)*200*hour))...)
					e.write(t, s, token, "month", lines("old", number, e.now.Add(-time.Duration(number)*50*hour))...)
				}
			}
			write(s, 3, 6)
			stop(t, s)
			older := copyOf(t, e.dir)
			s = start(t, release, e.dir)
			write(s, 0, 3)
			write(s, 6, 9)
			want := e.contents(t, s, token, org, names...)
			stop(t, s)

			put := func(t *testing.T, change func([]byte) []byte) string {
				dir := copyOf(t, e.dir)
				value := change(timeSeries(t, server.Bolt(older)))
				text, err := os.ReadFile(server.Bolt(older))
				check(t, err)
				check(t, os.WriteFile(server.Bolt(dir), text, 0o600))
				changeStore(t, server.Bolt(dir), value)
				return dir
			}
			extend := func(t *testing.T, dir string, overlapping int) {
				adopted := adopt(t, dir, "--all")
				found := 0
				for _, bucket := range adopted.Extended {
					found += len(bucket.Overlapping)
				}
				if len(adopted.Adopted) != 0 || len(adopted.Extended) != 2 || found != overlapping {
					t.Fatalf("%+v", adopted)
				}
				if again := adopt(t, dir, "--all"); *again.Changed || len(again.Extended)+len(again.Skipped) != 0 {
					t.Errorf("again: %+v", again)
				}
				sound(t, server.Bolt(dir))
				for _, f := range findings(t, server.Bolt(dir)) {
					if f.Severity == "error" || f.Code == "metadata.engine-foreign" {
						t.Errorf("%+v", f)
					}
				}
			}
			t.Run("an older store", func(t *testing.T) {
				dir := put(t, func(value []byte) []byte { return value })
				s := start(t, release, copyOf(t, dir))
				if have := e.contents(t, s, token, org, names...); slices.Equal(have["forever"], want["forever"]) {
					t.Fatal("nothing is missing, so adding shards proves nothing")
				}
				stop(t, s)
				extend(t, dir, 0)
				e.shows(t, release, dir, want)
			})
			t.Run("metadata without shards", func(t *testing.T) {
				// As `salvage` makes them if they are lost.
				dir := put(t, func(value []byte) []byte {
					text, err := os.ReadFile(server.Bolt(older))
					check(t, err)
					copied := filepath.Join(t.TempDir(), "influxd.bolt")
					check(t, os.WriteFile(copied, text, 0o600))
					change(t, copied, []edit{{Do: "delete", Bucket: "v1_tsm1_metadata", From: "meta.db"}})
					none := t.TempDir()
					if r := boltkey(t, "", "repair", "--yes", "--db", copied, "--engine-path", none); r.code != 3 && r.code != 0 {
						t.Fatal(r)
					}
					return timeSeries(t, copied)
				})
				extend(t, dir, 0)
				e.shows(t, release, dir, want)
			})
			t.Run("points of the same time were written since", func(t *testing.T) {
				dir := put(t, func(value []byte) []byte { return raised(value, 100) })
				s := start(t, release, dir)
				at := e.now.Add(-time.Minute)
				for _, name := range names {
					e.write(t, s, token, name, fmt.Sprintf("since v=1 %d", at.UnixNano()))
				}
				stop(t, s)
				extend(t, dir, 2)
				s = start(t, release, dir)
				have := e.contents(t, s, token, org, names...)
				for _, name := range names {
					isHeader := func(line string) bool { return strings.Contains(line, "_value,_field,_measurement") }
					since := 0
					rest := slices.DeleteFunc(have[name], func(line string) bool {
						isNew := strings.HasSuffix(line, ",since")
						if isNew {
							since++
						}
						return isNew || isHeader(line)
					})
					old := slices.DeleteFunc(slices.Clone(want[name]), isHeader)
					if since != 5 || !slices.Equal(rest, old) {
						t.Errorf("%s: %d new lines\n%s\nnot\n%s", name, since, strings.Join(rest, "\n"), strings.Join(old, "\n"))
					}
				}
				stop(t, s)
			})
		})
	}
}

// changeStore replaces the time-series metadata of a store.
func changeStore(t *testing.T, db string, value []byte) {
	t.Helper()
	change(t, db, []edit{{Do: "put", Bucket: "v1_tsm1_metadata", Key: "meta.db", Bytes: value}})
}
