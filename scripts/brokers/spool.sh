#!/usr/bin/env bash
# Appends what comes on a broker's topic to a file, for a tailcast that follows it and serves it to browsers:
#   scripts/brokers/spool.sh FILE TOPIC [more options of mosquitto_sub: -h HOST, -u USER, --cafile PATH, …]
# Publish with --publish-format text, so that a message is a line. At SPOOL_BYTES the file becomes FILE.1, and so on to
# FILE.SPOOL_KEEP. The broker keeps what comes while this is away (QoS 1 and a session of its own, for a day);
# some lines may come twice then.
set -euo pipefail

file=${1:?which file?} topic=${2:?which topic?}
shift 2
export LC_ALL=C SPOOL=$file

# mawk, Debian's, waits for full buffers unless it is told not to; the others have no such option.
interactive=()
if awk -W version 2>&1 </dev/null | grep -q ^mawk; then
    interactive=(-W interactive)
fi

append() {
    # After a restart the writer before may still be at its last lines: they come first. (A name that tailcast doesn't
    # take for a rotated file.)
    exec 9>"$(dirname "$file")/.$(basename "$file").lock"
    flock 9
    exec awk "${interactive[@]}" -v bytes="$(stat -c %s "$file" 2>/dev/null || echo 0)" \
        -v most="${SPOOL_BYTES:-67108864}" -v keep="${SPOOL_KEEP:-4}" '
        {
            print >> ENVIRON["SPOOL"]
            fflush(ENVIRON["SPOOL"])
            bytes += length($0) + 1
            if (bytes >= most) {
                close(ENVIRON["SPOOL"])
                for (n = keep; n > 1; n--)
                    system("test ! -e \"$SPOOL." (n - 1) "\" || mv -f -- \"$SPOOL." (n - 1) "\" \"$SPOOL." n "\"")
                system("mv -f -- \"$SPOOL\" \"$SPOOL.1\"")
                bytes = 0
            }
        }'
}

# mosquitto_sub takes the place of this shell, and so a stop; the writer ends at the end of what it reads, all of it
# written.
exec mosquitto_sub -V mqttv5 -q 1 -c -x 86400 \
    -i "${SPOOL_CLIENT:-spool-$(hostname)-$(cksum <<<"$file" | cut -d' ' -f1)}" \
    -t "$topic" -F %p "$@" > >(append)
