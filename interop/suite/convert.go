package suite

import (
	"os"
	"testing"
)

// copyReport is what `convert` and `compact` answer.
type copyReport struct {
	Out, Engine     string
	SizeBytes       int64
	RecoverableLeft int
	Changed         *bool
}

// copied runs `convert` or `compact` and expects a private file that is as long as was said.
func copied(t *testing.T, command, db, out string, args ...string) copyReport {
	t.Helper()
	var report copyReport
	answer(t, &report, []int{0}, "", append([]string{command, "--db", db, "--out", out}, args...)...)
	info, err := os.Lstat(out)
	check(t, err)
	if !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 || info.Size() != report.SizeBytes ||
		report.Out != out || report.Changed == nil || *report.Changed {
		t.Errorf("%s %s: %+v, and %v", command, db, report, info.Mode())
	}
	return report
}
