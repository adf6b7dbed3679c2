#!/bin/sh
# Install what the real-kernel tests need, on Debian and as root: an emulator, virtme-ng in a
# virtual environment of its own, and a Debian kernel that is unpacked, never installed.
# A second call finds everything in place and ends at once.
set -eu

cache="${KUMO_KERNEL_CACHE:-$HOME/.cache/kumo-kernel}"
modules=/lib/modules

find_kernel() {
    for image in "$cache"/kernel/boot/vmlinuz-*; do
        [ -f "$image" ] || continue
        version="${image##*/vmlinuz-}"
        return 0
    done
    version=""
    return 1
}

complete() {
    find_kernel || return 1
    [ -f "$modules/$version/modules.dep" ] || return 1
    [ -x "$cache/venv/bin/vng" ] || return 1
    # kmod is called for its depmod, which may live outside an ordinary user's PATH.
    for tool in qemu-system-x86_64 busybox zstd kmod lstopo-no-graphics; do
        PATH="$PATH:/usr/sbin:/sbin" command -v "$tool" >/dev/null || return 1
    done
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    apt-get install -q -y --no-install-recommends \
        qemu-system-x86 busybox-static kmod zstd python3 python3-venv hwloc
}

install_virtme() {
    [ -x "$cache/venv/bin/vng" ] && return 0
    rm -rf "$cache/venv"
    python3 -m venv "$cache/venv"
    "$cache/venv/bin/pip" install --quiet virtme-ng
}

unpack_kernel() {
    find_kernel && return 0
    # linux-image-amd64 is empty and depends on the newest kernel:
    #   linux-image-amd64
    #     Depends: linux-image-6.1.0-56-amd64
    package="$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" { print $2; exit }')"
    [ -n "$package" ] || { echo "apt names no kernel package" >&2; exit 1; }
    work="$(mktemp -d)"
    trap 'rm -rf "$work"' EXIT
    (cd "$work" && apt-get -q -o APT::Sandbox::User=root download "$package")
    rm -rf "$cache/kernel.new"
    dpkg -x "$work"/*.deb "$cache/kernel.new"
    rm -rf "$cache/kernel"
    mv "$cache/kernel.new" "$cache/kernel"
    find_kernel
}

link_modules() {
    mkdir -p "$modules"
    unpacked="$cache/kernel/lib/modules/$version"
    [ -d "$unpacked" ] || unpacked="$cache/kernel/usr/lib/modules/$version"
    # A kernel that is installed has a directory of its own there, which stays.
    if [ -L "$modules/$version" ] || [ ! -e "$modules/$version" ]; then
        ln -sfn "$unpacked" "$modules/$version"
    fi
    PATH="$PATH:/usr/sbin:/sbin" depmod "$version"
}

if complete; then
    echo "kernel tests: everything is in place ($version, $cache)"
    exit 0
fi
[ "$(id -u)" = 0 ] || { echo "install.sh must run as root" >&2; exit 1; }
mkdir -p "$cache"
install_packages
install_virtme
unpack_kernel
link_modules
complete || { echo "something is still missing after the installation" >&2; exit 1; }
echo "kernel tests: installed kernel $version in $cache"
