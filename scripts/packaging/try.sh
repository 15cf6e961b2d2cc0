#!/usr/bin/env bash
# Installs each package that is in DIRECTORY in a root of its own, and lets the program there show a line that comes:
# try.sh DIRECTORY [DEBIAN…], as root. DEBIAN is a root that debootstrap has made (--include=ca-certificates); without one
# the .deb is left out, with a word.
set -euo pipefail

directory=$(realpath "$1")
shift
[ "$(id -u)" = 0 ] || { echo "try.sh: packages are installed by root" >&2; exit 1; }
work=$(mktemp -d)
children=()
clean() {
    for child in "${children[@]}"; do
        kill "$child" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap clean EXIT

# The program at PATH in ROOT follows a file there and shows a line: shows NAME ROOT PATH [BEFORE…].
shows() {
    local name=$1 root=$2 path=$3 port
    shift 3
    mkdir -p "$root/tmp"
    echo 'a line' >"$root/tmp/try.log"
    "$@" chroot "$root" "$path" --listen 127.0.0.1:0 /tmp/try.log 2>"$work/said" &
    children+=($!)
    for _ in $(seq 300); do
        port=$(sed -n 's|.*listening on http://127.0.0.1:||p' "$work/said")
        [ -n "$port" ] && break
        sleep 0.1
    done
    [ -n "$port" ] || { cat "$work/said" >&2; echo "try.sh: $name does not start" >&2; exit 1; }
    [ "$(curl -s "http://127.0.0.1:$port/stream?follow=false")" = 'a line' ] || {
        echo "try.sh: $name does not show the line" >&2
        exit 1
    }
    kill "${children[-1]}"
    wait "${children[-1]}" || true
    rm "$root/tmp/try.log"
    echo "$name: installed, and shows what it follows"
}

mkdir "$work/nothing"
cp "$directory/tailcast-static" "$work/nothing/tailcast"
shows "static, with nothing else" "$work/nothing" /tailcast
[ "$(cd "$work/nothing" && find . -type f)" = ./tailcast ]

for package in "$directory"/*.rpm; do
    rpm --root "$work/rpm" --initdb
    # What it needs and a shell are not there: that they are named is seen, and that they are enough is not.
    rpm --root "$work/rpm" --nodeps --noscripts --install "$package"
    "$work/rpm/usr/bin/tailcast" --version >/dev/null
    rpm --root "$work/rpm" --nodeps --noscripts --erase tailcast
    [ -z "$(find "$work/rpm/usr" "$work/rpm/etc" -type f)" ]
    echo "${package##*/}: installed, runs here, and leaves nothing behind"
done

[ $# -gt 0 ] || echo "left out: the .deb: name a root that debootstrap has made (make try-packages IN=…)"
for debian in "$@"; do
    cp "$directory"/tailcast_*_"$(dpkg --print-architecture)".deb "$debian/tmp/tailcast.deb"
    chroot "$debian" dpkg --install /tmp/tailcast.deb >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
    shows "the .deb on Debian $(cat "$debian/etc/debian_version")" "$debian" /usr/bin/tailcast
    chroot "$debian" dpkg --purge tailcast >/dev/null
    [ ! -e "$debian/usr/bin/tailcast" ] && [ ! -e "$debian/etc/default/tailcast" ]
    rm "$debian/tmp/tailcast.deb"
done

for package in "$directory"/tailcast_*_arm64.deb; do
    [ -e "$package" ] && [ "$(dpkg --print-architecture)" != arm64 ] || continue
    if ! command -v qemu-aarch64-static >/dev/null; then
        echo "left out: ${package##*/}: qemu-user-static is not installed"
        continue
    fi
    dpkg-deb --extract "$package" "$work/arm64"
    # The libraries are those of Debian's cross-compiler.
    said=$(QEMU_LD_PREFIX=/usr/aarch64-linux-gnu qemu-aarch64-static "$work/arm64/usr/bin/tailcast" --version)
    echo "${package##*/}: unpacked, and says in an emulated machine: $said"
done
