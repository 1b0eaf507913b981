// Command bbolt is Bolt itself as a peer of boltkey: it makes, checks, dumps,
// changes, copies and times Bolt files with the bbolt library it was built
// against. One source, two programs: go.mod names the current bbolt,
// bbolt136.mod the version that InfluxDB links.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
)

// command is one subcommand. run gets the arguments after the name.
type command struct {
	name, args, about string
	run               func(args []string) error
}

func commands() []command {
	return []command{
		{"make", "[--page-size N] [--freelist array|hashmap|none] [--seed N] [--profile P] FILE", "write a new file", runMake},
		{"profiles", "", "list the profiles of make", runProfiles},
		{"check", "FILE", "Tx.Check: prints OK, or the errors and exits 1", runCheck},
		{"dump", "[--lines|--values] FILE", "the canonical digest of the contents, or its lines", runDump},
		{"copy", "[--page-size N] [--freelist array|hashmap|none] SRC DST", "everything in a file, in a new file of another form", runCopy},
		{"commit", "[--freelist array|hashmap|none] [--keep] FILE TRANSACTIONS SEED", "random transactions, then check", runCommit},
		{"put", "FILE BUCKET KEY VALUE", "put one pair", runPut},
		{"remove", "FILE BUCKET KEY", "remove one pair", runRemove},
		{"edit", "FILE", "changes from standard input, one JSON object each", runEdit},
		{"backup", "FILE OUT", "Tx.WriteTo, as influx backup does", runBackup},
		{"bench", "[-n RUNS] open|check|list|compact FILE", "seconds per run, timed inside the process", runBench},
		{"measure", "[-n RUNS] [--exit CODE]... COMMAND [ARG]...", "seconds, peak memory (KiB) and CPU seconds of whole processes", runMeasure},
		{"version", "", "version of bbolt and of Go", runVersion},
	}
}

func main() {
	if len(os.Args) > 1 {
		for _, c := range commands() {
			if c.name != os.Args[1] {
				continue
			}
			if err := c.run(os.Args[2:]); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", c.name, err)
				os.Exit(1)
			}
			return
		}
	}
	for _, c := range commands() {
		fmt.Fprintf(os.Stderr, "%-8s %s\n         %s\n", c.name, c.args, c.about)
	}
	os.Exit(2)
}

// parse reads the options of a subcommand and demands want positional arguments.
func parse(fs *flag.FlagSet, args []string, want int) ([]string, error) {
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() != want {
		return nil, fmt.Errorf("%d arguments expected, %d given", want, fs.NArg())
	}
	return fs.Args(), nil
}

func flags(name string) *flag.FlagSet {
	return flag.NewFlagSet(name, flag.ContinueOnError)
}

// open opens an existing file. Bolt 1.3.6 would create a missing one, even to
// read it, so that is ruled out first.
func open(path string, options bolt.Options) (*bolt.DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	options.Timeout = time.Second
	return bolt.Open(path, 0o600, &options)
}

func runVersion([]string) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("no build information")
	}
	for _, dep := range info.Deps {
		if dep.Path == "go.etcd.io/bbolt" {
			fmt.Println("bbolt", dep.Version, runtime.Version())
			return nil
		}
	}
	return errors.New("built without bbolt")
}

func runCheck(args []string) error {
	rest, err := parse(flags("check"), args, 1)
	if err != nil {
		return err
	}
	db, err := open(rest[0], bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := check(db, os.Stdout); err != nil {
		return err
	}
	fmt.Println("OK")
	return nil
}

func runBackup(args []string) error {
	rest, err := parse(flags("backup"), args, 2)
	if err != nil {
		return err
	}
	db, err := open(rest[0], bolt.Options{ReadOnly: true})
	if err != nil {
		return err
	}
	defer db.Close()
	return db.View(func(tx *bolt.Tx) error { return tx.CopyFile(rest[1], 0o600) })
}
