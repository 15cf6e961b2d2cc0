#!/usr/bin/env bash
# Fails when an async runtime is among what tailcast is built from: it is threads by design.
set -euo pipefail
cd "$(dirname "$0")/.."

tree=$(cargo tree -e normal,build --all-features --prefix none --format '{p}')
if found=$(grep -E '^(tokio|async-std|smol|async-io|mio)([ -]|$)' <<<"$tree" | sort -u); then
    printf 'an async runtime came in:\n%s\n' "$found" >&2
    echo 'cargo tree -i NAME shows by whom' >&2
    exit 1
fi
