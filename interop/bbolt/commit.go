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
	rest, err := parse(flags("commit"), args, 3)
	if err != nil {
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
	db, err := open(rest[0], bolt.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	m := &maker{db: db, rng: rand.New(rand.NewPCG(seed, 1))}
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
	b, err := m.randomBucket(tx.Cursor().Bucket())
	if err != nil {
		return err
	}
	for range 1 + m.rng.IntN(20) {
		k, v := b.Cursor().Seek(m.key()[:1+m.rng.IntN(4)])
		switch exists := k != nil && v != nil; {
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

// randomBucket goes down from the root bucket and stops at a random depth.
func (m *maker) randomBucket(b *bolt.Bucket) (*bolt.Bucket, error) {
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
			return b, nil
		case len(names) == 0 || m.rng.IntN(10) == 0:
			return b.CreateBucketIfNotExists(append([]byte("new-"), m.key()...))
		}
		child := b.Bucket(names[m.rng.IntN(len(names))])
		if child == nil {
			return nil, errors.New("a bucket that is listed cannot be opened")
		}
		b = child
	}
}
