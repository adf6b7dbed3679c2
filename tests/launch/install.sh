#!/bin/sh
# Install what tests/launch tries the library of kumo run --view with, on Debian and as root.
set -eu
packages="busybox-static clang-14 fakeroot gcc gcc-12-multilib golang-github-containers-common hwloc
          libjemalloc2 libomp5-14 libseccomp2 musl-tools numactl valgrind"
absent=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || absent="$absent $package"
done
[ -n "$absent" ] || exit 0
[ "$(id -u)" = 0 ] || { echo "install.sh must run as root to install$absent" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $absent
