# The OCI image, run by podman.

image=$dist/$name-$version-x86_64.oci.tar
limits=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024) # podman asks for more than a container may

# podman with its storage in the folder of the test. It wants a short path for what is running.
pod() {
	TMPDIR=/tmp podman --root "$pod_root" --runroot "$pod_run" --storage-driver vfs --cgroup-manager cgroupfs \
		--events-backend none --runtime runc "$@"
}
# in_image USER COMMAND…: with a read-only root, without network and capabilities; $data is /data.
in_image() {
	local user=$1
	shift
	pod run --rm --read-only --read-only-tmpfs=false --network none --cap-drop all \
		--user "$user" "${limits[@]}" --volume "$data:/data" "$loaded" "$@"
}
load() {
	needs podman runc python3
	needs_root
	needs_file "$image"
	pod_root=$PWD/storage
	pod_run=$(mktemp -d /tmp/pod.XXXXXX)
	data=$PWD/data
	trap 'rm -rf "$pod_run"' EXIT
	loaded=$(pod load --quiet --input "$image" | sed 's/^Loaded image[^:]*: *//')
	pod run --rm --network none "${limits[@]}" "$loaded" --version >started 2>&1 ||
		skip "podman starts no container here: $(tail -n 1 started)"
}

test_image_has_only_the_binary() {
	needs python3
	needs_file "$image"
	python3 - "$image" <<-'PYTHON'
		import gzip, io, json, sys, tarfile
		image = tarfile.open(sys.argv[1])
		read = lambda name: image.extractfile("./" + name).read()
		blob = lambda digest: read("blobs/" + digest.replace(":", "/"))
		manifest = json.loads(blob(json.loads(read("index.json"))["manifests"][0]["digest"]))
		files = []
		for layer in manifest["layers"]:
		    data = blob(layer["digest"])
		    data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
		    files += [(m.name, oct(m.mode & 0o777)) for m in tarfile.open(fileobj=io.BytesIO(data)) if m.isfile()]
		assert files == [("boltkey", "0o755")], files
		config = json.loads(blob(manifest["config"]["digest"]))["config"]
		assert config["User"] == "1000:1000" and config["Entrypoint"] == ["/boltkey"], config
	PYTHON
}

# works_as_any_user: the loaded image, as a user that it does not know, on a read-only root.
works_as_any_user() {
	stores data
	chown -R 4242:4343 data
	chmod 700 data
	cd data
	run() { in_image 4242:4343 "$@"; }
	owner=4242:4343 inside=/data exercise run
	[ "$(stat -c %u:%g:%a operator.token)" = 4242:4343:600 ]
}

test_image_works_as_any_user_on_a_read_only_root() {
	load
	works_as_any_user
}

# makes_an_operator_token: the command of README.md, which docs/install.md explains, on the volume of a
# stopped container of the official image: user 1000, database and engine in /var/lib/influxdb2.
makes_an_operator_token() {
	mkdir -p data/engine
	stores data
	chown -R 1000:1000 data
	command=$(sed -n 's/^podman run //p' "$root/README.md" | head -n 1)
	grep -qxF "podman run $command" "$root/docs/install.md"
	[[ $command == *"recover operator"* ]]
	command=${command//influxdb2-data:/$data:}
	command=${command//boltkey:$version/$loaded}
	eval "pod run ${limits[*]} $command" | tee printed
	grep -q "created a new operator token" printed
	"$program" auth verify --db data/influxd.bolt --token-file data/operator-token --can write:orgs
	[ "$(stat -c %u:%g:%a data/operator-token)" = 1000:1000:600 ]
}

test_image_makes_an_operator_token_for_a_stopped_container() {
	load
	makes_an_operator_token
}

# The image for arm64, as podman runs it on an arm64 machine.
arm64_image() {
	load
	[ "$(pod image inspect --format '{{.Architecture}}' "$loaded")" = arm64 ]
	makes_an_operator_token
	rm -r data
	works_as_any_user
}

slow_arm64_image_in_podman() {
	needs podman runc python3
	image=$dist/$name-$version-aarch64.oci.tar
	needs_file "$image"
	with_arm64 arm64_image
}
