# The documentation site.

slow_site_has_every_page_and_no_broken_link() {
	needs python3
	needs_file "$here/.tools/bin/mdbook"
	mkdir -p copy/packaging
	cp -r "$root"/{docs,README.md,CONTRIBUTING.md,SECURITY.md,CHANGELOG.md,LICENSE-MIT,LICENSE-APACHE} copy/
	cp -r "$here"/{site,tools,kubernetes,compose,systemd,nix,ansible,.tools} copy/packaging/
	for folder in fixtures interop browser benches fuzz src tests .ci; do
		ln -s "$root/$folder" "copy/$folder"
	done
	copy/packaging/site | grep -c '^site: [0-9]* pages'
	grep -l residue copy/target/packaging/site/html/searchindex*.js
	# A link to a heading that is not there, and a page that the README does not list.
	echo '[nowhere](hashing.md#no-such-heading)' >>copy/docs/backup.md
	not copy/packaging/site
	cp "$root/docs/backup.md" copy/docs/backup.md
	echo '# New' >copy/docs/new.md
	not copy/packaging/site
}
