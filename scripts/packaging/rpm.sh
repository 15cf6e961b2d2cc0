#!/usr/bin/env bash
# An rpm of what was built, for Fedora, RHEL, SUSE: rpm.sh BINARY MANUAL DIRECTORY [VERSION], with rpmbuild (Debian has it in
# the package rpm). MANUAL is where the man page and the completions are. Prints the path of the package.
set -euo pipefail

binary=$(realpath "$1") manual=$(realpath "$2")
mkdir -p "$3"
directory=$(realpath "$3")
cd "$(dirname "$0")"
version=${4:-$(sed -n 's/^version = "\(.*\)"/\1/p' ../../Cargo.toml | head -n 1)}
for tool in rpmbuild strip gzip readelf; do
    command -v "$tool" >/dev/null || { echo "rpm.sh: $tool is missing: apt-get install rpm binutils gzip" >&2; exit 1; }
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
strip --strip-unneeded --remove-section=.comment -o "$work/tailcast" "$binary"
# A hyphen has a meaning of its own in an rpm's version.
rpmbuild --quiet -bb --target "$(uname -m)" \
    --define "_topdir $work" --define "_rpmdir $directory" --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
    --define "version_built ${version/-/\~}" --define "binary $work/tailcast" --define "manual $manual" \
    --define "scripts $PWD" ${RPM_PAYLOAD:+--define "_binary_payload $RPM_PAYLOAD"} tailcast.spec >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
echo "$directory/tailcast-${version/-/\~}-1.$(uname -m).rpm"
