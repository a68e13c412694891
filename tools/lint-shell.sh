#!/usr/bin/env bash
# Check every shell script of the project. (dib-lint, for the elements, is run by their tests.)
set -euo pipefail

cd "$(dirname "$0")/.."
shebang='^#!.*\b(ba)?sh\b'
git grep -lIE "$shebang" | while read -r file; do
    # In its first line: a program in another language may have scripts in its texts.
    if head -n 1 "$file" | grep -qE "$shebang"; then
        echo "$file"
    fi
done | xargs shellcheck
