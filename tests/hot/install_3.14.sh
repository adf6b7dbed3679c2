#!/bin/sh
# Bring Python 3.14, which is newer than the Debian that this is for: from the packages of Debian's
# development branch, unpacked into a directory of its own together with the libraries that they
# need. The system's own packages stay as they are. On Debian and as root; it takes a minute.
# A second call finds it in place and ends at once. Prints the interpreter's path last.
set -eu

cache="${KUMO_PYTHON_3_14_CACHE:-$HOME/.cache/kumo-python3.14}"
python="$cache/usr/bin/python3.14"
packages="python3.14 python3.14-minimal python3.14-venv libpython3.14-minimal libpython3.14-stdlib
    libc6 libexpat1 libffi8 libgcc-s1 liblzma5 libbz2-1.0 libssl3t64 libuuid1 libzstd1 zlib1g
    libsqlite3-0 libdb5.3t64 libncursesw6 libtinfo6 libreadline8t64"

complete() {
    [ -x "$python" ] && "$python" -c 'import ctypes, ssl, sys, venv, zlib; sys.exit(sys.version_info < (3, 14))'
}

# Download the packages into the directory $1. The archive is the one that apt is set up with; the
# lists of the other branch stay out of the system's own.
download() {
    site="$(apt-get indextargets --format '$(SITE)' | grep -v security | head -n 1)"
    mkdir -p "$1/lists/partial" "$1/archives/partial"
    echo "deb [arch=$(dpkg --print-architecture)] $site sid main" >"$1/sources.list"
    set -- "$1" -o "Dir::Etc::SourceList=$1/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$1/lists" -o "Dir::Cache=$1" -o APT::Sandbox::User=root
    directory="$1"
    shift
    apt-get "$@" -q update
    # shellcheck disable=SC2086
    (cd "$directory" && apt-get "$@" -q download $packages)
}

unpack() {
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    download "$work"
    mkdir -p "$cache"
    for package in "$work"/*.deb; do
        dpkg-deb --extract "$package" "$cache"
    done
    libraries="$cache/usr/lib/$(uname -m)-linux-gnu"
    # Not for the program alone: its extension modules find their libraries by it, too.
    patchelf --force-rpath --set-rpath "$libraries" \
        --set-interpreter "$(find "$libraries" -name 'ld-linux*' | head -n 1)" "$python"
}

if ! complete 2>/dev/null; then
    [ "$(id -u)" = 0 ] || { echo "install_3.14.sh must run as root" >&2; exit 1; }
    command -v patchelf >/dev/null || DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends patchelf >&2
    unpack >&2
    complete || { echo "something is still missing after the installation" >&2; exit 1; }
fi
echo "$python"
