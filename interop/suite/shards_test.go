package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// points are what each bucket of a server shows: the measurements, sorted by the server.
func points(t *testing.T, s *server.Server, token, org string, buckets ...string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, bucket := range buckets {
		status, csv, err := s.Query(token, org, `from(bucket: "`+bucket+`") |> range(start: 0)`)
		check(t, err)
		if status != 200 {
			t.Errorf("%s: %d %s", bucket, status, csv)
		}
		var names []string
		for _, name := range []string{"alpha", "beta", "gamma", "delta", "epsilon", "zeta"} {
			if strings.Contains(string(csv), ","+name) {
				names = append(names, name)
			}
		}
		found[bucket] = strings.Join(names, " ")
	}
	return found
}

// unpackedStore puts the metadata store of an export at a path, as it is.
func unpackedStore(t *testing.T, backup, to string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(backup, "*.bolt"))
	check(t, err)
	content, err := os.ReadFile(paths[0])
	check(t, err)
	check(t, os.WriteFile(to, content, 0o600))
}

// An older backup is restored over a store that has gone on since: both know the buckets metrics
// and shared, later came after the backup. With --keep-shards the buckets that both know keep what
// they have now; without it they show what they showed then, and what came since is listed as
// lost. Either way every bucket of the server takes points afterwards and shows its own alone. Put
// there by hand, without the raised numbers, a bucket shows another's points.
func TestEveryBucketShowsItsOwnPoints(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, server.V29, dir)
	facts, err := s.Setup("2.9.1", "")
	check(t, err)
	token, org := facts.Operator(), facts.Orgs["acme"]
	make := func(s *server.Server, bucket string) {
		t.Helper()
		check(t, s.Must(token, "POST", "/api/v2/buckets", map[string]any{"name": bucket, "orgID": org}, nil))
	}
	write := func(s *server.Server, bucket, line string) {
		t.Helper()
		check(t, s.Must(token, "POST", "/api/v2/write?org=acme&bucket="+bucket, line, nil))
	}
	make(s, "shared")
	write(s, "metrics", "alpha v=1 1700000000000000000")
	stop(t, s)
	backup := filepath.Join(t.TempDir(), "backup")
	if r := boltkey(t, "", "backup", "export", "--compression", "none", "--out", backup, "--db", server.Bolt(dir)); r.code != 0 {
		t.Fatal(r.stderr)
	}
	s = start(t, server.V29, dir)
	make(s, "later")
	write(s, "later", "beta v=2 1700000000000000000")
	write(s, "shared", "gamma v=3 1700000000000000000")
	write(s, "metrics", "delta v=4 1720000000000000000")
	stop(t, s)
	taken := 0
	for _, numbers := range shardsIn(t, dir) {
		taken += len(numbers)
	}
	if taken != 4 {
		t.Fatalf("shards: %v", shardsIn(t, dir))
	}

	// Points are written into every bucket, one new among them, at times of old shards and at one
	// of none.
	goesOn := func(dir string) map[string]string {
		s := start(t, server.V29, dir)
		make(s, "fresh")
		for number, bucket := range []string{"fresh", "shared", "metrics"} {
			for _, time := range []string{"1700000000000000000", "1730000000000000000"} {
				write(s, bucket, fmt.Sprintf("epsilon v=%d %s", number, time))
			}
		}
		stop(t, s)
		// What is in memory only shows after a start.
		s = start(t, server.V29, dir)
		found := points(t, s, token, org, "metrics", "shared", "fresh")
		stop(t, s)
		return found
	}
	for _, way := range []struct {
		name string
		keep []string
		lost int
		want map[string]string
	}{
		{"kept", []string{"--keep-shards"}, 1, map[string]string{
			"metrics": "alpha delta epsilon", "shared": "gamma epsilon", "fresh": "epsilon",
		}},
		{"not kept", nil, 3, map[string]string{
			"metrics": "alpha epsilon", "shared": "epsilon", "fresh": "epsilon",
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			dir := copyOf(t, dir)
			before := shardsIn(t, dir)
			var r restored
			args := append([]string{"backup", "restore", backup, "--to", server.Bolt(dir), "--force", "--yes",
				"--operator-token-file", "-"}, way.keep...)
			answer(t, &r, []int{0}, token, args...)
			if len(r.LostShards) != way.lost {
				t.Errorf("lost: %+v", r.LostShards)
			}
			sound(t, server.Bolt(dir))
			for bucket, have := range goesOn(dir) {
				if have != way.want[bucket] {
					t.Errorf("%s shows %q, not %q", bucket, have, way.want[bucket])
				}
			}
			// No number lies there twice.
			lies := map[int]string{}
			for bucket, numbers := range shardsIn(t, dir) {
				for _, number := range numbers {
					if other, twice := lies[number]; twice {
						t.Errorf("shard %d lies under %s and %s", number, other, bucket)
					}
					lies[number] = bucket
				}
			}
			if len(lies) < taken+2 {
				t.Errorf("before %v, after %v", before, shardsIn(t, dir))
			}
		})
	}
	t.Run("by hand", func(t *testing.T) {
		dir := copyOf(t, dir)
		unpackedStore(t, backup, server.Bolt(dir))
		mixed := 0
		for bucket, have := range goesOn(dir) {
			if want := map[string]string{"metrics": "alpha epsilon", "shared": "epsilon", "fresh": "epsilon"}; have != want[bucket] {
				t.Logf("%s shows %q", bucket, have)
				mixed++
			}
		}
		if mixed == 0 {
			t.Error("by hand nothing goes wrong, so this proves nothing")
		}
	})
}
