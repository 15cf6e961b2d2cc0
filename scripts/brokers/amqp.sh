#!/usr/bin/env bash
# For consumers that speak AMQP: what tailcast publishes to RabbitMQ by MQTT, from a queue that is bound to amq.topic:
#   scripts/brokers/amqp.sh AMQP_URL QUEUE KEY [COMMAND…]
# COMMAND is run once a message, with the message as its input, and takes it by ending well. KEY is the topic with dots for
# its slashes, * for one level and # for any number: site.web1.# (dots in names are levels too: site/web1/app.log is
# site.web1.app.log). The queue lives as long as somebody reads it; a durable one, which keeps what comes meanwhile, is
# declared by a consumer of your own and bound the same way. Needs Debian's amqp-tools.
set -euo pipefail

url=${1:?which server? amqp://USER:PASSWORD@HOST} queue=${2:?which queue?} key=${3:?which key?}
shift 3
[ $# -gt 0 ] || set -- sh -c 'cat; echo'
exec amqp-consume --url="$url" --queue="$queue" --exchange=amq.topic --routing-key="$key" --prefetch-count=64 -- "$@"
