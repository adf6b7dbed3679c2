#!/bin/sh
# Brings the cluster engines of tests/engines on a bare Debian, as root. What is there is left alone.
set -eu
missing=""
for package in slurmd slurmctld slurm-client munge openmpi-bin busybox-static; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
    apt-get update -q
    # No daemon is to start by itself: the tests start their own, in their own cgroups.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=1; }
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
    [ -z "${made:-}" ] || rm -f "$policy"
fi
