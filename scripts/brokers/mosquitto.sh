#!/usr/bin/env bash
# A Mosquitto of its own, for a look or a test: scripts/brokers/mosquitto.sh DIR PORT [MORE.conf]
# It keeps everything in DIR, listens on loopback, and ends with this script. MORE.conf is added to its configuration;
# without it anybody may log in.
set -euo pipefail

dir=${1:?which directory?} port=${2:?which port?} more=${3:-}
mkdir -p "$dir"
cat >"$dir/mosquitto.conf" <<EOF
listener $port 127.0.0.1
log_dest stderr
# What waits for a subscriber that is slower than a publisher that catches up; the default of 1000 messages is less
# than a test sends in a moment.
max_queued_messages 0
EOF
if [ -n "$more" ]; then
    cat "$more" >>"$dir/mosquitto.conf"
else
    echo 'allow_anonymous true' >>"$dir/mosquitto.conf"
fi
# Debian has it where users have no path to.
PATH=$PATH:/usr/sbin
# Started as root it becomes another user, who needs to read nothing here.
exec mosquitto -c "$dir/mosquitto.conf"
