package suite

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"boltkey/interop/suite/server"
)

// edit is a change for `bbolt136 edit`.
type edit struct {
	Do, Bucket, Key, Value, From, To string
	Bytes                            []byte
	Count                            int
}

// What a server does on a store.
const (
	bothStart   = "both start"
	bothEnd     = "both end"
	onlyNewEnds = "2.7.12 starts, 2.9.1 ends"
)

// broken is a store of a real server with one error.
type broken struct {
	name  string
	edits []edit
	// The finding about it; empty if there is none.
	code   string
	expect string
	// Whether it is an error although the servers start: tokens or logins don't work.
	access bool
	// Whether the store has schema 21, which 2.7.12 does not know.
	schema21 bool
}

// finding is a finding in the report of `check`.
type finding struct{ Severity, Code, Where, Message string }

// unpacked copies a fixture to dir as a server's database.
func unpacked(t *testing.T, fixture, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "fixtures", "real", fixture))
	check(t, err)
	if strings.HasSuffix(fixture, ".gz") {
		gz, err := gzip.NewReader(bytes.NewReader(text))
		check(t, err)
		text, err = io.ReadAll(gz)
		check(t, err)
	}
	db := server.Bolt(dir)
	check(t, os.WriteFile(db, text, 0o600))
	return db
}

