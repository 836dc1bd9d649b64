# What only commands can do for the light desktop; configure.sh runs it inside the new root file system.
cp /usr/share/yunzhuo/*.desktop /etc/skel/Desktop/
