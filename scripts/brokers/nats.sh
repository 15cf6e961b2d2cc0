#!/usr/bin/env bash
# A cluster of three NATS servers that speak MQTT, for a look or a test: scripts/brokers/nats.sh DIR PORT1 PORT2 PORT3
# It keeps everything in DIR, listens on loopback, and ends with this script's process group. What is published is on two of
# the three servers before it is acknowledged, and a client connects to whichever it likes: any one may be lost. A server
# speaks MQTT at its port, and uses the ports 3 and 6 behind that for NATS itself and for the cluster.
set -euo pipefail

dir=${1:?which directory?}
shift
[ $# = 3 ] || { echo "three ports, one a server" >&2; exit 2; }
routes=$(printf 'nats://127.0.0.1:%s,' $(($1 + 6)) $(($2 + 6)) $(($3 + 6)))
for port in "$@"; do
    mkdir -p "$dir/$port"
    cat >"$dir/$port.conf" <<EOF
server_name: tailcast-$port
listen: 127.0.0.1:$((port + 3))
mqtt { listen: 127.0.0.1:$port }
pid_file: "$dir/$port.pid"
jetstream { store_dir: "$dir/$port" }
cluster { name: tailcast, listen: 127.0.0.1:$((port + 6)), routes: [${routes%,}] }
EOF
    nats-server -c "$dir/$port.conf" &
done
wait
