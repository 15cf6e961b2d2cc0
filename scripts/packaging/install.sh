#!/usr/bin/env bash
# Installs what was built: BINARY and MANUAL say where that is, DESTDIR, PREFIX and ZSHDIR where it goes. Called by make.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=$DESTDIR$PREFIX
share=$root/share

install -D -m 755 "$BINARY" "$root/bin/tailcast"
install -D -m 644 "$MANUAL/tailcast.8" "$share/man/man8/tailcast.8"
install -D -m 644 "$MANUAL/tailcast.bash" "$share/bash-completion/completions/tailcast"
install -D -m 644 "$MANUAL/_tailcast" "$DESTDIR$ZSHDIR/_tailcast"
install -D -m 644 "$MANUAL/tailcast.fish" "$share/fish/vendor_completions.d/tailcast.fish"
for unit in tailcast.service tailcast.socket tailcast-socket.service; do
    install -D -m 644 "scripts/systemd/$unit" "$root/lib/systemd/system/$unit"
    sed -i "s|/usr/bin/|$PREFIX/bin/|" "$root/lib/systemd/system/$unit"
done
for example in scripts/systemd/*.conf scripts/proxy/*; do
    install -D -m 644 "$example" "$share/doc/tailcast/examples/${example##*/}"
done
# The administrator's own.
if [ ! -e "$DESTDIR/etc/default/tailcast" ]; then
    install -D -m 644 scripts/packaging/default "$DESTDIR/etc/default/tailcast"
fi