func change(t *testing.T, db string, edits []edit) {
	t.Helper()
	var input bytes.Buffer
	for _, e := range edits {
		check(t, json.NewEncoder(&input).Encode(e))
	}
	cmd := exec.Command(server.Binary("bbolt136"), "edit", db)
	cmd.Stdin = &input
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func findings(t *testing.T, db string) []finding {
	t.Helper()
	var report struct{ Findings []finding }
	answer(t, &report, []int{0, 3}, "", "check", "--db", db)
	return report.Findings
}

var objectID = regexp.MustCompile(`^[0-9a-f]{16}$`)

func encoded(text string) string { return hex.EncodeToString([]byte(text)) }

func decoded(t *testing.T, digits string) []byte {
	t.Helper()
	text, err := hex.DecodeString(digits)
	check(t, err)
	return text
}

func brokenStores(task, org, bucketIndex string) []broken {
	replaceTask := func(from, to string) []edit {
		return []edit{{Do: "replace", Bucket: "tasksv1", From: from, To: to}}
	}
	putRun := func(key, value string) []edit {
		return []edit{{Do: "put", Bucket: "taskRunsv1", Key: task + "/" + key, Value: value}}
	}
	// 100 tasks that sort before the task of the fixture.
	before := edit{Do: "copies", Bucket: "tasksv1", Count: 100, Key: "000000000000%04x",
		Value: `{"id":"000000000000%04x","orgID":"` + org + `","ownerID":"` + org + `","name":"n","status":"inactive","flux":""}`}
	authorization := func(from, to string) []edit {
		return []edit{{Do: "replace", Bucket: "authorizationsv1", From: from, To: to}}
	}
	list := []broken{
		{name: "nothing", expect: bothStart},

		{name: "task of a deleted organization", code: "metadata.task-org-gone", expect: bothEnd,
			edits: replaceTask(`"orgID":"`+org+`"`, `"orgID":"00000000000000aa"`)},
		{name: "inactive task of a deleted organization", code: "metadata.task-org-gone", expect: bothEnd,
			edits: append(replaceTask(`"orgID":"`+org+`"`, `"orgID":"00000000000000aa"`),
				replaceTask(`"status":"active"`, `"status":"inactive"`)...)},
		{name: "task of a deleted organization behind a hundred", code: "metadata.task-org-gone", expect: bothStart,
			edits: append(replaceTask(`"orgID":"`+org+`"`, `"orgID":"00000000000000aa"`), before)},
		{name: "task whose organization's buckets are left", code: "metadata.bucket-org-gone", expect: bothStart,
			edits: []edit{{Do: "delete", Bucket: "organizationsv1", From: org}, {Do: "delete", Bucket: "organizationindexv1", From: org}}},
		{name: "organization with a task and without _tasks", code: "metadata.tasks-bucket-absent", expect: bothEnd,
			edits: []edit{{Do: "delete", Bucket: "bucketindexv1", From: org + "_tasks"}, {Do: "delete", Bucket: "bucketsv1", From: bucketIndex}}},
		{name: "_tasks that its index does not find", code: "metadata.tasks-bucket-absent", expect: bothEnd,
			edits: []edit{{Do: "delete", Bucket: "bucketindexv1", From: org + "_tasks"}}},
		{name: "organization without _tasks and tasks", code: "metadata.system-bucket-absent", expect: bothStart,
			edits: []edit{{Do: "delete", Bucket: "tasksv1", From: task}, {Do: "delete", Bucket: "bucketindexv1", From: org + "_tasks"}, {Do: "delete", Bucket: "bucketsv1", From: bucketIndex}}},
		{name: "organization without _monitoring", code: "metadata.system-bucket-absent", expect: bothStart,
			edits: []edit{{Do: "delete", Bucket: "bucketindexv1", From: "_monitoring"}, {Do: "delete", Bucket: "bucketsv1", From: `"_monitoring"`}}},

		{name: "task that is no JSON", code: "metadata.task-unreadable", expect: bothEnd, edits: replaceTask(`{`, `x`)},
		{name: "task that is no JSON behind a hundred", code: "metadata.task-unreadable", expect: bothStart,
			edits: append(replaceTask(`{`, `x`), before)},
		{name: "task with an empty owner", code: "metadata.task-unreadable", expect: bothEnd,
			edits: replaceTask(`"ownerID":"`, `"ownerID":"","x":"`)},
		{name: "task without owner", expect: bothStart, edits: replaceTask(`"ownerID"`, `"owner"`)},
		{name: "task with ID 0", code: "metadata.task-unreadable", expect: bothEnd,
			edits: replaceTask(`"id":"`+task+`"`, `"id":"0000000000000000"`)},
		{name: "task without ID", code: "metadata.task-unreadable", expect: bothEnd, edits: replaceTask(`"id"`, `"ident"`)},
		{name: "task without organization", code: "metadata.task-unreadable", expect: bothEnd, edits: replaceTask(`"orgID"`, `"organization"`)},
		{name: "task under another key", code: "metadata.task-unreadable", expect: bothEnd,
			edits: []edit{{Do: "rekey", Bucket: "tasksv1", From: task, To: "00000000000000aa"}}},
		{name: "task with an unreadable latestCompleted", code: "metadata.task-unreadable", expect: bothEnd,
			edits: replaceTask(`"latestCompleted":"`, `"latestCompleted":"x`)},
		{name: "task with a day that does not exist", code: "metadata.task-unreadable", expect: bothEnd,
			edits: replaceTask(`"latestFailure":"0001-01-01`, `"latestFailure":"0001-02-29`)},
		{name: "task with a number as name", code: "metadata.task-unreadable", expect: bothEnd, edits: replaceTask(`"name":"t"`, `"name":7`)},
		{name: "task with another case of a field", code: "metadata.task-unreadable", expect: bothEnd, edits: replaceTask(`"name":"t"`, `"NAME":7`)},
		{name: "task with an empty offset", code: "metadata.task-unreadable", expect: bothEnd, edits: replaceTask(`"name":"t"`, `"name":"t","offset":""`)},
		{name: "task with a null offset", code: "metadata.task-unreadable", expect: bothEnd, edits: replaceTask(`"name":"t"`, `"name":"t","offset":null`)},
		{name: "task with an offset", expect: bothStart, edits: replaceTask(`"name":"t"`, `"name":"t","offset":"1h1.5m"`)},
		{name: "task with nulls", expect: bothStart, edits: replaceTask(`"name":"t"`, `"name":null,"latestCompleted":null`)},
		{name: "task with a lone surrogate", expect: bothStart, edits: replaceTask(`"name":"t"`, `"name":"\ud800"`)},
		{name: "task with metadata that are a list", code: "metadata.task-unreadable", expect: bothEnd, edits: replaceTask(`"name":"t"`, `"name":"t","metadata":[]`)},
		{name: "task with a bad every", expect: bothStart, edits: replaceTask(`"every":"24h"`, `"every":"now and then"`)},
		{name: "task with a bad cron", expect: bothStart, edits: replaceTask(`"every":"24h"`, `"cron":"now and then"`)},
		{name: "task with bad Flux", expect: bothStart, edits: replaceTask(`"flux":"`, `"flux":"!!`)},
		{name: "task with an unknown status", expect: bothStart, edits: replaceTask(`"status":"active"`, `"status":"asleep"`)},

		{name: "run that is no JSON", code: "metadata.run-unreadable", expect: bothEnd, edits: putRun("00000000000000aa", "x")},
		{name: "run with a bad time", code: "metadata.run-unreadable", expect: bothEnd,
			edits: putRun("00000000000000aa", `{"id":"00000000000000aa","taskID":"`+task+`","scheduledFor":"x"}`)},
		{name: "sound run", expect: bothStart,
			edits: putRun("00000000000000aa", `{"id":"00000000000000aa","taskID":"`+task+`","status":"started","scheduledFor":"2026-01-01T00:00:00Z","log":null}`)},
		{name: "manual runs that are no JSON", code: "metadata.run-unreadable", expect: bothEnd, edits: putRun("manualRuns", "x")},
		{name: "manual run that is null", code: "metadata.run-unreadable", expect: bothEnd, edits: putRun("manualRuns", "[null]")},
		{name: "manual runs of null", expect: bothStart, edits: putRun("manualRuns", "null")},
		{name: "latest completed run that is no JSON", expect: bothStart, edits: putRun("latestCompleted", "x")},
		{name: "run of no task that is no JSON", code: "metadata.run-unreadable", expect: bothStart,
			edits: []edit{{Do: "put", Bucket: "taskRunsv1", Key: "00000000000000aa/00000000000000bb", Value: "x"}}},

		{name: "short instance", code: "metadata.instance-unreadable", expect: bothEnd, edits: []edit{{Do: "put", Bucket: "idsv1", Key: "id", Value: "0123"}}},
		{name: "instance that is no number", code: "metadata.instance-unreadable", expect: bothEnd, edits: []edit{{Do: "put", Bucket: "idsv1", Key: "id", Value: "0123456789abcdex"}}},
		{name: "instance 0", code: "metadata.instance-unreadable", expect: bothEnd, edits: []edit{{Do: "put", Bucket: "idsv1", Key: "id", Value: "0000000000000000"}}},
		{name: "long instance", expect: bothStart, edits: []edit{{Do: "put", Bucket: "idsv1", Key: "id", Value: "0123456789abcdef and more"}}},
		{name: "empty instance", expect: bothStart, edits: []edit{{Do: "put", Bucket: "idsv1", Key: "id"}}},
		{name: "another instance", expect: bothStart, edits: []edit{{Do: "put", Bucket: "idsv1", Key: "other", Value: "x"}}},

		{name: "undecodable authorization", code: "metadata.undecodable", expect: onlyNewEnds, edits: authorization(`{`, `x`)},
		{name: "authorization of organization \"\"", code: "metadata.undecodable", expect: onlyNewEnds, edits: authorization(`"orgID":"`, `"orgID":"","x":"`)},
		{name: "authorization with a bad time", code: "metadata.undecodable", expect: onlyNewEnds, edits: authorization(`"createdAt":"`, `"createdAt":"x`)},
		{name: "authorization of an unknown status", code: "metadata.token-status", expect: onlyNewEnds, edits: authorization(`"status":"active"`, `"status":"asleep"`)},
		{name: "authorization without permissions", expect: bothStart, edits: authorization(`"permissions":[`, `"permissions":null,"x":[`)},
		{name: "undecodable 1.x authorization", code: "metadata.undecodable", expect: bothStart, access: true,
			edits: []edit{{Do: "replace", Bucket: "legacy/authorizationsv1", From: `{`, To: `x`}}},
		{name: "undecodable user", code: "metadata.undecodable", expect: bothStart, access: true,
			edits: []edit{{Do: "replace", Bucket: "usersv1", From: `{`, To: `x`}}},
		{name: "undecodable organization", code: "metadata.undecodable", expect: bothStart, access: true,
			edits: []edit{{Do: "replace", Bucket: "organizationsv1", From: `{`, To: `x`}}},
		{name: "undecodable mapping", code: "metadata.undecodable", expect: bothStart, access: true,
			edits: []edit{{Do: "replace", Bucket: "userresourcemappingsv1", From: `{`, To: `x`}}},

		{name: "undecodable bucket", code: "metadata.undecodable", expect: bothEnd, edits: []edit{{Do: "replace", Bucket: "bucketsv1", From: `{`, To: `x`}}},
		{name: "bucket with a bad time", code: "metadata.undecodable", expect: bothEnd, edits: []edit{{Do: "replace", Bucket: "bucketsv1", From: `"createdAt":"`, To: `"createdAt":"x`}}},
		{name: "bucket with a text as retention", code: "metadata.undecodable", expect: bothEnd, edits: []edit{{Do: "replace", Bucket: "bucketsv1", From: `"retentionPeriod":`, To: `"retentionPeriod":"1h","x":`}}},
		{name: "bucket without database", code: "metadata.tsm-absent", expect: bothEnd,
			edits: []edit{{Do: "put", Bucket: "bucketsv1", Key: "00000000000000aa", Value: `{"id":"00000000000000aa","orgID":"` + org + `","type":0,"name":"new","retentionPeriod":0}`}}},
		{name: "no time-series metadata", code: "metadata.tsm-absent", expect: bothEnd, edits: []edit{{Do: "delete", Bucket: "v1_tsm1_metadata", From: "meta.db"}}},
		{name: "time-series metadata that are none", code: "metadata.tsm-undecodable", expect: bothEnd, edits: []edit{{Do: "put", Bucket: "v1_tsm1_metadata", Key: "meta.db", Value: "x"}}},

		{name: "unknown migration", code: "metadata.migration-unknown", expect: bothEnd,
			edits: []edit{{Do: "put", Bucket: "migrationsv1", Key: "0000000000000063", Value: `{"id":"0000000000000063","name":"new"}`}}},
		{name: "migration with a huge number", code: "metadata.migration-unknown", expect: bothEnd,
			edits: []edit{{Do: "put", Bucket: "migrationsv1", Key: "ffffffffffffffff", Value: `{"id":"0000000000000063","name":"new"}`}}},
		{name: "migration of another name", code: "metadata.migration-name", expect: bothEnd,
			edits: []edit{{Do: "replace", Bucket: "migrationsv1", From: "migrate task owner id", To: "something else"}}},
		{name: "migration that is no JSON", code: "metadata.undecodable", expect: bothEnd, edits: []edit{{Do: "replace", Bucket: "migrationsv1", From: `{`, To: `x`}}},
		{name: "migration with a bad time", code: "metadata.undecodable", expect: bothEnd, edits: []edit{{Do: "replace", Bucket: "migrationsv1", From: `"started_at":"`, To: `"started_at":"x`}}},
		{name: "migration whose key is no number", code: "metadata.undecodable", expect: bothEnd,
			edits: []edit{{Do: "put", Bucket: "migrationsv1", Key: "x", Value: `{"id":"0000000000000001","name":"initial migration"}`}}},
		{name: "migration that says another number", expect: bothStart, edits: []edit{{Do: "replace", Bucket: "migrationsv1", From: `"id":"0000000000000003"`, To: `"id":"0000000000000004"`}}},
		{name: "migration that is missing", code: "metadata.migration-gap", expect: bothStart, edits: []edit{{Do: "delete", Bucket: "migrationsv1", From: "migrate task owner id"}}},

		{name: "DBRP mapping without bucket", code: "metadata.dbrp-bucket-gone", expect: bothStart,
			edits: []edit{{Do: "put", Bucket: "dbrpv1", Key: "00000000000000aa", Value: `{"id":"00000000000000aa","database":"d","retention_policy":"r","default":true,"orgID":"` + org + `","bucketID":"00000000000000bb"}`}}},
		{name: "secret that is not in base64", code: "metadata.other-undecodable", expect: bothStart, edits: []edit{{Do: "put", Bucket: "secretsv1", Key: org + "s", Value: "x"}}},
	}
	for _, bucket := range []string{"sourcesv1", "scraperv2", "dashboardsv2", "dashboardcellviewsv1", "checksv1",
		"notificationEndpointv1", "notificationRulev1", "telegrafv1", "telegrafPluginsv1", "variablesv1",
		"labelsv1", "labelmappingsv1", "dbrpv1", "v1_pkger_stacks", "templates/documents/meta"} {
		list = append(list, broken{name: "undecodable in " + bucket, code: "metadata.other-undecodable", expect: bothStart,
			edits: []edit{{Do: "put", Bucket: bucket, Key: "00000000000000aa", Value: "x"}}})
	}
	for _, bucket := range []string{"keyvaluelogv1", "keyvaluelogindexv1", "onboardingv1", "templates/documents/content",
		"taskIndexsv1", "checkindexv1", "variablesindexv1", "remotesv2", "replicationsv2"} {
		list = append(list, broken{name: "garbage in " + bucket, expect: bothStart,
			edits: []edit{{Do: "put", Bucket: bucket, Key: "00000000000000aa", Value: "x"}}})
	}
	list = append(list, broken{name: "garbage in dbrpdefaultv1", code: "metadata.dbrp-index-dangling", expect: bothStart,
		edits: []edit{{Do: "put", Bucket: "dbrpdefaultv1", Key: "00000000000000aa", Value: "x"}}})
	drop := func(code, expect string, access bool, names ...string) {
		for _, name := range names {
			list = append(list, broken{name: "without " + name, code: code, expect: expect, access: access,
				edits: []edit{{Do: "drop", Bucket: name}}})
		}
	}
	drop("metadata.bucket-absent", bothEnd, false, "tasksv1", "taskRunsv1", "labelsv1", "labelindexv1", "labelmappingsv1",
		"notificationRulev1", "authorizationindexv1", "v1_tsm1_metadata", "legacy/authorizationsv1", "legacy/authorizationindexv1")
	drop("metadata.bucket-absent", bothStart, true, "authorizationsv1", "usersv1", "userindexv1", "userspasswordv1",
		"organizationsv1", "organizationindexv1", "userresourcemappingsv1", "userresourcemappingsbyuserindexv1",
		"legacy/authorizationPasswordv1")
	// influxd looks for the bucket of the task's log.
	drop("metadata.bucket-absent", bothEnd, true, "bucketsv1", "bucketindexv1")
	drop("metadata.other-bucket-absent", bothStart, false, "checkindexv1", "checksv1", "dashboardcellviewsv1", "dashboardsv2",
		"dbrpbyorganddbindexv1", "dbrpbyorgv1", "dbrpdefaultv1", "dbrpv1", "keyvaluelogindexv1", "keyvaluelogv1",
		"notificationEndpointIndexv1", "notificationEndpointv1", "onboardingv1", "orgsdashboardsv1", "scraperv2", "secretsv1",
		"sourcesv1", "taskIndexsv1", "telegrafPluginsv1", "telegrafbyorgindexv1", "telegrafv1", "templates/documents/content",
		"templates/documents/meta", "v1_pkger_stacks", "v1_pkger_stacks_index", "variableorgsv1", "variablesindexv1", "variablesv1")
	drop("", bothStart, false, "idsv1", "remotesv2", "replicationsv2", "migrationsv1")
	list = append(list,
		broken{name: "without taskRunsv1 and tasks", code: "metadata.other-bucket-absent", expect: bothStart,
			edits: []edit{{Do: "drop", Bucket: "taskRunsv1"}, {Do: "delete", Bucket: "tasksv1", From: task}}},
		broken{name: "without authorizationhashedindexv1", code: "metadata.bucket-absent", expect: onlyNewEnds, schema21: true,
			edits: []edit{{Do: "drop", Bucket: "authorizationhashedindexv1"}}},
	)
	return list
}

// Servers must not start on a store that has an error in `check`, and must start on one that has only
// warnings. Each state is a change of a real server's store, and both releases are started on it.
func TestWhatStopsInfluxd(t *testing.T) {
	task, org, bucket := factsOfFixture(t)
	started, ended := 0, 0
	for _, c := range brokenStores(task, org, bucket) {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			fixture, releases := "lived-2.7.12.bolt", []server.Release{server.V27, server.V29}
			if c.schema21 {
				fixture, releases = "lived-2.9.1-plaintext.bolt.gz", releases[1:]
			}
			db := unpacked(t, fixture, dir)
			known := map[string]bool{}
			for _, f := range findings(t, db) {
				known[f.Code] = true
				if f.Severity == "error" {
					t.Fatalf("before: %+v", f)
				}
			}
			change(t, db, c.edits)
			told, isError := false, false
			for _, f := range findings(t, db) {
				told = told || f.Code == c.code
				isError = isError || f.Severity == "error"
				if c.code == "" && !known[f.Code] && f.Severity != "info" {
					t.Errorf("%+v", f)
				}
			}
			if c.code != "" && !told {
				t.Errorf("no %s: %+v", c.code, findings(t, db))
			}
			if want := c.expect != bothStart || c.access; isError != want {
				t.Errorf("error: %t, wanted %t: %+v", isError, want, findings(t, db))
			}
			for _, release := range releases {
				copied := copyOf(t, dir)
				s, err := server.Start(release, copied)
				wantsEnd := c.expect == bothEnd || c.expect == onlyNewEnds && release == server.V29
				switch {
				case err == nil:
					started++
					stop(t, s)
					if wantsEnd {
						t.Errorf("%s starts", release)
					}
				case !strings.Contains(err.Error(), "exited while starting"):
					t.Error(err)
				default:
					ended++
					if !wantsEnd {
						text := err.Error()
						t.Errorf("%s ends: %s", release, text[max(0, len(text)-1500):])
					}
				}
			}
		})
	}
	t.Logf("cases: what-stops-influxd %d (%d starts, %d ends)", started+ended, started, ended)
}

