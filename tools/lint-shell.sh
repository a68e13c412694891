#!/usr/bin/env bash
# Check every shell script of the project. (dib-lint, for the elements, is run by their tests.)
set -euo pipefail

cd "$(dirname "$0")/.."
git grep -lIE '^#!.*\b(ba)?sh\b' | xargs shellcheck
