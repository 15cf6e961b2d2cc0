#!/usr/bin/env bash
# A Debian package of what was built: deb.sh BINARY MANUAL DIRECTORY [VERSION], with Debian's own tools (dpkg-dev, binutils).
# MANUAL is where the man page and the completions are. The package is for the machine that BINARY is for, which may be
# another one (binutils-aarch64-linux-gnu, libc6-arm64-cross). Prints the path of the package.
set -euo pipefail

binary=$(realpath "$1") manual=$(realpath "$2")
mkdir -p "$3"
directory=$(realpath "$3")
cd "$(dirname "$0")/../.."
version=${4:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
# A program of another machine wants that one's tools.
case $(LC_ALL=C readelf -h "$binary" | sed -n 's/^ *Machine: *//p') in
*X86-64) architecture=amd64 cross=x86_64-linux-gnu- ;;
AArch64) architecture=arm64 cross=aarch64-linux-gnu- ;;
*) echo "deb.sh: $binary is neither for x86_64 nor for aarch64" >&2; exit 1 ;;
esac
libraries=()
if [ "$architecture" = "$(dpkg --print-architecture)" ]; then
    cross=
else
    libraries=("-l/usr/${cross%-}/lib")
fi
for tool in dpkg-deb dpkg-shlibdeps "${cross}strip" gzip awk; do
    command -v "$tool" >/dev/null || { echo "deb.sh: $tool is missing: apt-get install dpkg-dev binutils gzip" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage
umask 022
mkdir -p "$stage/DEBIAN" "$work/debian"

"${cross}strip" --strip-unneeded --remove-section=.comment --remove-section=.note -o "$work/tailcast" "$binary"
BINARY=$work/tailcast MANUAL=$manual DESTDIR=$stage PREFIX=/usr ZSHDIR=/usr/share/zsh/vendor-completions \
    scripts/packaging/install.sh
documents=$stage/usr/share/doc/tailcast
date=$(date --utc --reference=Cargo.toml '+%a, %d %b %Y %H:%M:%S +0000')
# Who packages says who they are, as to dch(1).
maintainer="${DEBFULLNAME:-the tailcast authors} <${DEBEMAIL:-tailcast@example.org}>"
{
    cat scripts/packaging/debian/copyright
    sed -n 's/^Copyright (c)/Copyright:/p' LICENSE
    echo 'License: Expat'
    sed '1,/^Copyright/d' LICENSE | sed -e '/./,$!d' -e 's/^$/./' -e 's/^/ /'
} >"$documents/copyright"
{
    # A version that is not in CHANGELOG.md yet, or only in part: a try.
    if ! grep -q -F "## [$version] - " CHANGELOG.md; then
        printf 'tailcast (%s) stable; urgency=medium\n\n  * Not released: see CHANGELOG.md in the sources.\n\n -- %s  %s\n\n' \
            "$version" "$maintainer" "$date"
    fi
    awk -v maintainer="$maintainer" -f scripts/packaging/changelog.awk CHANGELOG.md
} | gzip -9n >"$documents/changelog.gz"
gzip -9n "$stage/usr/share/man/man8/tailcast.8"

# What the program is linked to, and in which versions.
touch "$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps "${libraries[@]}" -O -e tailcast 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
# The packages for cross-building stand for those of the machine itself.
depends=${depends//-arm64-cross/}
depends=${depends//:arm64/}
cat >"$stage/DEBIAN/control" <<END
Package: tailcast
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -k -s --exclude=DEBIAN "$stage" | cut -f 1)
Depends: $depends, init-system-helpers (>= 1.54)
Suggests: logrotate
Section: admin
Priority: optional
Description: stream log files to browsers and tools
 Follows log files as tail -F does and streams every new line, live, to any
 number of WebSocket and HTTP clients, and to a web page of its own. A client
 gets every line once and in order, however slowly it reads, and resumes where
 it was after a lost connection, a restart and a rotation.
 .
 It is one small program without a runtime, comes with a closely confined
 systemd service, listens on loopback unless told otherwise, and is not started
 before you have said what it is to follow.
END
(cd "$stage" && find etc -type f -printf '/%p\n') >"$stage/DEBIAN/conffiles"
(cd "$stage" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$stage/DEBIAN/md5sums"
install -m 755 scripts/packaging/debian/{postinst,prerm,postrm} "$stage/DEBIAN/"

package=$directory/tailcast_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$stage" "$package" >/dev/null
echo "$package"