// factsOfFixture finds the task of the fixture, its organization and the bucket _tasks.
func factsOfFixture(t *testing.T) (task, org, bucket string) {
	t.Helper()
	db := unpacked(t, "lived-2.7.12.bolt", t.TempDir())
	text, err := exec.Command(server.Binary("bbolt136"), "dump", "--values", db).Output()
	check(t, err)
	pairs := func(name string) string { return "key /" + encoded(name) + " " }
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, pairs("tasksv1")); ok {
			var record struct{ ID, OrgID string }
			_, value, _ := strings.Cut(rest, " =")
			check(t, json.Unmarshal(decoded(t, value), &record))
			task, org = record.ID, record.OrgID
		}
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, pairs("bucketindexv1")+encoded(org+"_tasks")+" ="); ok {
			bucket = string(decoded(t, rest))
		}
	}
	if !objectID.MatchString(task) || !objectID.MatchString(org) || !objectID.MatchString(bucket) {
		t.Fatalf("task %q, organization %q, bucket %q", task, org, bucket)
	}
	return task, org, bucket
}

// `status` reports files beside the database that keep servers from starting.
func TestWhatBesideTheDatabaseStopsInfluxd(t *testing.T) {
	for _, c := range []struct {
		name, code string
		ends       bool
		put        func(dir string) error
	}{
		{"nothing", "", false, func(string) error { return nil }},
		{"an SQLite file that is none", "metadata.sqlite-unusable", true, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "influxd.sqlite"), []byte("this is no database at all"), 0o600)
		}},
		{"an empty SQLite file", "", false, func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "influxd.sqlite"), nil, 0o600)
		}},
		{"a folder _series", "metadata.engine-old", true, func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, "engine", "_series"), 0o700)
		}},
		{"a folder index", "metadata.engine-old", true, func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, "engine", "index"), 0o700)
		}},
		{"a file index", "", false, func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "engine"), 0o700),
				os.WriteFile(filepath.Join(dir, "engine", "index"), nil, 0o600))
		}},
		{"another server's shard", "metadata.engine-foreign", false, func(dir string) error {
			return os.MkdirAll(filepath.Join(dir, "engine", "data", "00000000000000aa", "autogen", "7000"), 0o700)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			db := unpacked(t, "lived-2.7.12.bolt", dir)
			check(t, c.put(dir))
			var report struct{ Findings []finding }
			answer(t, &report, []int{0}, "", "status", "--db", db)
			told, isError := c.code == "", false
			for _, f := range report.Findings {
				told = told || f.Code == c.code
				isError = isError || f.Severity == "error"
			}
			if !told || isError != c.ends {
				t.Errorf("%s, error %t: %+v", c.code, c.ends, report.Findings)
			}
			for _, release := range []server.Release{server.V27, server.V29} {
				s, err := server.Start(release, copyOf(t, dir))
				if err == nil {
					stop(t, s)
				}
				if (err != nil) != c.ends {
					t.Errorf("%s: %v", release, err)
				}
			}
		})
	}
}
