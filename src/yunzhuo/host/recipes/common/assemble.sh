#!/bin/bash
# assemble SCRATCH DISK_MIB GUEST_FD DISK_FD KERNEL_FD INITRD_FD < PACKAGES.tar
#
# Makes an image's disk, kernel and initrd from installed packages and the recipe's files, as root (of its namespace, so that
# every file gets its right owner). Reads and writes what its caller opened: root of a namespace cannot open it itself.
set -euo pipefail
umask 022
scratch=$1 disk_mib=$2 guest_fd=$3 disk_fd=$4 kernel_fd=$5 initrd_fd=$6

work=$(mktemp --directory "$scratch/assemble.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
root=$work/root
made=$work/made
mkdir "$root" "$made"
cd "$work"

step() { echo "@step $1"; }
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 chroot "$root" sh "$@"; }

step unpack
tar --extract --directory "$root" --exclude './dev/*'
tar --extract --directory "$root" <&"$guest_fd"
# A namespace cannot make devices, and the kernel brings its own. What runs inside needs no more than something to write to.
: > "$root/dev/null"

step configure
inside /recipe/configure.sh

step initrd
mkdir "$root/recipe/made"
inside /recipe/initrd.sh /recipe/made
cat "$root/recipe/made/vmlinuz" >&"$kernel_fd"
cat "$root/recipe/made/initrd.gz" >&"$initrd_fd"

step disk
rm -rf "$root/recipe" "$root/dev/null"
mkdir "$root/var/lib/desktop"
echo $((disk_mib * 2048)) > "$root/var/lib/desktop/disk-sectors"
mke2fs -q -t ext4 -L root -m 1 -J size=16 -E lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0 \
    -d "$root" "$made/disk.raw" "${disk_mib}M"

step convert
qemu-img convert -f raw -O qcow2 "$made/disk.raw" "$made/disk.qcow2"
cat "$made/disk.qcow2" >&"$disk_fd"
