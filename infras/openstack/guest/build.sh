#!/bin/sh
# build.sh TARGET.qcow2   The test cloud's guest: Debian's cloud kernel and a system of busybox in memory, 48 MiB. As root.
# It asks for an address, says so on its serial port, answers HTTP, and has a shell on its screen.
set -eu
target=$1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export PATH=/usr/sbin:/sbin:$PATH

package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-.*\)/\1/p' | head -1)
apt-get download "$package"
dpkg -x linux-image-*.deb kernel
version=$(ls kernel/lib/modules)
depmod -b kernel "$version"

mkdir -p root/bin root/sbin root/proc root/sys root/dev root/etc/acpi/PWRF root/tmp root/www root/modules root/personal
cp /bin/busybox root/bin/
for name in $(/bin/busybox --list); do
    [ "$name" = busybox ] || ln -sf /bin/busybox "root/bin/$name"
done
for module in button evdev virtio_pci virtio_net virtio_blk virtio_rng e1000 af_packet ext4 crc32c_generic; do
    modprobe -d "$PWD/kernel" -S "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'
done | awk '!seen[$0]++' | while read -r file; do
    cp "$file" root/modules/
    echo "/modules/$(basename "$file")" >> root/etc/modules
done
echo '<html><body>guest of the test cloud</body></html>' > root/www/index.html
printf '#!/bin/sh\npoweroff -f\n' > root/etc/acpi/PWRF/00000080
cp "$here/init" root/init
cp "$here/dhcp" root/etc/dhcp
for name in say disks look mark keep; do install -m 755 "$here/$name" root/bin/; done
chmod 755 root/init root/etc/dhcp root/etc/acpi/PWRF/00000080
(cd root && find . | cpio -o -H newc --quiet | gzip -6) > initrd.gz

# One FAT partition with a boot loader.
truncate -s 48M disk
echo '2048,,6,*' | sfdisk -q disk
mkfs.vfat -F 16 --offset 2048 disk $(((48 * 1024 * 1024 - 2048 * 512) / 1024)) > /dev/null
syslinux --install --offset $((2048 * 512)) disk
dd if=/usr/lib/syslinux/mbr/mbr.bin of=disk conv=notrunc status=none
export MTOOLS_SKIP_CHECK=1
part=disk@@$((2048 * 512))
mcopy -i "$part" "kernel/boot/vmlinuz-$version" ::vmlinuz
mcopy -i "$part" initrd.gz ::initrd.gz
mcopy -i "$part" "$here/syslinux.cfg" ::syslinux.cfg
qemu-img convert -q -O qcow2 disk made.qcow2
mv made.qcow2 "$target"
