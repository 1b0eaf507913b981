package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// edit is one change of a file: a JSON object on standard input.
//
//	put     sets KEY in BUCKET to VALUE, or to BYTES (in base64), which need not be text
//	replace changes FROM to TO in the first value of BUCKET that contains it
//	rekey   gives the first pair of BUCKET whose key contains FROM the key TO
//	copies  puts COUNT pairs into BUCKET: KEY and VALUE are formats that get the number
//	delete  deletes the pairs of BUCKET whose key or value contains FROM; at least one
//	drop    deletes BUCKET
type edit struct {
	Do, Bucket, Key, Value, From, To string
	Bytes                            []byte
	Count                            int
}

func runEdit(args []string) error {
	rest, err := parse(flags("edit"), args, 1)
	if err != nil {
		return err
	}
	db, err := open(rest[0], bolt.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Update(func(tx *bolt.Tx) error {
		list := json.NewDecoder(os.Stdin)
		for {
			var e edit
			if err := list.Decode(&e); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
			if err := e.apply(tx); err != nil {
				return fmt.Errorf("%+v: %w", e, err)
			}
		}
	})
}

func (e edit) apply(tx *bolt.Tx) error {
	name := []byte(e.Bucket)
	if e.Do == "drop" {
		return tx.DeleteBucket(name)
	}
	b := tx.Bucket(name)
	if b == nil {
		return errors.New("no such bucket")
	}
	var keys, values [][]byte
	err := b.ForEach(func(k, v []byte) error {
		keys, values = append(keys, bytes.Clone(k)), append(values, bytes.Clone(v))
		return nil
	})
	if err != nil {
		return err
	}
	switch e.Do {
	case "put":
		if e.Bytes != nil {
			return b.Put([]byte(e.Key), e.Bytes)
		}
		return b.Put([]byte(e.Key), []byte(e.Value))
	case "copies":
		for i := range e.Count {
			if err := b.Put(fmt.Appendf(nil, e.Key, i+1), fmt.Appendf(nil, e.Value, i+1)); err != nil {
				return err
			}
		}
		return nil
	case "replace":
		for i, v := range values {
			if bytes.Contains(v, []byte(e.From)) {
				return b.Put(keys[i], bytes.Replace(v, []byte(e.From), []byte(e.To), 1))
			}
		}
	case "rekey":
		for i, k := range keys {
			if bytes.Contains(k, []byte(e.From)) {
				return errors.Join(b.Delete(k), b.Put([]byte(e.To), values[i]))
			}
		}
	case "delete":
		found := false
		for i, k := range keys {
			if bytes.Contains(k, []byte(e.From)) || bytes.Contains(values[i], []byte(e.From)) {
				found = true
				if err := b.Delete(k); err != nil {
					return err
				}
			}
		}
		if found {
			return nil
		}
	}
	return errors.New("nothing done")
}
