package suite

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// opened is the path that influxd takes with this INFLUXD_CONFIG_PATH; empty if it does not start.
func opened(release server.Release, home, config string) string {
	cmd := exec.Command(server.Binary(string(release)), "print-config", "--key-name", "bolt-path")
	cmd.Env = []string{"HOME=" + home, "INFLUXD_CONFIG_PATH=" + config}
	text, err := cmd.Output()
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Trim(lines[len(lines)-1], `"`)
}

// chosen is the path that boltkey takes with it; empty if it refuses the configuration.
func chosen(t *testing.T, home, config string) (path string, told string) {
	t.Helper()
	// The database of a running server would come before the configuration.
	args := []string{"--mount", "--pid", "--fork", "--mount-proc", os.Getenv("BOLTKEY_BIN"), "user", "list"}
	if os.Geteuid() != 0 {
		args = append([]string{"--map-root-user"}, args...)
	}
	cmd := exec.Command("unshare", args...)
	cmd.Env = []string{"HOME=" + home, "INFLUXD_CONFIG_PATH=" + config}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	_ = cmd.Run()
	told = stderr.String()
	if found := regexp.MustCompile(`(?m)^using (.*) \(from `).FindStringSubmatch(told); found != nil {
		return found[1], told
	}
	return "", told
}

func TestConfigurationsAreChosenAsInfluxdChooses(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	check(t, err)
	for _, one := range []struct {
		// The file to make (a folder if it ends in a slash), its content, and the value.
		file, content, named string
		// Whether influxd reads the file, ignores it, or does not start.
		wanted string
	}{
		{"a/config.toml", "bolt-path = '/x'", "a/config.toml", "reads"},
		{"a/config.toml", "bolt-path = '/x'", "a", "reads"},
		{"a/config.toml", "bolt-path = '/x'", "a/", "reads"},
		{"b/influxdb.conf", "bolt-path = '/x'", "b/influxdb.conf", "ignores"},
		{"b/influxdb", "bolt-path = '/x'", "b/influxdb", "ignores"},
		{"b/influxdb.toml", "bolt-path = '/x'", "b", "ignores"},
		{"c/config.toml/", "", "c", "ignores"},
		{"d/", "", "d", "ignores"},
		{"d/", "", "d/nowhere", "ignores"},
		{"d/", "", "d/config.yml", "ignores"},
		{"a/config.toml", "bolt-path = '/x'", "\"a/config.toml\"", "ignores"},
		{"e/other.TOML", "bolt-path = '/x'", "e/other.TOML", "ends"},
		{"f/config.toml/", "", "f/config.toml", "ends"},
		{"g/config", "bolt-path = '/x'", "g", "ends"},
		{"h/config.env", "bolt-path=/x", "h", "ends"},
		{"h2/config.env", "BOLT_PATH=/x\nexport A=1\nA: b\n", "h2", "defaults"},
		{"h3/config.dotenv", "# c\n\nA = 1\n", "h3", "defaults"},
		{"h4/config.dotenv", "A B=1\n", "h4", "ends"},
		{"i/config.json", "", "i", "ends"},
		{"j/config.yaml", "bolt-path: [x", "j", "ends"},
		{"k/config.properties", "bolt-path = /x", "k", "reads"},
		{"l/config.ini", "bolt-path = /x", "l", "defaults"},
		{"l2/config.ini", "garbage\n", "l2", "ends"},
		{"l3/config.ini", "; c\n[default]\nbolt-path = /x\n", "l3", "defaults"},
		{"r/config.hcl", "bolt-path = \"/x\"\n", "r", "reads"},
		{"r2/config.hcl", "\"Bolt-Path\" = \"/x\" // c\n", "r2", "reads"},
		{"r3/config.hcl", "a = [1, {b = \"}\"}]\nb \"c\" { bolt-path = \"/no\" }\nbolt-path = \"/${x}/y\"\n", "r3", "reads"},
		{"r4/config.hcl", "a = <<EOF\nbolt-path = \"/no\"\nEOF\nbolt-path = 7\n", "r4", "reads"},
		{"r5/config.hcl", "{\"bolt-path\": \"/x\"}", "r5", "reads"},
		{"r6/config.hcl", "a = 1\n", "r6", "defaults"},
		{"r7/config.hcl", "bolt-path = /x\n", "r7", "ends"},
		{"r8/config.hcl", "bolt-path = \"/x\n", "r8", "ends"},
		{"r9/config.hcl", "a = 1 bolt-path = \"/one\"\nbolt-path = \"/two\"\n", "r9", "reads"},
		{"s/config.hcl", "bolt-path = '/x'\n", "s", "ends"},
		{"s2/config.tfvars", "bolt-path = \"/x\"\n", "s2", "ignores"},
		{"m/config.yml", "bolt-path: 7", "m", "reads"},
		{"n/config.yml", "bolt-path: true", "n", "reads"},
		{"o/config.toml", "\xef\xbb\xbfbolt-path = '/x'", "o", "reads"},
		{"p/config.yml", "bolt-path: /x\n", "p", "reads"},
		{"p/config.json/", "", "p", "reads"},
		{"p/config.toml", "Bolt-Path = '/y'", "p", "reads"},
		{"p/config.prop", "bolt-path=/z", "p", "reads"},
		{"q/config.yml", "bolt-path: ~\n", "q", "defaults"},
	} {
		path := filepath.Join(dir, one.file)
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if strings.HasSuffix(one.file, "/") {
			check(t, os.MkdirAll(path, 0o755))
		} else {
			check(t, os.WriteFile(path, []byte(one.content), 0o644))
		}
		named := dir + "/" + one.named
		if strings.HasPrefix(one.named, "\"") {
			named = "\"" + dir + "/" + strings.Trim(one.named, "\"") + "\""
		}
		ours, told := chosen(t, home, named)
		for _, release := range []server.Release{server.V27, server.V29} {
			theirs := opened(release, home, named)
			isDefault := strings.HasSuffix(theirs, "/.influxdbv2/influxd.bolt")
			switch one.wanted {
			case "reads":
				if theirs != ours || theirs == "" || isDefault {
					t.Errorf("%s of %s: influxd %q, boltkey %q: %s", one.named, release, theirs, ours, told)
				}
			case "ignores":
				if !isDefault || ours != "" || !strings.Contains(told, "influxd ignores the configuration") {
					t.Errorf("%s of %s: influxd %q, boltkey %q: %s", one.named, release, theirs, ours, told)
				}
			case "defaults":
				if !isDefault || ours != "" || strings.Contains(told, "can't use the configuration") {
					t.Errorf("%s of %s: influxd %q, boltkey %q: %s", one.named, release, theirs, ours, told)
				}
			case "ends":
				if theirs != "" || !strings.Contains(told, "can't use the configuration") && !strings.Contains(told, "can't read") {
					t.Errorf("%s of %s: influxd %q, boltkey %q: %s", one.named, release, theirs, ours, told)
				}
			}
		}
	}
	// HOME is not the home folder.
	if theirs := opened(server.V29, home, "/nowhere"); strings.HasPrefix(theirs, home) {
		t.Errorf("HOME counts: %s", theirs)
	}
}
