package suite

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"boltkey/interop/suite/server"
)

// timeSeries is the value of v1_tsm1_metadata/meta.db.
func timeSeries(t *testing.T, db string) []byte {
	t.Helper()
	text, err := exec.Command(server.Binary("bbolt136"), "dump", "--values", db).Output()
	check(t, err)
	prefix := "key /" + encoded("v1_tsm1_metadata") + " " + encoded("meta.db") + " ="
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return decoded(t, rest)
		}
	}
	t.Fatal("no time-series metadata")
	return nil
}

// withoutDatabases leaves the databases of these buckets out: the fifth field of the message.
func withoutDatabases(t *testing.T, value []byte, buckets ...string) (rest []byte) {
	t.Helper()
	removed := 0
	for at := 0; at < len(value); {
		key, size := binary.Uvarint(value[at:])
		end := at + size
		number, size := binary.Uvarint(value[end:])
		end += size
		if key&7 == 2 {
			end += int(number)
		}
		field := value[at:end]
		named := slices.ContainsFunc(buckets, func(id string) bool { return strings.Contains(string(field), id) })
		if key>>3 == 5 && named {
			removed++
		} else {
			rest = append(rest, field...)
		}
		at = end
	}
	if removed != len(buckets) {
		t.Fatalf("%d of %d databases", removed, len(buckets))
	}
	return rest
}

// raised gives the highest numbers of groups and shards, the eighth and the ninth field.
func raised(value []byte, number uint64) (rest []byte) {
	for at := 0; at < len(value); {
		key, size := binary.Uvarint(value[at:])
		end := at + size
		length, size := binary.Uvarint(value[end:])
		end += size
		if key&7 == 2 {
			end += int(length)
		}
		if key>>3 == 8 || key>>3 == 9 {
			rest = binary.AppendUvarint(append(rest, byte(key)), number)
		} else {
			rest = append(rest, value[at:end]...)
		}
		at = end
	}
	return rest
}

// After the loss of the time-series metadata of some or all buckets, `repair` makes them again from
// the engine folder. The server that did not start then starts, and shows the same points as before;
// it takes new ones into old and new shards, and no bucket gets the shard of another.
func TestRepairedTimeSeriesShowTheirPoints(t *testing.T) {
	t.Parallel()
	points := 0
	for _, release := range []server.Release{server.V27, server.V29} {
		t.Run(string(release), func(t *testing.T) {
			e := makeEngine(t, release)
			names := slices.Sorted(maps.Keys(durations))
			token, org := e.facts.Operator(), e.facts.Orgs["acme"]
			s := start(t, release, copyOf(t, e.dir))
			want := e.contents(t, s, token, org, names...)
			stop(t, s)
			for _, name := range names {
				if len(want[name]) < 20 {
					t.Fatalf("%s: %v", name, want[name])
				}
				points += len(want[name])
			}
			value := timeSeries(t, server.Bolt(e.dir))
			put := func(value []byte) func(*testing.T, string) {
				return func(t *testing.T, dir string) {
					change(t, server.Bolt(dir), []edit{{Do: "put", Bucket: "v1_tsm1_metadata", Key: "meta.db", Bytes: value}})
				}
			}
			gone := func(t *testing.T, dir string) {
				change(t, server.Bolt(dir), []edit{{Do: "delete", Bucket: "v1_tsm1_metadata", From: "meta.db"}})
			}
			for _, c := range []struct {
				name, code string
				lose       func(*testing.T, string)
			}{
				{"two databases", "metadata.tsm-absent", put(withoutDatabases(t, value, e.buckets["forever"], e.buckets["month"]))},
				{"all of it", "metadata.tsm-absent", gone},
				{"all of it, and influxd wrote a new one", "metadata.tsm-absent", func(t *testing.T, dir string) {
					gone(t, dir)
					if s, err := server.Start(release, dir); err == nil {
						stop(t, s)
						t.Fatal("influxd starts")
					}
					if len(timeSeries(t, server.Bolt(dir))) > 30 {
						t.Error("influxd wrote no new value")
					}
				}},
				{"a damaged value", "metadata.tsm-undecodable", put(value[:len(value)/2])},
			} {
				t.Run(c.name, func(t *testing.T) {
					dir := copyOf(t, e.dir)
					c.lose(t, dir)
					if s, err := server.Start(release, copyOf(t, dir)); err == nil {
						stop(t, s)
						t.Fatal("influxd starts, so a repair proves nothing")
					}
					var report struct {
						repairReport
						Unread []struct{ Path, Reason string }
					}
					answer(t, &report, []int{0, 3}, "", "repair", "--yes", "--db", server.Bolt(dir))
					if !report.has(c.code) || len(report.Unread) != 1 {
						t.Fatalf("%+v", report)
					}
					e.cutOff(t, dir, report.Unread[0].Path, report.Unread[0].Reason)
					if again := repaired(t, server.Bolt(dir)); again.Changed {
						t.Errorf("%+v", again)
					}
					sound(t, server.Bolt(dir))
					for _, f := range findings(t, server.Bolt(dir)) {
						if f.Severity == "error" {
							t.Errorf("%+v", f)
						}
					}
					releases := []server.Release{release}
					if release == server.V27 {
						releases = append(releases, server.V29)
					}
					for _, release := range releases {
						e.shows(t, release, copyOf(t, dir), want)
					}
				})
			}
		})
	}
	t.Logf("cases: TestRepairedTimeSeriesShowTheirPoints %d", points)
}

// shows starts a server on a folder. It must show these contents, take new points in old and new
// shards, and never mix buckets.
func (e *engine) shows(t *testing.T, release server.Release, dir string, want map[string][]string) {
	t.Helper()
	names := slices.Sorted(maps.Keys(want))
	token, org := e.facts.Operator(), e.facts.Orgs["acme"]
	s := start(t, release, dir)
	same := func(when string) {
		t.Helper()
		have := e.contents(t, s, token, org, names...)
		for _, name := range names {
			if !slices.Equal(have[name], want[name]) {
				t.Errorf("%s, %s, %s:\n%s\nnot\n%s", release, when, name, strings.Join(have[name], "\n"), strings.Join(want[name], "\n"))
			}
		}
	}
	same("after the repair")
	// Beside old points, and where there is no shard.
	fresh := []time.Time{e.now.Add(-12*hour + time.Second), e.now.Add(3 * hour), e.now.Add(30 * 24 * hour)}
	for number, name := range names {
		for _, at := range fresh {
			e.write(t, s, token, name, fmt.Sprintf("fresh,bucket=%s v=%d %d", name, number, at.UnixNano()))
		}
	}
	stop(t, s)
	s = start(t, release, dir)
	for _, name := range names {
		status, csv, err := s.Query(token, org, fmt.Sprintf(`from(bucketID: %q) |> range(start: 1960-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == "fresh")`, e.buckets[name]))
		check(t, err)
		rows := strings.Count(string(csv), ",fresh,")
		if status != 200 || rows != len(fresh) || strings.Count(string(csv), ","+name+"\r\n") != rows {
			t.Errorf("%s: %d %s", name, status, csv)
		}
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
}
