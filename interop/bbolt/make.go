package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// maker writes one file. Every transaction changes the buckets along one path
// only, since Bolt saves sibling buckets in random order. So with the array
// freelist a file that is made again is the same byte for byte, unless the
// profile deletes keys (Bolt also rebalances pages in random order).
type maker struct {
	db   *bolt.DB
	rng  *rand.Rand
	keep bool // what stands in buckets that randomChange did not make
}

// profile is a kind of contents.
type profile struct {
	name, about string
	fill        func(*maker) error
}

func profiles() []profile {
	return []profile{
		{"fresh", "as created: an empty root bucket", func(*maker) error { return nil }},
		{"tiny", "three buckets, one nested, two transactions", (*maker).tiny},
		{"branch", "one bucket of twelve 100-byte values", (*maker).branch},
		{"influx", "54 flat buckets, most of them inline, changed a few times", (*maker).influx},
		{"nested", "buckets in buckets beside keys, with sequences", (*maker).nested},
		{"deep", "300 buckets, each inside the one before", (*maker).deep},
		{"many", "2,000 buckets, empty or with one key", (*maker).many},
		{"levels", "2,000 keys in a tree of several levels", (*maker).levels},
		{"overflow", "values of nothing, around a page, and many pages", (*maker).overflow},
		{"longkeys", "twenty keys of 32,768 bytes: branch pages that overflow", (*maker).longKeys},
		{"limits", "shortest and longest keys, a bucket name of 100,000 bytes, the highest sequence", (*maker).limits},
		{"names", "flat buckets of the shortest, longest and oddest names and keys", (*maker).names},
		{"fragmented", "most of 1,600 keys deleted again: free pages all over", (*maker).fragmented},
		{"longfreelist", "more than 65,535 free pages: the freelist's long form", (*maker).longFreelist},
	}
}

func runProfiles([]string) error {
	for _, p := range profiles() {
		fmt.Printf("%s\t%s\n", p.name, p.about)
	}
	return nil
}

func runMake(args []string) error {
	fs := flags("make")
	pageSize := fs.Int("page-size", 4096, "bytes")
	freelist := fs.String("freelist", "array", "array, hashmap, or none (not stored)")
	seed := fs.Uint64("seed", 1, "of everything random")
	name := fs.String("profile", "influx", "what to put in")
	rest, err := parse(fs, args, 1)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(rest[0]); err == nil {
		return fmt.Errorf("%s exists", rest[0])
	}
	options := bolt.Options{PageSize: *pageSize, NoSync: true}
	if err := setFreelist(&options, *freelist); err != nil {
		return err
	}
	for _, p := range profiles() {
		if p.name != *name {
			continue
		}
		db, err := bolt.Open(rest[0], 0o600, &options)
		if err != nil {
			return err
		}
		m := &maker{db: db, rng: rand.New(rand.NewPCG(*seed, 0))}
		if err := p.fill(m); err != nil {
			db.Close()
			return err
		}
		if err := db.Sync(); err != nil {
			db.Close()
			return err
		}
		return db.Close()
	}
	return fmt.Errorf("unknown profile %q", *name)
}

func setFreelist(options *bolt.Options, form string) error {
	switch form {
	case "array":
		options.FreelistType = bolt.FreelistArrayType
	case "hashmap":
		options.FreelistType = bolt.FreelistMapType
	case "none":
		options.NoFreelistSync = true
	default:
		return fmt.Errorf("unknown freelist %q", form)
	}
	return nil
}

