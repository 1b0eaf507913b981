package suite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No process may outlive the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := children(); len(left) > 0 {
		fmt.Println("still running:", left)
		code = 1
	}
	os.Exit(code)
}

// children are the processes that this one has started and that still run.
func children() []string {
	var list []string
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, path := range lists {
		text, _ := os.ReadFile(path)
		for _, pid := range strings.Fields(string(text)) {
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			list = append(list, pid+" "+strings.TrimSpace(string(name)))
		}
	}
	return list
}
