#!/bin/sh
# Install Dask, Ray, Celery and a Redis for tests/engines: packages of PyPI in a virtual environment
# in $KUMO_ENGINES_CACHE, by default ~/.cache/kumo-engines, and Debian's redis-server as root.
#
#     sh tests/engines/install_python.sh [PYTHON]
#
# A second call finds everything in place and ends soon.
set -eu
cache="${KUMO_ENGINES_CACHE:-$HOME/.cache/kumo-engines}"
if ! command -v redis-server >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q
    # No daemon is to start by itself: the tests start their own.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && made=1; }
    apt-get install -q -y --no-install-recommends redis-server
    [ -z "${made:-}" ] || rm -f "$policy"
fi
[ -x "$cache/venv/bin/pip" ] || "${1:-python3}" -m venv "$cache/venv"
"$cache/venv/bin/pip" install --quiet --disable-pip-version-check distributed ray celery redis
echo "engines: installed in $cache/venv"
