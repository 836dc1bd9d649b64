#!/bin/sh
# Inside the new root file system, after the packages and the files of guest/: what only commands can do.
set -eu

# its two languages; the sources of all others are not needed any more
for language in en_US zh_CN; do localedef --inputfile=$language --charmap=UTF-8 $language.UTF-8; done
rm -rf /usr/share/i18n/charmaps /usr/share/i18n/locales

# what is special to this desktop
for folder in Desktop Documents Downloads Music Pictures Templates Videos; do mkdir -p /etc/skel/$folder; done
sh -eu /recipe/desktop.sh

# A shell in a golden was started before the clone had its name: the prompt asks for it each time.
sed -i 's/@\\h/${machine:+@$machine}/g' /etc/bash.bashrc /etc/skel/.bashrc /root/.bashrc
echo '. /etc/desktop/prompt' >> /etc/bash.bashrc

# one person, who logs in by himself; no password exists
useradd --no-create-home --shell /bin/bash --groups sudo,audio,video,input user
cp -a /etc/skel /home/user
chown -R user:user /home/user
passwd --quiet --lock root
passwd --quiet --lock user

# where identify writes files before it moves them into place
mkdir /etc/desktop/identity

# what makes a machine itself comes later, from /etc/desktop/identify
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id
: > /etc/machine-id
ln -s /etc/machine-id /var/lib/dbus/machine-id

systemctl --quiet enable desktop.service desktop-grow.service desktop-network.service
systemctl --quiet disable ssh.service
systemctl --quiet set-default multi-user.target
systemctl --quiet mask $(sed 's/#.*//' /recipe/masked-units.txt)
systemctl --quiet --global mask obex.service dirmngr.socket gpg-agent.socket gpg-agent-ssh.socket gpg-agent-extra.socket \
    gpg-agent-browser.socket
for kind in system user; do
    mkdir -p /etc/systemd/$kind-generators
    for generator in /usr/lib/systemd/$kind-generators/*; do
        [ "${generator##*/}" = systemd-fstab-generator ] || ln -s /dev/null "/etc/systemd/$kind-generators/${generator##*/}"
    done
done
ln -s /dev/null /etc/udev/rules.d/90-alsa-restore.rules

# the wallpaper as pixels, which draw faster
gdk-pixbuf-thumbnailer --size 1920 /usr/share/backgrounds/yunzhuo/default.svg /usr/share/backgrounds/yunzhuo/default.png

# caches that would otherwise be made while a person waits
fc-cache --system-only
update-mime-database /usr/share/mime
for theme in /usr/share/icons/*/index.theme; do gtk-update-icon-cache --quiet --force "${theme%/*}"; done
depmod "$(ls /lib/modules)"

# what mmdebstrap needed and a person who installs packages does not want
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap /etc/apt/apt.conf.d/99mmdebstrap
rm -rf /var/cache/apt/* /var/lib/apt/lists/* /var/log/apt /var/log/*.log /var/cache/debconf/*-old
