package main

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// runPut puts a pair into an existing bucket of the root.
func runPut(args []string) error {
	rest, err := parse(flags("put"), args, 4)
	if err != nil {
		return err
	}
	return update(rest[0], rest[1], func(b *bolt.Bucket) error {
		return b.Put([]byte(rest[2]), []byte(rest[3]))
	})
}

// runRemove removes a pair that is there.
func runRemove(args []string) error {
	rest, err := parse(flags("remove"), args, 3)
	if err != nil {
		return err
	}
	return update(rest[0], rest[1], func(b *bolt.Bucket) error {
		if b.Get([]byte(rest[2])) == nil {
			return fmt.Errorf("%s has no key %q", rest[1], rest[2])
		}
		return b.Delete([]byte(rest[2]))
	})
}

func update(file, bucket string, change func(*bolt.Bucket) error) error {
	db, err := open(file, bolt.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		if b == nil {
			return fmt.Errorf("there is no bucket %q", bucket)
		}
		return change(b)
	})
}
