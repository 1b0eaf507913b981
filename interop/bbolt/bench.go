package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

// runBench prints one line of seconds per run. Opening is part of "open" only.
func runBench(args []string) error {
	fs := flags("bench")
	runs := fs.Int("n", 5, "runs")
	rest, err := parse(fs, args, 2)
	if err != nil {
		return err
	}
	work, ok := map[string]func(*bolt.DB) error{
		"open":    func(*bolt.DB) error { return nil },
		"check":   func(db *bolt.DB) error { return check(db, os.Stderr) },
		"list":    func(db *bolt.DB) error { return db.View(readAll) },
		"compact": compact,
	}[rest[0]]
	if !ok {
		return fmt.Errorf("unknown work %q", rest[0])
	}
	for range *runs {
		start := time.Now()
		db, err := open(rest[1], bolt.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		if rest[0] != "open" {
			start = time.Now()
		}
		err = work(db)
		fmt.Printf("%.6f\n", time.Since(start).Seconds())
		if err := firstError(err, db.Close()); err != nil {
			return err
		}
	}
	return nil
}

// readAll looks at every key and value through dump's walk.
func readAll(tx *bolt.Tx) error {
	_, _, err := writeDump(io.Discard, tx, false)
	return err
}

// compact does what "bbolt compact" does, into a file that is removed again.
func compact(src *bolt.DB) error {
	dir, err := os.MkdirTemp(filepath.Dir(src.Path()), "compact-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	dst, err := bolt.Open(filepath.Join(dir, "out.bolt"), 0o600, nil)
	if err != nil {
		return err
	}
	return firstError(bolt.Compact(dst, src, 65536), dst.Close())
}

// runMeasure runs a command several times and prints, for each run, wall
// seconds, peak resident memory in KiB, and seconds of all processors. Linux counts into the memory what
// this process held when it started the command, so it is never below that
// (a few MiB). Standard output of the command is thrown away.
func runMeasure(args []string) error {
	fs := flags("measure")
	runs := fs.Int("n", 5, "runs")
	codes := []int{0}
	fs.Func("exit", "an exit code that is all right beside 0", func(s string) error {
		code, err := strconv.Atoi(s)
		codes = append(codes, code)
		return err
	})
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return fmt.Errorf("no command given")
	}
	for range *runs {
		cmd := exec.Command(fs.Arg(0), fs.Args()[1:]...)
		cmd.Stderr = os.Stderr
		start := time.Now()
		err := cmd.Run()
		elapsed := time.Since(start)
		if cmd.ProcessState == nil {
			return err
		}
		if !slices.Contains(codes, cmd.ProcessState.ExitCode()) {
			return fmt.Errorf("%s: %v", fs.Arg(0), err)
		}
		usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if !ok {
			return fmt.Errorf("no resource usage on this system")
		}
		cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		fmt.Printf("%.6f %d %.6f\n", elapsed.Seconds(), usage.Maxrss, cpu.Seconds())
	}
	return nil
}
