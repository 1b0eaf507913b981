package suite

import (
	"crypto/sha256"
	"os"
	"strings"
	"syscall"
	"testing"
)

func sum(text []byte) [sha256.Size]byte { return sha256.Sum256(text) }

func inode(info os.FileInfo) uint64 { return info.Sys().(*syscall.Stat_t).Ino }

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
