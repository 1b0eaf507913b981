# Kubernetes, Compose, systemd and Nix: each command line is run as the image or the unit runs it.

# The files of the Secret, or of the folder of Compose, and an empty volume, for user 1000.
secrets() {
	mkdir -p secrets volumes/data
	(umask 077 && echo 'correct horse battery' >secrets/admin.password)
	(umask 077 && echo 'operator-token-known-in-advance' >secrets/admin.token)
	(umask 077 && echo 'telegraf-token-known-in-advance' >secrets/telegraf.token)
	(
		umask 077
		cat >secrets/tokens.toml <<-'LIST'
			[[bucket]]
			name = "metrics"
			org = "acme"
			retention = "30d"
			[[token]]
			name = "telegraf"
			org = "acme"
			user = "admin"
			permissions = ["write:buckets/metrics"]
			tokenFile = "telegraf.token"
		LIST
	)
	chown -R 1000:1000 secrets volumes
	chmod 755 . secrets volumes/data
}

# Both tokens work on the store.
provisioned() {
	"$program" auth verify --db volumes/data/influxd.bolt --token-file secrets/admin.token --can write:orgs
	"$program" auth verify --db volumes/data/influxd.bolt --token-file secrets/telegraf.token \
		--can write:buckets/metrics
	[ "$(stat -c %u:%g:%a volumes/data/influxd.bolt)" = 1000:1000:600 ]
}

# The containers of a manifest make the tokens, and the next start changes nothing.
provisions_once() {
	local before
	python3 "$here/tests/container.py" "$1" "$static" "$PWD"
	provisioned
	before=$(sha256sum volumes/data/*)
	python3 "$here/tests/container.py" "$1" "$static" "$PWD"
	[ "$(sha256sum volumes/data/*)" = "$before" ]
}

manifests_can_run() {
	needs unshare chroot python3
	needs_root
	needs_file "$static"
	python3 -c 'import yaml' 2>/dev/null || skip "Python has no package yaml"
}

test_kubernetes_provisions_from_a_secret() {
	manifests_can_run
	secrets
	# The values and the list of the manifest itself, as a pod gets them.
	python3 - "$here/kubernetes/tokens-from-secret.yaml" <<-'PYTHON'
		import os, sys, yaml
		secret = next(yaml.safe_load_all(open(sys.argv[1])))
		for name, text in secret["stringData"].items():
		    path = "secrets/" + name
		    with open(path, "w") as file:
		        file.write(text)
		    os.chown(path, 0, 1000)
		    os.chmod(path, 0o440)
	PYTHON
	provisions_once "$here/kubernetes/tokens-from-secret.yaml"
}

test_kubernetes_makes_an_operator_token() {
	manifests_can_run
	mkdir -p volumes/data
	"$program" setup --db volumes/data/influxd.bolt --username admin --org acme --bucket metrics \
		--password-file <(echo 'correct horse battery') --token-out lost.token
	chown -R 1000:1000 volumes
	# While a server has the volume, the job fails and changes nothing.
	before=$(sha256sum volumes/data/*)
	status=0
	python3 - "$here/tests/container.py" "$here/kubernetes/operator-token.yaml" "$static" "$PWD" \
		<<-'PYTHON' || status=$?
		import fcntl, subprocess, sys
		with open("volumes/data/influxd.bolt", "r+b") as file:
		    fcntl.flock(file, fcntl.LOCK_EX)
		    sys.exit(subprocess.run([sys.executable] + sys.argv[1:]).returncode)
	PYTHON
	[ $status -eq 4 ]
	[ "$(sha256sum volumes/data/*)" = "$before" ]
	python3 "$here/tests/container.py" "$here/kubernetes/operator-token.yaml" "$static" "$PWD"
	"$program" auth verify --db volumes/data/influxd.bolt --token-file volumes/data/operator-token \
		--can write:orgs
	[ "$(stat -c %u:%g:%a volumes/data/operator-token)" = 1000:1000:600 ]
}

test_compose_provisions_from_secret_files() {
	manifests_can_run
	secrets
	provisions_once "$here/compose/compose.yaml"
}

test_kubernetes_manifests_match_the_schema() {
	needs kubernetes-validate
	kubernetes-validate --strict "$here"/kubernetes/*.yaml
	# A wrong field is found.
	sed 's/runAsNonRoot: true/runAsNobody: true/' "$here/kubernetes/operator-token.yaml" >wrong.yaml
	not kubernetes-validate --strict wrong.yaml
}

test_compose_matches_the_schema_of_compose() {
	needs check-jsonschema
	check-jsonschema --builtin-schema vendor.compose-spec "$here/compose/compose.yaml"
}

test_systemd_unit_is_valid() {
	needs systemd-analyze
	# The unit of the server and the program are not on this machine.
	mkdir -p units
	sed "s|^ExecStart=/usr/bin/boltkey|ExecStart=$program|" "$here/systemd/boltkey-apply.service" \
		>units/boltkey-apply.service
	printf '[Service]\nExecStart=/bin/true\n' >units/influxdb.service
	SYSTEMD_UNIT_PATH=$PWD/units: systemd-analyze verify --man=no units/boltkey-apply.service 2>messages ||
		{ cat messages && false; }
	not grep boltkey messages
}

test_systemd_command_applies_the_credentials() {
	secrets
	command=$(sed -n 's|^ExecStart=/usr/bin/boltkey ||p' "$here/systemd/boltkey-apply.service")
	"$program" setup --db volumes/data/influxd.bolt --username admin --org acme --bucket metrics \
		--password-file secrets/admin.password --token-file secrets/admin.token
	export CREDENTIALS_DIRECTORY=$PWD/secrets
	command=${command//\/var\/lib\/influxdb\//volumes/data/}
	eval "\"$program\" $command"
	"$program" auth verify --db volumes/data/influxd.bolt --token-file secrets/telegraf.token \
		--can write:buckets/metrics
	# Each file that the example list names is a credential.
	grep -q '^LoadCredential=telegraf.token:' "$here/systemd/boltkey-apply.service"
}

test_nix_files_are_valid() {
	needs nix-instantiate
	nix-instantiate --parse "$here/nix/module.nix" >/dev/null
	nix-instantiate --parse "$here/nix/package.nix" >/dev/null
}

test_nix_script_applies_the_credentials() {
	needs nix-instantiate
	secrets
	"$program" setup --db volumes/data/influxd.bolt --username admin --org acme --bucket metrics \
		--password-file secrets/admin.password --token-file secrets/admin.token
	mkdir -p package/bin
	ln -s "$program" package/bin/boltkey
	nix() { NIX_STATE_DIR=$PWD/nix nix-instantiate --eval --strict --json "$@"; }
	nix "$here/tests/module.nix" --argstr package "$PWD/package" \
		--argstr database "$PWD/volumes/data/influxd.bolt" >evaluated
	python3 -c 'import json; print(json.load(open("evaluated"))["preStart"])' >script
	grep -q boltkey script
	CREDENTIALS_DIRECTORY=$PWD/secrets sh -eu script
	"$program" auth verify --db volumes/data/influxd.bolt --token-file secrets/telegraf.token \
		--can write:buckets/metrics
	grep -qF '"LoadCredential":["telegraf.token:/run/secrets/telegraf.token","tokens.toml:/run/secrets/tokens.toml"]' evaluated
}
