# The program on the file systems that docs/support.md names.

slow_file_systems() {
	needs_root
	needs mount mkfs.ext4 mkfs.xfs mkfs.btrfs python3
	trap 'cd /; umount -q "$scratch"/slow_file_systems/on-* || true' EXIT
	local kind place=$PWD/on-
	for kind in ext4 xfs btrfs; do
		truncate -s 400M $kind.img
		mkfs.$kind -q $kind.img
		mkdir "$place$kind"
		mount -o loop $kind.img "$place$kind" 2>messages || skip "$kind: $(cat messages)"
	done
	mkdir "${place}tmpfs" "${place}overlay"
	mount -t tmpfs none "${place}tmpfs"
	# A container's file: the store is in the lower folder, the change makes a copy in the upper one.
	mkdir -p "${place}ext4/"{lower,upper,work}
	stores "${place}ext4/lower"
	mount -t overlay none "${place}overlay" \
		-o "lowerdir=${place}ext4/lower,upperdir=${place}ext4/upper,workdir=${place}ext4/work"
	for kind in ext4 xfs btrfs tmpfs overlay; do
		[ "$(stat -f -c %T "$place$kind")" != "" ]
		echo "== $kind: $(stat -f -c %T "$place$kind")"
		[ $kind = overlay ] || stores "$place$kind"
		(cd "$place$kind" && exercise "$program")
	done
	# The lower folder keeps the old store.
	cmp "${place}ext4/lower/influxd.bolt" "$root/fixtures/real/upgraded-2.9.1.bolt"
}
