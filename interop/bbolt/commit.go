package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"

	bolt "go.etcd.io/bbolt"
)

// check runs Tx.Check, prints each error on its own line and returns how many
// there were as an error.
func check(db *bolt.DB, out io.Writer) error {
	return db.View(func(tx *bolt.Tx) error {
		n := 0
		for err := range tx.Check() {
			fmt.Fprintln(out, err)
			n++
		}
		if n > 0 {
			return fmt.Errorf("%d errors", n)
		}
		return nil
	})
}

func runCommit(args []string) error {
	fs := flags("commit")
	freelist := fs.String("freelist", "array", "array, hashmap, or none (not stored)")
	keep := fs.Bool("keep", false, "only put again what stands in the buckets of others")
	rest, err := parse(fs, args, 3)
	if err != nil {
		return err
	}
	var options bolt.Options
	if err := setFreelist(&options, *freelist); err != nil {
		return err
	}
	n, err := strconv.Atoi(rest[1])
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(rest[2], 10, 64)
	if err != nil {
		return err
	}
	db, err := open(rest[0], options)
	if err != nil {
		return err
	}
	defer db.Close()
	m := &maker{db: db, rng: rand.New(rand.NewPCG(seed, 1)), keep: *keep}
	for range n {
		if err := db.Update(m.randomChange); err != nil {
			return err
		}
	}
	if err := check(db, os.Stdout); err != nil {
		return err
	}
	fmt.Println("OK")
	return nil
}

// randomChange changes one bucket, old or new, at the top or nested. It deletes
// keys but no bucket: Bolt loses pages when a bucket with nested ones goes.
func (m *maker) randomChange(tx *bolt.Tx) error {
	b, own, err := m.randomBucket(tx.Cursor().Bucket())
	if err != nil {
		return err
	}
	for range 1 + m.rng.IntN(20) {
		k, v := b.Cursor().Seek(m.key()[:1+m.rng.IntN(4)])
		switch exists := k != nil && v != nil; {
		case m.keep && !own:
			if exists {
				err = b.Put(bytes.Clone(k), bytes.Clone(v))
			}
		case exists && m.rng.IntN(2) == 0:
			err = b.Delete(bytes.Clone(k))
		case exists && m.rng.IntN(2) == 0:
			err = b.Put(bytes.Clone(k), m.value(m.rng.IntN(3000)))
		default:
			err = b.Put(m.key(), m.value(m.rng.IntN(3000)))
		}
		if err != nil {
			return err
		}
	}
	_, err = b.NextSequence()
	return err
}

// randomBucket goes down from the root bucket and stops at a random depth. It
// also tells whether the bucket, or one above it, was made here.
func (m *maker) randomBucket(b *bolt.Bucket) (_ *bolt.Bucket, own bool, _ error) {
	for depth := 0; ; depth++ {
		var names [][]byte
		c := b.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if v == nil {
				names = append(names, k)
			}
		}
		switch {
		case depth > 0 && (len(names) == 0 || m.rng.IntN(2) == 0):
			return b, own, nil
		case len(names) == 0 || m.rng.IntN(10) == 0:
			made, err := b.CreateBucketIfNotExists(append([]byte("new-"), m.key()...))
			return made, true, err
		}
		name := names[m.rng.IntN(len(names))]
		child := b.Bucket(name)
		if child == nil {
			return nil, false, errors.New("a bucket that is listed cannot be opened")
		}
		b, own = child, own || bytes.HasPrefix(name, []byte("new-"))
	}
}
