#!/bin/sh
# Build the CPython without a global lock that the hot path and the pools are tried on, too: from
# Debian's source package, into a directory of its own. On Debian and as root.
# A second call finds it in place and ends at once. Prints the interpreter's path last.
set -eu

cache="${KUMO_FREE_THREADED_CACHE:-$HOME/.cache/kumo-free-threaded}"
python="$cache/python/bin/python3.13t"
source=python3.13_3.13.5.orig.tar.xz
checksum=93e583f243454e6e9e4588ca2c2662206ad961659863277afcdb96801647d640

complete() {
    [ -x "$python" ] && "$python" -c 'import ctypes, ssl, sys, zlib; sys.exit(sys._is_gil_enabled())'
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends \
        curl gcc libc6-dev libffi-dev libssl-dev make xz-utils zlib1g-dev
}

build() {
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    # The archive that apt is set up with; the package is of a newer Debian than this may be.
    site="$(apt-get indextargets --format '$(SITE)' | grep -v security | head -n 1)"
    curl -fsS -o "$work/$source" "$site/pool/main/p/python3.13/$source"
    echo "$checksum  $work/$source" | sha256sum --check --quiet
    tar -xJf "$work/$source" -C "$work"
    cd "$work/Python-3.13.5"
    ./configure --quiet --disable-gil --disable-test-modules --prefix="$cache/python" \
        >"$work/log" 2>&1 && make -j"$(nproc)" >>"$work/log" 2>&1 && make install >>"$work/log" 2>&1 ||
        { tail -n 30 "$work/log" >&2; exit 1; }
}

if ! complete; then
    [ "$(id -u)" = 0 ] || { echo "install.sh must run as root" >&2; exit 1; }
    mkdir -p "$cache"
    install_packages >&2
    build
    complete || { echo "something is still missing after the build" >&2; exit 1; }
fi
echo "$python"
