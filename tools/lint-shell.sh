#!/usr/bin/env bash
# Check every shell script of the project; dib-lint checks the elements' layout too.
#
# usage: tools/lint-shell.sh BIN-DIRECTORY-OF-THE-VIRTUAL-ENVIRONMENT
set -euo pipefail

bin=$(realpath "${1:?usage: tools/lint-shell.sh BIN}")
cd "$(dirname "$0")/.."

git grep -lIE '^#!.*\b(ba)?sh\b' | xargs shellcheck
PATH=$bin:$PATH dib-lint elements
