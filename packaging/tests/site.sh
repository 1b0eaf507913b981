# The documentation site.

test_site_has_every_page_and_no_broken_link() {
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

# Chromium reads the site from a server and from its files: every page, every link, and the search.
test_site_and_its_search_in_a_browser() {
	needs node chromium python3
	needs_file "$here/.tools/bin/mdbook"
	local packages=$root/browser/node_modules
	[ -d "$packages/playwright-core" ] || {
		needs npm
		(cd "$root/browser" && timeout 120 npm ci --ignore-scripts --no-audit --no-fund) >messages 2>&1 ||
			skip "the packages of browser/package-lock.json can't be installed"
	}
	"$here/site"
	cp -r "$root/target/packaging/site/html" html
	CHROMIUM=$(command -v chromium) node "$root/browser/site.mjs" html
	# A link to a page that is not there, and a search without its index, are found.
	cp html/backup.html backup.html
	sed -i 's|</main>|<a href="nowhere.html">nowhere</a></main>|' html/backup.html
	not env CHROMIUM="$(command -v chromium)" node "$root/browser/site.mjs" html >broken
	grep -q '^DEFECT backup.html: link to a page that is there nowhere.html' broken
	cp backup.html html/backup.html
	rm html/searchindex*.js
	not env CHROMIUM="$(command -v chromium)" node "$root/browser/site.mjs" html
}
