package main

import (
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// runCopy takes the contents of a file, sequences included, into a new file of
// another page size or freelist form. Small transactions, so that there are
// free pages, as in a file that has lived.
func runCopy(args []string) error {
	fs := flags("copy")
	pageSize := fs.Int("page-size", 4096, "bytes")
	freelist := fs.String("freelist", "array", "array, hashmap, or none (not stored)")
	rest, err := parse(fs, args, 2)
	if err != nil {
		return err
	}
	options := bolt.Options{PageSize: *pageSize, NoSync: true}
	if err := setFreelist(&options, *freelist); err != nil {
		return err
	}
	if _, err := os.Lstat(rest[1]); err == nil {
		return fmt.Errorf("%s exists", rest[1])
	}
	src, err := open(rest[0], bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := bolt.Open(rest[1], 0o600, &options)
	if err != nil {
		return err
	}
	return firstError(bolt.Compact(dst, src, 2048), dst.Sync(), dst.Close())
}
