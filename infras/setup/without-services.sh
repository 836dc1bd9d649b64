#!/bin/sh
# without-services.sh "UNIT..." COMMAND...   Runs a command that installs packages, and keeps their services from starting: now
# (policy-rc.d, Debian's own way) and at the next boot (systemctl disable). As root.
set -eu
units=$1
shift
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
"$@"
if command -v systemctl > /dev/null; then
    for unit in $units; do
        systemctl disable --quiet "$unit" 2> /dev/null || true
    done
fi
