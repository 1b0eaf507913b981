package suite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// located is what `locate` tells of a store.
type located struct {
	Path, Engine, Owner, Modified string
	SizeBytes                     int64
	Users, Tokens                 *int
	WouldOpen                     bool
	InUseBy                       *struct {
		Pid     int
		Program string
	}
}

// locate tells what boltkey finds of a file.
func locate(t *testing.T, file string, args ...string) *located {
	t.Helper()
	var list struct{ Stores []located }
	answer(t, &list, []int{0}, "", append([]string{"locate"}, args...)...)
	for _, store := range list.Stores {
		if store.Path == file {
			return &store
		}
	}
	return nil
}

// The store of a running server is found by its process, at any path, and shown as in use. The store
// of a stopped server is read. Neither changes a byte.
func TestLocateFindsWhatServersUse(t *testing.T) {
	t.Parallel()
	for _, release := range []server.Release{server.V27, server.V29} {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		check(t, err)
		file := server.Bolt(dir)
		s := start(t, release, dir)
		if _, err := s.Setup(string(release), ""); err != nil {
			t.Fatal(err)
		}
		store := locate(t, file)
		if store == nil {
			t.Fatalf("%s: not found", release)
		}
		if store.InUseBy == nil || store.InUseBy.Pid != s.Pid() || !strings.HasPrefix(store.InUseBy.Program, "influxd") {
			t.Errorf("%s: in use by %+v, not %d", release, store.InUseBy, s.Pid())
		}
		if store.Engine != "bolt" || store.Users != nil || store.Tokens != nil || store.SizeBytes != size(t, file) {
			t.Errorf("%s: %+v", release, store)
		}
		// So it is when the file was renamed under the server.
		if release == server.V27 {
			check(t, os.Rename(file, file+".moved"))
			if locate(t, file+".moved") == nil {
				t.Error("renamed: not found")
			}
			check(t, os.Rename(file+".moved", file))
		}
		stop(t, s)
		if locate(t, file) != nil {
			t.Errorf("%s: still found", release)
		}
		before := owner(t, file)
		content, err := os.ReadFile(file)
		check(t, err)
		store = locate(t, file, "--db", file)
		if store == nil || store.InUseBy != nil || store.Users == nil || *store.Users != 1 || *store.Tokens != 1 {
			t.Fatalf("%s: %+v", release, store)
		}
		after, err := os.ReadFile(file)
		check(t, err)
		if string(after) != string(content) || owner(t, file) != before {
			t.Errorf("%s: changed", release)
		}
	}
}
