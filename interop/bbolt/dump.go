package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// The canonical form of a file's contents, one line feed after every line:
//
//	bucket PATH SEQUENCE
//	key PATH KEY SHA256
//
// PATH is "/" for the root bucket and "/" before each bucket's name in hex
// otherwise ("/6162/63"); SEQUENCE is decimal; KEY is hex; SHA256 is that of
// the value, in hex. Hex is lower case. A bucket's own line comes first, then
// its keys in byte order, then its nested buckets in byte order, each in full
// before the next. The root bucket comes first of all. The digest of the file
// is the SHA-256 of all these bytes.
//
// With --values the lines have "=" and the value itself, in hex, instead of
// its SHA-256.

// writeDump writes the canonical lines of everything tx sees and returns how
// many buckets (the root bucket included) and keys there are.
func writeDump(w io.Writer, tx *bolt.Tx, values bool) (buckets, keys int, err error) {
	out := bufio.NewWriter(w)
	var walk func(b *bolt.Bucket, prefix string) error
	walk = func(b *bolt.Bucket, prefix string) error {
		buckets++
		path := prefix
		if path == "" {
			path = "/"
		}
		fmt.Fprintf(out, "bucket %s %d\n", path, b.Sequence())
		var nested [][]byte
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if v == nil {
				nested = append(nested, k)
				continue
			}
			keys++
			if values {
				fmt.Fprintf(out, "key %s %x =%x\n", path, k, v)
			} else {
				fmt.Fprintf(out, "key %s %x %x\n", path, k, sha256.Sum256(v))
			}
		}
		for _, name := range nested {
			child := b.Bucket(name)
			if child == nil {
				return fmt.Errorf("bucket %s/%x cannot be opened", prefix, name)
			}
			if err := walk(child, prefix+"/"+hex.EncodeToString(name)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := walk(tx.Cursor().Bucket(), ""); err != nil {
		return 0, 0, err
	}
	return buckets, keys, out.Flush()
}

func runDump(args []string) error {
	fs := flags("dump")
	lines := fs.Bool("lines", false, "print the lines instead of their digest")
	values := fs.Bool("values", false, "print the lines with the values themselves")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	db, err := open(rest[0], bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error {
		if *lines || *values {
			_, _, err := writeDump(os.Stdout, tx, *values)
			return err
		}
		sum := sha256.New()
		buckets, keys, err := writeDump(sum, tx, false)
		if err != nil {
			return err
		}
		fmt.Printf("%x buckets=%d keys=%d\n", sum.Sum(nil), buckets, keys)
		return nil
	})
}
