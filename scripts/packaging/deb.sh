#!/usr/bin/env bash
# A Debian package of what was built: deb.sh BINARY MANUAL DIRECTORY [VERSION], with Debian's own tools (dpkg-dev, binutils).
# MANUAL is where the man page and the completions are. Prints the path of the package.
set -euo pipefail

binary=$(realpath "$1") manual=$(realpath "$2")
mkdir -p "$3"
directory=$(realpath "$3")
cd "$(dirname "$0")/../.."
version=${4:-$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)}
for tool in dpkg-deb dpkg-shlibdeps strip gzip; do
    command -v "$tool" >/dev/null || { echo "deb.sh: $tool is missing: apt-get install dpkg-dev binutils gzip" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
stage=$work/stage
umask 022
mkdir -p "$stage/DEBIAN" "$work/debian"

strip --strip-unneeded --remove-section=.comment --remove-section=.note -o "$work/tailcast" "$binary"
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
# The newest section of CHANGELOG.md, in Debian's form; a version that is not there yet has none.
changes=$(awk -v version="## [$version]" '
    /^## / { inside = index($0, version) == 1 }
    inside && /^- / { sub(/^- /, "  * "); print; next }
    inside && /^  [^ ]/ { print "  " $0 }' CHANGELOG.md)
changes=${changes:-  * See CHANGELOG.md in the sources.}
gzip -9n >"$documents/changelog.gz" <<END
tailcast ($version) stable; urgency=medium

$changes

 -- $maintainer  $date
END
gzip -9n "$stage/usr/share/man/man8/tailcast.8"

# What the program is linked to, and in which versions.
touch "$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O -e tailcast 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
cat >"$stage/DEBIAN/control" <<END
Package: tailcast
Version: $version
Architecture: $(dpkg --print-architecture)
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

package=$directory/tailcast_${version}_$(dpkg --print-architecture).deb
dpkg-deb --root-owner-group --build "$stage" "$package" >/dev/null
echo "$package"
