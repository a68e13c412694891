#!/usr/bin/env bash
# Make the virtual environment that the demo and the tests run in, and install the Debian
# packages of the services (as root; otherwise say what to install).
#
# usage: tools/setup.sh VENV
set -euo pipefail

venv=${1:?usage: tools/setup.sh VENV}
cd "$(dirname "$0")/.."
stamp=$venv/.ready-$(cat pyproject.toml setup.py requirements-dev.txt constraints.txt | sha256sum | cut -c1-16)

debian() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "tools/setup.sh: not root: please run 'apt-get install $*' and try again" >&2
        exit 1
    fi
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >/dev/null
}

if [ ! -e "$stamp" ]; then
    echo "Setting up $venv (about a minute) ..."
    python3 -c 'import ensurepip, venv' 2>/dev/null || debian python3-venv
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --constraint constraints.txt \
        --requirement requirements-dev.txt --editable '.[engine,agent]'
    touch "$stamp"
fi

# What the element's tests check it with.
missing=()
command -v file >/dev/null || missing+=(file)
command -v shellcheck >/dev/null || missing+=(shellcheck)
command -v systemd-analyze >/dev/null || missing+=(systemd)
[ "${#missing[@]}" -eq 0 ] || debian "${missing[@]}"
"$venv/bin/python" -m localcloud install
