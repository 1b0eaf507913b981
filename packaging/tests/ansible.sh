# The Ansible collection, with ansible-core, over twenty stores of this machine as hosts.

ansible_hosts=20

# The collection where ansible looks for it, and the hosts.
ansible_scene() {
	needs ansible-playbook python3
	needs_file "$program"
	mkdir -p collections/ansible_collections services bin home
	cp -r "$here/ansible/boltkey" collections/ansible_collections/boltkey
	cp "$here/tests/ansible/systemctl" bin/systemctl
	cp "$here"/tests/ansible/*.yml .
	export SERVICES=$PWD/services PATH=$PWD/bin:$PATH HOME=$PWD/home
	export ANSIBLE_COLLECTIONS_PATH=$PWD/collections ANSIBLE_NOCOLOR=1 ANSIBLE_FORKS=4
	export ANSIBLE_LOCAL_TEMP=$PWD/home/local ANSIBLE_REMOTE_TEMP=$PWD/home/remote
	export ANSIBLE_DEPRECATION_WARNINGS=False ANSIBLE_LOCALHOST_WARNING=False ANSIBLE_HOME=$PWD/home
	local host number folder
	echo '[stores]' >inventory
	: >secrets
	for number in $(seq "$1"); do
		host=store$number
		folder=$SERVICES/$host
		mkdir -p "$folder"
		install -m 0600 "$root/fixtures/real/upgraded-2.9.1.bolt" "$folder/influxd.bolt"
		(
			umask 077
			echo "telegraf-of-$host-$RANDOM$RANDOM" >"$folder/telegraf.token"
			echo "password-of-$host-$RANDOM$RANDOM" >"$folder/nora.pw"
			cat >"$folder/tokens.toml" <<-LIST
				[[user]]
				name = "nora"
				orgs = ["acme"]
				passwordFile = "nora.pw"
				[[token]]
				name = "telegraf"
				org = "acme"
				user = "nora"
				permissions = ["write:buckets/metrics"]
				tokenFile = "telegraf.token"
				[[token]]
				name = "made"
				org = "acme"
				user = "nora"
				kind = "all-access"
				generate = "made.token"
			LIST
		)
		cat "$folder/telegraf.token" "$folder/nora.pw" >>secrets
		systemctl start "$host"
		echo "$host ansible_connection=local ansible_python_interpreter=$(command -v python3)" \
			"boltkey_path=$program boltkey_db=$folder/influxd.bolt boltkey_service=$host" \
			"boltkey_list=$folder/tokens.toml" >>inventory
	done
	python3 -c 'import json,sys; [print(a["token"]) for a in json.load(open(sys.argv[1]))["authorizations"] if a.get("token")]' \
		"$root/fixtures/real/lived-2.7.12.authorizations.json" >>secrets
}
ansible_ends() {
	local folder
	for folder in "$SERVICES"/*; do systemctl stop "$(basename "$folder")"; done
}
pids() { cat "$SERVICES"/*/pid; }
sums() { sha256sum "$SERVICES"/*/influxd.bolt; }

# hosts_with NUMBER LOG: how many hosts of the last lines have that many changes and no failure.
hosts_with() { grep -cE "^store[0-9]+ +: ok=[0-9]+ +changed=$1 +unreachable=0 +failed=0" "$2"; }

test_ansible_over_twenty_stores() {
	ansible_scene $ansible_hosts
	trap ansible_ends EXIT
	local before running
	before=$(sums)
	running=$(pids)

	# Check mode: one change each is told, nothing is done, no server is stopped.
	ansible-playbook -vvv -i inventory --check --diff site.yml >check.log 2>&1
	[ "$(hosts_with 1 check.log)" -eq $ansible_hosts ]
	[ "$(grep -c '^+token telegraf in acme' check.log)" -eq $ansible_hosts ]
	[ "$(sums)" = "$before" ]
	[ "$(pids)" = "$running" ]
	not find_any "$SERVICES" -name made.token

	# The first run changes each, and each server runs again.
	ansible-playbook -vvv -i inventory site.yml >first.log 2>&1
	[ "$(hosts_with 1 first.log)" -eq $ansible_hosts ]
	for folder in "$SERVICES"/*; do
		systemctl is-active "$(basename "$folder")"
		cp "$folder/influxd.bolt" copy.bolt
		for token in telegraf made; do
			"$program" auth verify --db copy.bolt --token-file "$folder/$token.token" \
				--can write:buckets/metrics
		done
		cat "$folder/made.token" >>secrets
		rm copy.bolt
	done
	[ "$(cat "$SERVICES"/*/pid | sort | comm -12 - <(sort <<<"$running") | wc -l)" -eq 0 ]

	# The second changes nothing and stops no server. It collects one line for each host.
	before=$(sums)
	running=$(pids)
	ansible-playbook -vvv -i inventory -e "boltkey_report=$PWD/stores.ndjson" site.yml >second.log 2>&1
	[ "$(hosts_with 0 second.log)" -eq $ansible_hosts ]
	[ "$(sums)" = "$before" ]
	[ "$(pids)" = "$running" ]
	[ "$(wc -l <stores.ndjson)" -eq $ansible_hosts ]
	python3 - <<-'PYTHON'
		import json
		lines = [json.loads(line) for line in open("stores.ndjson")]
		assert len({line["host"] for line in lines}) == len(lines)
	PYTHON

	# No secret is in a log or in the collected lines, and no copy of a store is left.
	[ "$(wc -l <secrets)" -gt $((3 * ansible_hosts)) ]
	not grep -F -f secrets ./*.log stores.ndjson
	not find_any home -name '*.bolt'
}

test_ansible_failure_leaves_the_service_running() {
	ansible_scene 2
	trap ansible_ends EXIT
	local before running
	before=$(sums)
	running=$(pids)
	# --keep-copy names a file that exists: boltkey refuses after the server was stopped.
	not ansible-playbook -vvv -i inventory failing.yml >failing.log 2>&1
	[ "$(grep -cE '^store[0-9]+ .* failed=1' failing.log)" -eq 2 ]
	grep -q '"service_restarted": true' failing.log
	[ "$(sums)" = "$before" ]
	for host in store1 store2; do systemctl is-active $host; done
	[ "$(pids | sort | comm -12 - <(sort <<<"$running") | wc -l)" -eq 0 ]
	not grep -F -f secrets failing.log
}

test_ansible_lint_finds_nothing() {
	needs ansible-lint
	mkdir -p ansible_collections home
	cp -r "$here/ansible/boltkey" ansible_collections/boltkey
	export HOME=$PWD/home ANSIBLE_HOME=$PWD/home ANSIBLE_COLLECTIONS_PATH=$PWD
	cd ansible_collections/boltkey/influxdb
	ansible-lint --nocolor --offline --profile production --strict
}

slow_ansible_test_sanity() {
	needs ansible-test git
	mkdir -p ansible_collections home
	cp -r "$here/ansible/boltkey" ansible_collections/boltkey
	cd ansible_collections/boltkey/influxdb
	git init --quiet . && git add .
	# import, validate-modules and pylint download pip; these need nothing.
	for test in action-plugin-docs compile empty-init line-endings no-assert no-get-exception \
		no-illegal-filenames no-smart-quotes replace-urlopen shebang symlinks \
		use-argspec-type-path use-compat-six; do
		ansible-test sanity --python "$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')" \
			--test "$test" --color no
	done
}
