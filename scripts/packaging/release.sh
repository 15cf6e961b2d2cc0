#!/usr/bin/env bash
# The beginning and the end of `make release`: `release.sh versions` demands that what is released is one thing, with one
# version, written down; `release.sh by-hand DIRECTORY` says what is left to do.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

versions() {
    local faults=0
    fault() {
        echo "release: $1" >&2
        faults=$((faults + 1))
    }
    locked=$(awk '/^name = "tailcast"$/ { getline; gsub(/version = |"/, ""); print }' Cargo.lock)
    heading=$(grep -m 1 '^## \[' CHANGELOG.md)
    [ "$locked" = "$version" ] || fault "Cargo.lock has $locked, Cargo.toml has $version: cargo build writes it anew"
    grep -q -E "^## \[${version//./\\.}\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$" <<<"$heading" ||
        fault "CHANGELOG.md begins with \"$heading\", and has to with \"## [$version] - $(date --utc +%F)\""
    [ -z "$(git status --porcelain)" ] || fault "there are changes that are not committed: git status"
    ! git rev-parse -q --verify "refs/tags/v$version" >/dev/null ||
        fault "v$version is a tag already: another version in Cargo.toml and CHANGELOG.md"
    [ "$faults" = 0 ] || exit 1
    echo "releasing $version of $(git rev-parse --short HEAD)"
}

by_hand() {
    cat <<END_OF_LIST

Made for $version, in $1:
$(cd "$1" && for file in *; do [ -f "$file" ] && printf '  %5.1f MB  %s\n' "$(($(stat -c %s "$file") / 100000))e-1" "$file"; done)

Left to do by hand:
  - make soak, and then make bench and make bench-peers on a machine that does nothing else: their figures go into README.md.
  - The sizes above go into scripts/packaging/README.md.
  - Try the packages where make can't: the arm64 one on such a machine, the rpm on a Fedora, the image in your cluster.
  - cargo deny --config scripts/deny.toml check advisories, where make check has left it out.
  - git tag -s v$version -m 'tailcast $version', and push it.
  - Put the packages where people find them, with their sums: (cd $1 && sha256sum *)
  - cargo publish --dry-run, and then without it.
  - Begin the next section of CHANGELOG.md.
END_OF_LIST
}

case ${1:-} in
versions) versions ;;
by-hand) by_hand "$2" ;;
*)
    echo 'release.sh versions, or release.sh by-hand DIRECTORY' >&2
    exit 2
    ;;
esac
