package suite

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// restored is what `backup restore` answers.
type restored struct {
	Changed       bool
	Sqlite        string
	OperatorToken struct {
		ID      string
		Storage string
		Matches *bool
	}
	Authorization authorization
	Shards        struct{ InBackup, NotRestored, Bytes int }
	LostShards    []struct{ ID int }
	Kept          []string
}

// token is the one of this name.
func token(t *testing.T, facts *server.Facts, name string) string {
	t.Helper()
	for _, token := range facts.Tokens {
		if token.Name == name {
			return token.Token
		}
	}
	t.Fatalf("no token %q", name)
	return ""
}

// A backup by `influx backup` becomes the store of another server, which accepts every token and every
// login, and then the points.
func TestBackupsAreRestored(t *testing.T) {
	eachLivedStore(t, func(t *testing.T, l lived) {
		check(t, l.server.Must(l.facts.Operator(), "POST", "/api/v2/write?org=acme&bucket=metrics", "m,h=b v=2", nil))
		backup := filepath.Join(t.TempDir(), "backup")
		if text, ok := influx(t, l.server, l.facts.Operator(), []string{"backup"}, backup); !ok {
			t.Fatal(text)
		}
		stop(t, l.server)

		dir := t.TempDir()
		var r restored
		for _, wrong := range []string{"wrong", "", token(t, l.facts, "all access one"), token(t, l.facts, "switched off"), token(t, l.facts, "deleted again")} {
			r = restored{}
			answer(t, &r, []int{3}, wrong, "backup", "restore", backup, "--to", server.Bolt(dir), "--operator-token-file", "-")
			if r.Changed || r.OperatorToken.Matches == nil || *r.OperatorToken.Matches || folder(t, dir) != folder(t, t.TempDir()) {
				t.Errorf("%+v: %s", r, folder(t, dir))
			}
		}
		answer(t, &r, []int{0}, l.facts.Operator(), "backup", "restore", backup, "--to", server.Bolt(dir), "--operator-token-file", "-")
		if !r.Changed || r.OperatorToken.ID != l.facts.Tokens[0].ID || r.Shards.NotRestored < 2 || r.Shards.Bytes == 0 || r.Sqlite == "" {
			t.Errorf("%+v", r)
		}
		releases := []server.Release{l.release}
		if l.release != server.V29 {
			releases = append(releases, server.V29)
		}
		for _, release := range releases {
			s := start(t, release, dir, l.flags...)
			knowsAll(t, s, l.facts)
			if release == l.release {
				text, ok := influx(t, s, l.facts.Operator(), []string{"restore", "--org", "acme", "--bucket", "metrics", "--new-bucket", "old metrics " + string(release)}, backup)
				if !ok {
					t.Error(text)
				}
				status, csv, err := s.Query(l.facts.Operator(), l.facts.Orgs["acme"], `from(bucket: "old metrics `+string(release)+`") |> range(start: 0)`)
				check(t, err)
				if status != 200 || !strings.Contains(string(csv), ",m,b") {
					t.Errorf("%d %s", status, csv)
				}
			}
			stop(t, s)
		}

		// With a new operator token, into another place.
		dir = t.TempDir()
		answer(t, &r, []int{0}, "", "backup", "restore", backup, "--to", server.Bolt(dir), "--new-operator", "--user", "alice", "--org", "acme")
		s := start(t, l.release, dir, l.flags...)
		check(t, s.Must(r.Authorization.Token, "GET", "/api/v2/config", nil, nil))
		knowsAll(t, s, l.facts)
		// A server that runs keeps its files.
		before := picture(t, dir, server.Bolt(dir))
		result := boltkey(t, l.facts.Operator(), "backup", "restore", backup, "--to", server.Bolt(dir), "--force", "--yes", "--operator-token-file", "-")
		if result.code != 4 || !strings.Contains(result.stderr, "influxd") {
			t.Errorf("exit %d: %s", result.code, result.stderr)
		}
		if now := picture(t, dir, server.Bolt(dir)); now != before {
			t.Errorf("changed:\n%s\n%s", before, now)
		}
		stop(t, s)
	})
}

// An older store, restored beside newer shards, does not use their numbers again. If it is copied
// there by hand, it does, and one bucket shows the points of another.
func TestShardNumbersAreNotGivenOutTwice(t *testing.T) {
	dir := t.TempDir()
	s := start(t, server.V29, dir)
	facts, err := s.Setup("2.9.1", "")
	check(t, err)
	org := facts.Orgs["acme"]
	write := func(s *server.Server, bucket, line string) {
		t.Helper()
		check(t, s.Must(facts.Operator(), "POST", "/api/v2/write?org=acme&bucket="+bucket, line, nil))
	}
	make := func(s *server.Server, bucket string) {
		t.Helper()
		check(t, s.Must(facts.Operator(), "POST", "/api/v2/buckets", map[string]any{"name": bucket, "orgID": org}, nil))
	}
	write(s, "metrics", "alpha v=1")
	stop(t, s)
	backup := filepath.Join(t.TempDir(), "backup")
	if r := boltkey(t, "", "backup", "export", "--out", backup, "--db", server.Bolt(dir)); r.code != 0 {
		t.Fatal(r.stderr)
	}
	s = start(t, server.V29, dir)
	make(s, "later")
	write(s, "later", "beta v=2")
	stop(t, s)
	byHand := copyOf(t, dir)

	points := func(dir string) (fresh, metrics string) {
		t.Helper()
		s := start(t, server.V29, dir)
		make(s, "fresh")
		write(s, "fresh", "gamma v=3")
		for bucket, csv := range map[string]*string{"fresh": &fresh, "metrics": &metrics} {
			status, text, err := s.Query(facts.Operator(), org, `from(bucket: "`+bucket+`") |> range(start: 0)`)
			check(t, err)
			if status != 200 {
				t.Errorf("%s: %d %s", bucket, status, text)
			}
			*csv = string(text)
		}
		stop(t, s)
		return fresh, metrics
	}

	packed, err := filepath.Glob(filepath.Join(backup, "*.bolt.gz"))
	check(t, err)
	source, err := os.Open(packed[0])
	check(t, err)
	defer source.Close()
	unpacked, err := gzip.NewReader(source)
	check(t, err)
	content, err := io.ReadAll(unpacked)
	check(t, err)
	check(t, os.WriteFile(server.Bolt(byHand), content, 0o600))
	if fresh, _ := points(byHand); !strings.Contains(fresh, "beta") {
		t.Errorf("by hand nothing goes wrong, so this proves nothing: %s", fresh)
	}

	var r restored
	answer(t, &r, []int{0}, facts.Operator(), "backup", "restore", backup, "--to", server.Bolt(dir), "--force", "--yes", "--operator-token-file", "-")
	if len(r.LostShards) != 1 || len(r.Kept) != 2 {
		t.Errorf("%+v", r)
	}
	fresh, metrics := points(dir)
	if strings.Contains(fresh, "beta") || !strings.Contains(fresh, "gamma") {
		t.Errorf("the new bucket shows %s", fresh)
	}
	if strings.Contains(metrics, "gamma") || strings.Contains(metrics, "beta") || !strings.Contains(metrics, "alpha") {
		t.Errorf("the old bucket shows %s", metrics)
	}
}
