# Functions of the tests of packaging/test, which sources this file.

ran=0
failed=()
not_run=()

# A test is a function whose name begins with test_. It runs in a shell of its own with `set -e`, in
# an empty folder, and fails with the first command that fails.
run_test() {
	local test=$1 folder log status begun=$SECONDS
	folder=$scratch/$test
	log=$logs/$test.log
	mkdir -p "$folder"
	(
		set -eEuo pipefail
		trap 'echo "line $LINENO of $test: $BASH_COMMAND" >&2' ERR
		cd "$folder"
		"$test"
	) >"$log" 2>&1 </dev/null
	# Not `( … ) || status=$?`: there bash ignores `set -e`.
	status=$?
	if [ "$status" -eq 77 ]; then
		not_run+=("${test#*_}: $(tail -n 1 "$log")")
	elif [ "$status" -eq 0 ]; then
		ran=$((ran + 1))
		echo "ok ${test#*_} ($((SECONDS - begun)) s)"
	else
		failed+=("${test#*_}")
		tail -n 25 "$log"
		echo "FAILED ${test#*_}; all of its output is in $log"
	fi
}

# not COMMAND…: fails if the command succeeds. `set -e` does not see `! COMMAND`.
not() {
	if "$@"; then
		echo "succeeded, and must not: $*" >&2
		return 1
	fi
}
find_any() { find "$@" | grep .; }

# The tests below must fail, or nothing that a test says is worth anything.
broken_early() {
	false
	true
}
broken_not() {
	not true
	true
}
broken_function() {
	broken_early
	true
}
check_the_runner() {
	local test
	for test in broken_early broken_not broken_function; do
		run_test $test >/dev/null
	done
	[ "${failed[*]}" = "early not function" ] || {
		echo "packaging: FAILED: the runner does not see failures (${failed[*]})"
		exit 1
	}
	failed=()
}

# skip REASON: this test can't run here.
skip() {
	echo "$*"
	exit 77
}
needs() {
	local program
	for program in "$@"; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
}
needs_root() { [ "$(id -u)" -eq 0 ] || skip "needs root"; }
needs_file() { [ -e "$1" ] || skip "${1#"$root"/} was not built"; }

