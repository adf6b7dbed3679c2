#!/bin/sh
# Brings the cluster engines of tests/engines on a bare Debian, as root. What is there is left alone.
# Dask, Ray and Celery come from PyPI, into a virtual environment in $KUMO_ENGINES_CACHE, by default
# ~/.cache/kumo-engines.
#
#     sh tests/engines/install.sh [PYTHON]
set -eu
missing=""
for package in slurmd slurmctld slurm-client munge openmpi-bin busybox-static redis-server; do
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

cache="${KUMO_ENGINES_CACHE:-$HOME/.cache/kumo-engines}"
python="${1:-python3}"
[ -x "$cache/venv/bin/pip" ] || "$python" -m venv "$cache/venv"
[ -x "$cache/venv/bin/ray" ] ||
    "$cache/venv/bin/pip" install --quiet --disable-pip-version-check distributed ray celery redis
