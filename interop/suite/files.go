package suite

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func sum(text []byte) [sha256.Size]byte { return sha256.Sum256(text) }

func inode(info os.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

// owner is what of a file must stay when its contents change.
func owner(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprint(stat.Ino, info.Mode(), stat.Uid, stat.Gid, stat.Nlink)
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	return info.Size()
}

// folder lists the names in a folder.
func folder(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}
