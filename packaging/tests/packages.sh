# Tarball, deb and rpm: installed, used and removed.

# A folder as the root of a Debian system that has only dpkg's database.
deb_root() {
	mkdir -p "$1"/var/lib/dpkg/{info,updates,triggers} "$1"/etc/dpkg "$1"/usr/bin
	: >"$1/var/lib/dpkg/status"
}

# is_installed ROOT: the files of a package are in their places.
is_installed() {
	[ "$(stat -c %a "$1/usr/bin/boltkey")" = 755 ]
	[ -s "$1/usr/share/bash-completion/completions/boltkey" ]
	[ -s "$1/usr/share/fish/vendor_completions.d/boltkey.fish" ]
	[ "$(find "$1/usr/share/man/man1" -name 'boltkey*.1*' | wc -l)" -gt 40 ]
	find "$1/usr/share" -name 'LICENSES-CRATES.txt*' | grep -c .
}

use_it() {
	mkdir -p "$1/data"
	stores "$1/data"
	(cd "$1/data" && inside=/data exercise chroot "$1" /usr/bin/boltkey)
	rm -r "$1/data"
}

test_deb_is_installed_used_and_removed() {
	needs dpkg chroot python3
	needs_root
	local package=$dist/boltkey_$version-1_amd64.deb
	needs_file "$package"
	deb_root "$PWD/root"
	dpkg --root="$PWD/root" --force-script-chrootless --install "$package"
	is_installed root
	[ -s root/usr/share/zsh/vendor-completions/_boltkey ]
	use_it "$PWD/root"
	dpkg --root="$PWD/root" --force-script-chrootless --remove boltkey
	not find_any root/usr -name '*boltkey*'
}

test_rpm_is_installed_used_and_removed() {
	needs rpm chroot python3
	needs_root
	local package=$dist/boltkey-$version-1.x86_64.rpm
	needs_file "$package"
	mkdir root
	rpm --root "$PWD/root" --initdb
	rpm --root "$PWD/root" --install --nosignature "$package"
	is_installed root
	[ -s root/usr/share/zsh/site-functions/_boltkey ]
	[ "$(rpm --root "$PWD/root" -qf /usr/bin/boltkey)" = "boltkey-$version-1.x86_64" ]
	use_it "$PWD/root"
	rpm --root "$PWD/root" --erase boltkey
	not find_any root/usr -type f -name '*boltkey*' # rpm leaves the folders of its documents
}

test_tarball_has_everything() {
	local package=$dist/$name-$version-x86_64-linux
	needs_file "$package.tar.gz"
	tar -xzf "$package.tar.gz"
	cd "$name-$version-x86_64-linux"
	./boltkey --version
	for file in LICENSE-MIT LICENSE-APACHE CHANGELOG.md README.md man/boltkey.1 completions/_boltkey; do
		[ -s $file ]
	done
	for crate in age rusqlite redb clap; do
		grep -q "^  $crate " LICENSES-CRATES.txt
	done
	# Every owner is root, every time that of the commit.
	tar --list --verbose --numeric-owner -f "$package.tar.gz" | awk '$2 != "0/0" { exit 1 }'
}

test_sbom_lists_the_crates() {
	needs python3
	local sbom=$dist/$name-$version.cdx.json
	needs_file "$sbom"
	not grep -F "$root" "$sbom"
	python3 - "$sbom" "$root/Cargo.lock" <<-'PYTHON'
		import json, re, sys
		sbom = json.load(open(sys.argv[1]))
		assert sbom["bomFormat"] == "CycloneDX", sbom["bomFormat"]
		listed = {(c["name"], c["version"]) for c in sbom["components"]}
		locked = set(re.findall(r'name = "([^"]+)"\nversion = "([^"]+)"', open(sys.argv[2]).read()))
		assert len(listed) > 100, len(listed)
		assert listed <= locked, listed - locked
		assert any(name == "age" for name, _ in listed)
	PYTHON
}

test_checksums_are_right() {
	needs_file "$dist/SHA256SUMS"
	(cd "$dist" && sha256sum --quiet --check SHA256SUMS)
	[ "$(wc -l <"$dist/SHA256SUMS")" -eq "$(find "$dist" -type f ! -name SHA256SUMS | wc -l)" ]
}

slow_crate_builds_by_itself() {
	needs cargo
	local crate=$dist/$name-$version.crate
	needs_file "$crate"
	tar -xzf "$crate"
	cd "$name-$version"
	# Not in the target folder of the checkout: cargo takes both for the same package, and what was compiled
	# of one for the other. The dependencies are kept for the next time.
	export CARGO_TARGET_DIR=$root/target/packaging/crate
	cargo clean --quiet --locked --offline --package "$name"
	cargo build --quiet --locked --offline
	"$CARGO_TARGET_DIR/debug/$name" --version | tee version
	# The commit that `cargo package` recorded.
	grep -F "commit: $(sed -nE 's/^ *"sha1": "([0-9a-f]{40})".*/\1/p' .cargo_vcs_info.json)" version
	"$CARGO_TARGET_DIR/debug/$name" status "$root/fixtures/real/upgraded-2.9.1.bolt" | grep -c '^Access:'
}
