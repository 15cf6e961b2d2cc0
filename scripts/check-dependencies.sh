#!/usr/bin/env bash
# What the program is built from: licences, sources, no package twice without a reason (scripts/deny.toml), and known
# weaknesses. Wants cargo-deny; where that is not installed, it is left out with a word.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-deny >/dev/null; then
    echo 'left out: cargo-deny is not installed, so licences and advisories are not checked (cargo install cargo-deny)'
    exit 0
fi
cargo-deny --log-level error --config scripts/deny.toml check licenses bans sources
# Their list is fetched each time; without a network the rest is checked all the same.
if cargo-deny --log-level off --config scripts/deny.toml fetch db >/dev/null 2>&1; then
    cargo-deny --log-level error --config scripts/deny.toml check advisories
else
    echo 'left out: the list of advisories could not be fetched'
fi
