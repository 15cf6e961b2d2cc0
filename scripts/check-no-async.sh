#!/usr/bin/env bash
# Fails when an async runtime is among what tailcast is built from: it is threads by design. Looks at both trees, the
# default one and that with all features; and what a feature that is off needs must not be in the default one.
set -euo pipefail
cd "$(dirname "$0")/.."

look() { # what it is called, options of cargo tree, what must not be in it
    local tree found
    tree=$(cargo tree -e normal,build --prefix none --format '{p}' $2 | sed 's/ (\*)$//' | sort -u)
    if found=$(grep -E "^($3)([ -]|$)" <<<"$tree"); then
        printf '%s: this must not be in it:\n%s\n' "$1" "$found" >&2
        echo 'cargo tree -i NAME shows by whom' >&2
        return 1
    fi
    echo "$1: $(wc -l <<<"$tree") packages, no async runtime"
}

runtimes='tokio|async-std|smol|async-io|mio'
look 'default features' '' "$runtimes|str0m|openssl-sys|sctp-proto|dimpl"
look 'all features' '--all-features' "$runtimes"
