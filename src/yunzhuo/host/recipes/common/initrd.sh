#!/bin/sh
# Inside the new root file system: vmlinuz and initrd.gz into the folder $1, and /boot emptied of what they replace.
set -eu
kernel=$(ls /lib/modules)
work=$1/initrd
mkdir -p "$work/bin" "$work/lib/modules" "$work/proc" "$work/sys" "$work/dev" "$work/root"
cp /bin/busybox "$work/bin/busybox"
cp /recipe/initrd/init "$work/init"
modprobe --set-version "$kernel" --show-depends --all virtio_pci virtio_blk ext4 crc32c_generic |
    awk '$1 == "insmod" && !seen[$2]++ { print $2 }' |
    while read -r module; do
        cp "$module" "$work/lib/modules/"
        basename "$module" >> "$work/lib/modules/order"
    done
(cd "$work" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -9) > "$1/initrd.gz"
mv "/boot/vmlinuz-$kernel" "$1/vmlinuz"
rm -rf "$work" /boot/initrd* /vmlinuz* /initrd*