# with_arm64 FUNCTION: ends with a function, run where the kernel runs arm64 programs by qemu: in a user namespace,
# which since Linux 6.7 has such a table of its own. The machine's table does not change.
with_arm64() {
	needs unshare qemu-aarch64-static
	needs_root
	local pid
	mkfifo mapped
	inside_arm64=$1
	declare -p >variables
	declare -f >functions
	cat >namespace.sh <<-'SCRIPT'
		source variables 2>/dev/null
		source functions
		set -eEuo pipefail
		table=/proc/sys/fs/binfmt_misc
		mount -t binfmt_misc none $table && [ ! -e $table/qemu-aarch64 ] || exit 78
		magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
		mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
		echo -n ":qemu-aarch64:M::$magic:$mask:$(command -v qemu-aarch64-static):F" >$table/register || exit 78
		trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
		"$inside_arm64"
	SCRIPT
	# All users are those of the machine. Root has its rights when the shell starts after that is told.
	unshare --user --mount bash -c 'read -r <mapped; exec bash namespace.sh' &
	pid=$!
	until [ "$(readlink /proc/$pid/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.1; done
	echo "0 0 65536" >/proc/$pid/uid_map
	echo "0 0 65536" >/proc/$pid/gid_map
	echo >mapped
	status=0
	wait $pid || status=$?
	[ $status -ne 78 ] || skip "a user namespace of this kernel has no table of program formats"
	exit $status
}

# stores FOLDER: a store that InfluxDB 2.9.1 wrote, and a SQLite file with the schema of that release.
stores() {
	mkdir -p "$1"
	install -m 0600 "$root/fixtures/real/upgraded-2.9.1.bolt" "$1/influxd.bolt"
	python3 - "$1/influxd.sqlite" <<'PYTHON'
import os, sqlite3, sys

os.umask(0o077)
names = ["0001_create_migrations_table", "0002_create_notebooks_table",
         "0003_create_annotations_tables", "0004_create_remotes_table",
         "0005_create_replications_table", "0006_migrate_replications_foreign_key",
         "0007_migrate_replications_add_bucket_name", "0008_migrate_remotes_null_remote_org"]
file = sqlite3.connect(sys.argv[1])
file.execute("CREATE TABLE migrations(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL)")
file.executemany("INSERT INTO migrations(name) VALUES (?)", [[name] for name in names])
for table in ["notebooks(id TEXT, org_id TEXT)", "streams(id TEXT, org_id TEXT)",
              "annotations(id TEXT, org_id TEXT)",
              "remotes(id TEXT, org_id TEXT, remote_org_id TEXT, remote_api_token TEXT)",
              "replications(id TEXT, org_id TEXT, remote_bucket_name TEXT)"]:
    file.execute("CREATE TABLE " + table)
file.commit()
PYTHON
}

# exercise COMMAND…: what every build must be able to do in the current folder, through this command,
# which sees the folder as $inside. Random bytes, hashing, age, SQLite, gzip, both engines.
exercise() {
	local run=("$@") d=${inside:-$PWD}
	# An empty root has no /tmp, and nothing here may need a folder for temporary files.
	unset TMPDIR
	"${run[@]}" --version | grep -c "^commit: "
	"${run[@]}" status "$d/influxd.bolt" | grep -c "^Access:"
	"${run[@]}" recover operator --db "$d/influxd.bolt" --user alice --org acme \
		--token-out "$d/operator.token" --yes
	"${run[@]}" auth verify --db "$d/influxd.bolt" --token-file "$d/operator.token" --can write:orgs
	(umask 077 && echo 'correct horse battery' >password)
	[ -z "${owner:-}" ] || chown "$owner" password
	"${run[@]}" setup --db "$d/new.bolt" --username alice --org acme --bucket metrics \
		--password-file "$d/password" --token-out "$d/new.token" --store plaintext
	# age: a capture under a passphrase, opened again.
	"${run[@]}" capture --db "$d/new.bolt" --out "$d/captured.age" --passphrase-file "$d/password"
	head -c 21 captured.age | grep -qa "age-encryption.org/v1"
	"${run[@]}" hash --db "$d/new.bolt" --capture "$d/captured.age" --passphrase-file "$d/password" --yes
	"${run[@]}" auth verify --db "$d/new.bolt" --token-file "$d/new.token" --can write:orgs
	# SQLite: a backup with the SQLite file of a server, exported and inspected.
	"${run[@]}" backup export --db "$d/influxd.bolt" --sqlite-path "$d/influxd.sqlite" --out "$d/backup"
	"${run[@]}" backup inspect "$d/backup" --operator-token-file "$d/operator.token" >inspected
	grep -q sqlite inspected
	mkdir restored
	[ -z "${owner:-}" ] || chown "$owner" restored
	"${run[@]}" backup restore "$d/backup" --to "$d/restored/influxd.bolt" \
		--operator-token-file "$d/operator.token"
	[ -s restored/influxd.sqlite ]
	"${run[@]}" doctor --db "$d/restored/influxd.bolt" >doctor || [ $? -eq 3 ]
	grep -c "influxd.sqlite" doctor
	"${run[@]}" convert --db "$d/restored/influxd.bolt" --out "$d/restored.redb"
	"${run[@]}" check "$d/restored.redb"
}

# summary: what ran and what did not, and the line that the gate reads.
summary() {
	local line
	for line in "${not_run[@]}"; do
		echo "NOT RUN $line"
	done
	if [ ${#failed[@]} -gt 0 ]; then
		echo "packaging: FAILED: ${failed[*]}"
	fi
	echo "packaging: $ran tests ran"
	[ ${#failed[@]} -eq 0 ]
}
