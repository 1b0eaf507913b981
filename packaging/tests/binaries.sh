# The static binaries, where nothing else is.

test_static_binary_in_an_empty_root() {
	needs chroot python3
	needs_root
	needs_file "$static"
	# No /dev, no /proc, no /etc, no /tmp: the binary and a folder of the user.
	mkdir -p root
	install -m 0755 "$static" root/boltkey
	stores root/data
	cd root/data
	inside=/data exercise chroot "$PWD/.." /boltkey
	cd ../..
	[ "$(ls root)" = "$(printf 'boltkey\ndata')" ]
}

test_static_binary_as_another_user_on_a_read_only_root() {
	needs chroot unshare python3
	needs_root
	needs_file "$static"
	mkdir -p root/data
	install -m 0755 "$static" root/boltkey
	stores root/data
	chown -R 4242:4343 root/data
	chmod 0700 root/data
	cat >inside.sh <<-'SCRIPT'
		set -eu
		mount --bind root root
		mount --bind root/data root/data
		mount -o remount,bind,ro root
		if touch root/file 2>/dev/null; then exit 1; fi
		chroot --userspec=4242:4343 root /boltkey status /data/influxd.bolt >status
		chroot --userspec=4242:4343 root /boltkey recover operator --db /data/influxd.bolt \
			--user alice --org acme --token-out /data/operator.token --yes
		chroot --userspec=4242:4343 root /boltkey auth verify --db /data/influxd.bolt \
			--token-file /data/operator.token --can write:orgs
	SCRIPT
	unshare --mount sh inside.sh
	[ "$(stat -c %u:%g:%a root/data/operator.token)" = 4242:4343:600 ]
	[ "$(stat -c %u:%g:%a root/data/influxd.bolt)" = 4242:4343:600 ]
}

test_static_binary_names_its_commit() {
	needs git
	needs_file "$static"
	[ -z "$(git -C "$root" status --porcelain --untracked-files=no)" ] || skip "the checkout is modified"
	"$static" --version | grep -cx "commit: $(git -C "$root" log -1 --format=%H)"
}

test_static_binary_has_a_list_of_its_crates() {
	needs python3 objcopy
	needs_file "$static"
	# The section that cargo auditable writes: JSON, compressed by zlib.
	objcopy --dump-section .dep-v0=crates "$static" /dev/null
	python3 - <<-'PYTHON'
		import json, zlib
		names = {p["name"] for p in json.loads(zlib.decompress(open("crates", "rb").read()))["packages"]}
		assert {"boltkey", "age", "rusqlite", "redb"} <= names, names
	PYTHON
}

test_static_binary_names_no_path_of_this_machine() {
	needs strings
	needs_file "$static"
	strings -n 6 "$static" >strings
	[ -s strings ]
	not grep -F -e "$root" -e "${CARGO_HOME:-$HOME/.cargo}" -e "$HOME/.rustup" strings
}

slow_arm64_binary_runs_the_tour() {
	needs qemu-aarch64-static python3
	needs_file "$arm"
	# Where the kernel has no handler for arm64 files, a program of this name starts qemu.
	mkdir -p target/release docs
	printf '#!/bin/sh\nexec qemu-aarch64-static "%s" "$@"\n' "$arm" >target/release/boltkey
	chmod 755 target/release/boltkey
	cp "$root/docs/tour" docs/tour
	ln -s "$root/fixtures" fixtures
	sh docs/tour >tour.log
	grep -c '^\$ boltkey' tour.log
	# A root file system for arm64 with the binary alone, beside the program that runs it here.
	mkdir root
	install -m 0755 "$arm" root/boltkey
	install -m 0755 "$(command -v qemu-aarch64-static)" root/qemu
	stores root/data
	cd root/data
	inside=/data exercise chroot "$PWD/.." /qemu /boltkey
}

slow_builds_twice_to_the_same_bytes() {
	# In another folder: no path may be in the bytes.
	git -C "$root" diff --quiet HEAD || skip "the checkout is modified"
	needs_file "$dist/SHA256SUMS"
	git clone --quiet "$root" clone
	mkdir -p clone/packaging/.tools
	cp -r "$root/packaging/.tools/bin" "$root"/packaging/.tools/*.version clone/packaging/.tools/
	clone/packaging/build
	diff "$dist/SHA256SUMS" clone/dist/SHA256SUMS
}