// in changes one bucket in one transaction, creating the path to it.
func (m *maker) in(path []string, change func(*bolt.Bucket) error) error {
	return m.db.Update(func(tx *bolt.Tx) error {
		b := tx.Cursor().Bucket()
		for _, name := range path {
			var err error
			if b, err = b.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return change(b)
	})
}

// put stores n random keys with values of up to size bytes.
func (m *maker) put(path []string, n, size int) error {
	return m.in(path, func(b *bolt.Bucket) error {
		for range n {
			if err := b.Put(m.key(), m.value(m.rng.IntN(size+1))); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *maker) key() []byte {
	return fmt.Appendf(nil, "%016x", m.rng.Uint64())
}

// value is n bytes that differ from value to value but compress well.
func (m *maker) value(n int) []byte {
	return bytes.Repeat(m.key(), n/16+1)[:n]
}

// long is a key of n bytes: a number at the end of padding.
func long(n int, number uint32) []byte {
	key := bytes.Repeat([]byte{'k'}, n)
	binary.BigEndian.PutUint32(key[n-4:], number)
	return key
}

func (m *maker) tiny() error {
	err := m.db.Update(func(tx *bolt.Tx) error {
		cfg, err := tx.CreateBucket([]byte("cfg"))
		if err != nil {
			return err
		}
		big, err := tx.CreateBucket([]byte("big"))
		if err != nil {
			return err
		}
		nested, err := big.CreateBucket([]byte("nested"))
		if err != nil {
			return err
		}
		if _, err := tx.CreateBucket([]byte("empty")); err != nil {
			return err
		}
		return firstError(
			cfg.SetSequence(7),
			cfg.Put([]byte("a"), []byte("1")),
			cfg.Put([]byte("bb"), []byte{}),
			big.Put([]byte("k"), bytes.Repeat([]byte("v"), 1000)),
			nested.Put([]byte("x"), []byte("y")),
		)
	})
	if err != nil {
		return err
	}
	return m.in([]string{"cfg"}, func(b *bolt.Bucket) error { return b.Put([]byte("a"), []byte("2")) })
}

func (m *maker) branch() error {
	return m.in([]string{"fill"}, func(b *bolt.Bucket) error {
		for i := range 12 {
			if err := b.Put(fmt.Appendf(nil, "k%08d", i), bytes.Repeat([]byte("v"), 100)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *maker) influx() error {
	for i := range 54 {
		n := 0
		switch {
		case i%18 == 7:
			n = 80
		case i%3 == 0:
			n = 1 + m.rng.IntN(3)
		}
		if err := m.put([]string{fmt.Sprintf("metadata%02dv1", i)}, n, 300); err != nil {
			return err
		}
	}
	for i := range 20 {
		if err := m.put([]string{fmt.Sprintf("metadata%02dv1", i)}, 2, 100); err != nil {
			return err
		}
	}
	return m.deleteHalf([]string{"metadata07v1"})
}

// deleteHalf deletes every other key of a bucket.
func (m *maker) deleteHalf(path []string) error {
	return m.in(path, func(b *bolt.Bucket) error {
		var doomed [][]byte
		err := b.ForEach(func(k, v []byte) error {
			if m.rng.IntN(2) == 0 && v != nil {
				doomed = append(doomed, bytes.Clone(k))
			}
			return nil
		})
		for _, k := range doomed {
			err = firstError(err, b.Delete(k))
		}
		return err
	})
}

func (m *maker) nested() error {
	var grow func(path []string, depth int) error
	grow = func(path []string, depth int) error {
		if err := m.put(path, m.rng.IntN(12), 200); err != nil {
			return err
		}
		err := m.in(path, func(b *bolt.Bucket) error { return b.SetSequence(m.rng.Uint64()) })
		if err != nil || depth == 0 {
			return err
		}
		for i := range 3 {
			// Names sort between the keys, which are hex digits.
			child := append(path[:len(path):len(path)], fmt.Sprintf("%x-%d", i*5, depth))
			if err := grow(child, depth-1); err != nil {
				return err
			}
		}
		return nil
	}
	for _, top := range []string{"a", "b"} {
		if err := grow([]string{top}, 3); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) deep() error {
	path := strings.Split(strings.Repeat("d", 300), "")
	return m.in(path, func(b *bolt.Bucket) error { return b.Put([]byte("bottom"), []byte("reached")) })
}

func (m *maker) many() error {
	for i := range 100 {
		for j := range 20 {
			if err := m.put([]string{fmt.Sprintf("bucket-%02d-%02d", j, i)}, j%2, 20); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *maker) levels() error {
	for range 4 {
		if err := m.put([]string{"levels"}, 500, 24); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) overflow() error {
	page := m.db.Info().PageSize
	sizes := []int{0, 1, page - 33, page - 32, page - 31, page, 2 * page, 3*page + 7, 5 * page, 40 * page}
	for i, size := range sizes {
		// One bucket for all and one for each: nodes of several elements and of one.
		for _, name := range []string{"all", fmt.Sprintf("one-%d", i)} {
			err := m.in([]string{name}, func(b *bolt.Bucket) error {
				return b.Put(fmt.Appendf(nil, "%02d", i), m.value(size))
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *maker) longKeys() error {
	return m.in([]string{"long"}, func(b *bolt.Bucket) error {
		for i := range uint32(20) {
			if err := b.Put(long(bolt.MaxKeySize, i), m.value(10)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (m *maker) limits() error {
	err := m.in([]string{"limits"}, func(b *bolt.Bucket) error {
		return firstError(
			b.SetSequence(math.MaxUint64),
			b.Put([]byte{0}, []byte{}),
			b.Put([]byte{0, 0}, []byte{0}),
			b.Put([]byte{0xff}, []byte{}),
			b.Put(long(bolt.MaxKeySize, 0), []byte{}),
			b.Put(long(bolt.MaxKeySize, 1), m.value(100_000)),
		)
	})
	if err != nil {
		return err
	}
	for _, name := range []string{"\x01", string(long(100_000, 0)), "\xff\xfe not UTF-8 \x1b[31m"} {
		if err := m.put([]string{name}, 1, 10); err != nil {
			return err
		}
		if err := m.put([]string{"limits", name}, 1, 10); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) names() error {
	names := []string{
		"\x00", "\x01", " ", "%", "%00", "%25", "_", "__", "bolt", "a/b", "a\x00b", "\u00e4\u202e", "\xff\xfe",
		"\x1b[31m", string(long(1000, 0)), string(long(100_000, 0)),
	}
	for i, name := range names {
		err := m.in([]string{name}, func(b *bolt.Bucket) error {
			return firstError(
				b.SetSequence(math.MaxUint64-uint64(i)),
				b.Put([]byte{0}, []byte{}),
				b.Put([]byte{0xff}, []byte{}),
				b.Put(long(bolt.MaxKeySize, uint32(i)), m.value(100)),
			)
		})
		if err != nil {
			return err
		}
	}
	// Without a key, and one with a sequence at that.
	return firstError(
		m.in([]string{"empty"}, func(*bolt.Bucket) error { return nil }),
		m.in([]string{"empty, counted"}, func(b *bolt.Bucket) error { return b.SetSequence(7) }),
	)
}

func (m *maker) fragmented() error {
	names := [][]string{{"left"}, {"right"}}
	for range 8 {
		for _, name := range names {
			if err := m.put(name, 100, 150); err != nil {
				return err
			}
		}
	}
	for range 5 {
		for _, name := range names {
			if err := m.deleteHalf(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *maker) longFreelist() error {
	path, key := []string{"gone"}, []byte("zeros")
	page := m.db.Info().PageSize
	err := m.in(path, func(b *bolt.Bucket) error { return b.Put(key, make([]byte, page*65_600)) })
	if err != nil {
		return err
	}
	return m.in(path, func(b *bolt.Bucket) error { return firstError(b.Delete(key), b.Put([]byte("kept"), key)) })
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
