# What only commands can do for the XFCE desktop; configure.sh runs it inside the new root file system.

# The Super key opens the menu.
shortcuts=/etc/xdg/xfce4/xfconf/xfce-perchannel-xml/xfce4-keyboard-shortcuts.xml
entry='<property name="Super_L" type="string" value="xfce4-popup-whiskermenu"/>'
sed -i "0,/<property name=\"default\" type=\"empty\">/s||&\n      $entry|" $shortcuts
grep -q Super_L $shortcuts

# The session starts these itself, or does without.
cd /etc/xdg/autostart
rm -f pulseaudio.desktop spice-vdagent.desktop org.fcitx.Fcitx5.desktop xscreensaver.desktop xfce4-clipman-plugin-autostart.desktop

# Entries of the menu that are not for people, or that stand there under another name.
cd /usr/share/applications
for entry in fcitx5-configtool xfce4-mail-reader xfce4-color-settings xfce4-terminal-emulator xfce4-file-manager \
    xfce4-web-browser panel-desktop-handler panel-preferences thunar-bulk-rename org.fcitx.Fcitx5 gcr-prompter gcr-viewer; do
    [ ! -e $entry.desktop ] || sed -i '0,/^\[Desktop Entry\]/s//&\nNoDisplay=true/' $entry.desktop
done
update-desktop-database --quiet
systemctl --quiet --global mask at-spi-dbus-bus.service
