package suite

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"boltkey/interop/suite/server"
)

type structure struct {
	OK       bool
	Findings []struct{ Severity, Code, Message, Where string }
}

// peer runs bbolt136 or bbolt150.
func peer(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(server.Binary(name), args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// sound expects no errors from Bolt's check and from ours.
func sound(t *testing.T, file string) {
	t.Helper()
	for _, judge := range []string{"bbolt136", "bbolt150"} {
		peer(t, judge, "check", file)
	}
	var report structure
	answer(t, &report, []int{0}, "", "check", "--structure-only", "--db", file)
	for _, finding := range report.Findings {
		if finding.Severity != "info" && finding.Code != "structure.odd-page-size" {
			t.Errorf("%s: %+v", file, finding)
		}
	}
}

// Bolt's check and ours agree on files of every page size, freelist form and shape, before and
// after random transactions.
func TestChecksAgreeOnSoundFiles(t *testing.T) {
	t.Parallel()
	for _, size := range []string{"512", "1024", "4096", "5000", "16384", "65536"} {
		for _, freelist := range []string{"array", "hashmap", "none"} {
			for _, profile := range []string{"influx", "nested", "overflow", "longkeys", "fragmented"} {
				for _, maker := range []string{"bbolt136", "bbolt150"} {
					name := strings.Join([]string{size, freelist, profile, maker}, "-")
					t.Run(name, func(t *testing.T) {
						file := filepath.Join(t.TempDir(), "made.bolt")
						peer(t, maker, "make", "--page-size", size, "--freelist", freelist,
							"--profile", profile, "--seed", "3", file)
						sound(t, file)
						peer(t, maker, "commit", file, "20", "7")
						sound(t, file)
					})
				}
			}
		}
	}
}

// Our check of a damaged file names the page or record, within ten seconds.
func TestDamageIsNamed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "damaged", "*.bolt.gz"))
	check(t, err)
	if len(files) < 40 {
		t.Fatalf("%d damaged files", len(files))
	}
	for _, file := range files {
		started := time.Now()
		var report structure
		answer(t, &report, []int{0, 3}, "", "check", "--structure-only", "--db", file)
		wanted := "structure." + strings.TrimSuffix(filepath.Base(file), ".bolt.gz")
		found := false
		for _, finding := range report.Findings {
			found = found || finding.Code == wanted && strings.Contains(finding.Where, "page")
		}
		if !found || time.Since(started) > 10*time.Second {
			t.Errorf("%s: %v after %v", file, report.Findings, time.Since(started))
		}
	}
}

// Garbage behind two valid metas is checked within ten seconds.
func TestGarbageIsCheckedInTime(t *testing.T) {
	file := filepath.Join(t.TempDir(), "garbage.bolt")
	peer(t, "bbolt136", "make", "--page-size", "512", "--freelist", "array", "--profile", "fresh", "--seed", "1", file)
	content, err := os.ReadFile(file)
	check(t, err)
	for kind, next := range map[string]func(state, i uint64) byte{
		"random":    func(state, _ uint64) byte { return byte(state >> 33) },
		"ones":      func(uint64, uint64) byte { return 0xff },
		"leaves":    func(_, i uint64) byte { return header(i, 2, 0xffff) },
		"branches":  func(_, i uint64) byte { return header(i, 1, 30) },
		"long ones": func(_, i uint64) byte { return overflowing(i) },
	} {
		t.Run(kind, func(t *testing.T) {
			garbage := append(append([]byte{}, content[:2*512]...), make([]byte, 64<<20)...)
			state := uint64(1)
			for i := uint64(2 * 512); i < uint64(len(garbage)); i++ {
				state = state*6364136223846793005 + 1442695040888963407
				garbage[i] = next(state, i)
			}
			for _, slot := range []int{0, 512} {
				put(garbage[slot+32:], 3)
				put(garbage[slot+56:], uint64(len(garbage)/512))
				seal(garbage[slot : slot+512])
			}
			check(t, os.WriteFile(file, garbage, 0o600))
			for _, command := range [][]string{{"check", "--structure-only"}, {"residue", "scan"}} {
				started := time.Now()
				result := boltkey(t, "", append(command, "--db", file)...)
				if result.code != 3 && result.code != 0 {
					t.Errorf("%v: exit %d: %s", command, result.code, result.stderr)
				}
				if took := time.Since(started); took > 10*time.Second {
					t.Errorf("%v took %v", command, took)
				}
			}
		})
	}
}

// header makes each page look like a node with its own number.
func header(i uint64, flags, count uint16) byte {
	page, at := i/512, i%512
	switch {
	case at < 8:
		return byte(page >> (8 * at))
	case at < 10:
		return byte(flags >> (8 * (at - 8)))
	case at < 12:
		return byte(count >> (8 * (at - 10)))
	case at < 16:
		return 0
	default: // elements that lead to page 2, 3, 4, …
		return byte((page + at/16) >> (8 * (at % 8)))
	}
}

// overflowing makes each page look like a leaf that claims the next thousand pages too.
func overflowing(i uint64) byte {
	if at := i % 512; at == 12 || at == 13 {
		return 3
	}
	return header(i, 2, 20)
}

func put(at []byte, value uint64) {
	for i := range 8 {
		at[i] = byte(value >> (8 * i))
	}
}

// seal makes the checksum of a meta page right.
func seal(page []byte) {
	sum := uint64(0xcbf29ce484222325)
	for _, b := range page[16:72] {
		sum = (sum ^ uint64(b)) * 0x100000001b3
	}
	put(page[72:], sum)
}
