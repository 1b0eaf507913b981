# Completions in the shells themselves, and the manual pages.

test_completions_load_in_bash() {
	needs bash
	"$program" completions bash >boltkey.bash
	PATH=$(dirname "$program"):$PATH bash --norc --noprofile -c '
		set -eu
		[ "$(basename "$0")" = boltkey ] || boltkey() { "$0" "$@"; }
		source ./boltkey.bash
		complete -p boltkey
	' "$program"
}

test_completions_load_in_zsh() {
	needs zsh
	mkdir functions
	"$program" completions zsh >functions/_boltkey
	zsh -f -c '
		fpath=($PWD/functions $fpath)
		autoload -Uz compinit && compinit -u -d $PWD/dump
		[[ ${_comps[boltkey]} == _boltkey ]] || exit 1
		autoload +X _boltkey
	'
}

test_completions_load_in_fish() {
	needs fish
	mkdir bin home
	ln -s "$program" bin/boltkey
	"$program" completions fish >boltkey.fish
	HOME=$PWD/home PATH=$PWD/bin:$PATH fish --no-config -c '
		source boltkey.fish
		complete -C "boltkey aut"
	' >completed
	grep -q "^auth" completed
}

test_man_pages_have_no_warnings() {
	needs mandoc
	"$program" man --out pages
	[ "$(ls pages | wc -l)" -gt 40 ]
	mandoc -T lint -W warning pages/*.1
}

test_man_pages_are_the_same_for_the_same_commit() {
	SOURCE_DATE_EPOCH=1700000000 "$program" man --out one
	SOURCE_DATE_EPOCH=1700000000 "$program" man --out two
	diff -r one two
	grep -q '2023-11-14' one/boltkey.1
}
