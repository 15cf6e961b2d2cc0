#!/usr/bin/env bash
# A sample log that grows and rotates by itself, and tailcast on it. Arguments are options of tailcast.
set -euo pipefail
cd "$(dirname "$0")/.."

tailcast=${TAILCAST:-target/release/tailcast}
port=${PORT:-8080}
directory=$(mktemp -d)
log=$directory/demo.log
children=()

clean() {
    trap - EXIT INT TERM HUP
    if ((${#children[@]})); then
        kill "${children[@]}" 2>/dev/null || true
        wait "${children[@]}" 2>/dev/null || true
    fi
    rm -rf "$directory"
}
trap clean EXIT
trap 'exit 0' INT TERM HUP

# Rotates as logrotate does without copytruncate: rename, then a new file under the name.
write() {
    local paths=(/ /index.html /api/items /api/items/7 /login /static/app.js)
    local status=(200 200 200 200 304 404 500)
    local number=0
    trap 'exit 0' TERM
    while sleep "0.$((RANDOM % 5 + 1))"; do
        number=$((number + 1))
        printf '%s demo[%d]: request %d GET %s %s %d ms\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" $$ "$number" \
            "${paths[RANDOM % ${#paths[@]}]}" "${status[RANDOM % ${#status[@]}]}" $((RANDOM % 300)) >>"$log"
        if ((number % 60 == 0)); then
            mv "$log" "$log.1"
            printf '%s demo[%d]: the log was rotated\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" $$ >>"$log"
        fi
    done
}

: >"$log"
write &
children+=($!)

cat <<END
A log grows at $log and is rotated now and then. Watch it:
    http://127.0.0.1:$port/
    curl -N http://127.0.0.1:$port/stream
    websocat ws://127.0.0.1:$port/ws
Ctrl-C ends it.
END
"$tailcast" --listen "127.0.0.1:$port" "$@" "$log" &
children+=($!)
# A trap runs only when `wait` returns, which a signal makes it do at once.
wait "${children[1]}"
