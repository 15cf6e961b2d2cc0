#!/usr/bin/env bash
# A container image of a static program: image.sh BINARY DIRECTORY [NAME], by buildah, podman or docker, whichever is there
# (BUILDER=… for another of them). Writes DIRECTORY/tailcast-image.tar, for `podman load` or `docker load`.
set -euo pipefail

binary=$(realpath "$1")
mkdir -p "$2"
archive=$(realpath "$2")/tailcast-image.tar
cd "$(dirname "$0")"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' ../../Cargo.toml | head -n 1)
name=${3:-localhost/tailcast:$version}
for builder in ${BUILDER:-buildah podman docker}; do
    command -v "$builder" >/dev/null && break
done
command -v "$builder" >/dev/null || {
    echo "image.sh: no builder of images is there: apt-get install buildah" >&2
    exit 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp Containerfile "$work/Containerfile"
install -D -m 755 "$binary" "$work/root/tailcast"
# For what is kept for a moment (`--tmpfs /tmp` where the root is read-only).
install -d -m 1777 "$work/root/tmp"
# What BINARY needs beside itself, where it is none that is static: for a try.
if [ -n "${LIBRARIES:-}" ]; then
    for library in $LIBRARIES; do
        install -D -m 755 "$library" "$work/root$library"
    done
fi
rm -f "$archive"
case $builder in
buildah)
    # In a chroot: building copies files and runs nothing. The form of Docker is the one that knows a HEALTHCHECK.
    buildah bud --quiet --isolation chroot --format docker --timestamp 0 --build-arg "VERSION=$version" --tag "$name" "$work"
    buildah push --quiet "$name" "docker-archive:$archive:$name"
    ;;
podman)
    podman build --quiet --format docker --timestamp 0 --build-arg "VERSION=$version" --tag "$name" "$work"
    podman save --quiet --output "$archive" "$name"
    ;;
*)
    DOCKER_BUILDKIT=0 $builder build --quiet --file "$work/Containerfile" --build-arg "VERSION=$version" --tag "$name" "$work"
    $builder save --output "$archive" "$name"
    ;;
esac >/dev/null
echo "$archive"
