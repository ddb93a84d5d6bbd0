#!/bin/sh
# Makes .venv from the lock file, with everything a developer needs. Does nothing when it is up to date.
set -eu
cd "$(dirname "$0")/.."

UV_VERSION=0.13.9
cache=${VERDIGRIS_CACHE:-$HOME/.cache/verdigris}
uv=$cache/uv-$UV_VERSION/bin/uv
wanted=$(cat requirements/dev.txt pyproject.toml dev/setup.sh | sha256sum | cut -d' ' -f1)
stamp=.venv/.made-from

if [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then exit 0; fi

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "setup: Python 3.11 or newer is needed as python3: install it (apt-get install python3), then run again." >&2
    exit 1
fi
if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "setup: installing python3-venv" >&2
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
fi
if [ ! -x "$uv" ]; then
    echo "setup: installing uv $UV_VERSION" >&2
    python3 -m venv "$cache/uv-$UV_VERSION"
    "$cache/uv-$UV_VERSION/bin/pip" install -q "uv==$UV_VERSION"
fi
echo "setup: making .venv from requirements/dev.txt" >&2
# Hosts with a certificate authority of their own keep it in the system's store.
export UV_SYSTEM_CERTS=1
"$uv" venv -q --clear --python "$(command -v python3)" .venv
VIRTUAL_ENV=.venv "$uv" pip sync -q --require-hashes requirements/dev.txt
VIRTUAL_ENV=.venv "$uv" pip install -q --no-deps -e .
echo "$wanted" > "$stamp"
