#!/usr/bin/env bash
# A RabbitMQ of its own with the plugin for MQTT, for a look or a test: scripts/brokers/rabbitmq.sh DIR MQTT_PORT AMQP_PORT
# It keeps everything in DIR, listens on loopback, and ends with this script's process group. It is up when it says
# "Server startup complete". Anybody may log in, as guest.
set -euo pipefail

dir=${1:?which directory?} mqtt=${2:?which port for MQTT?} amqp=${3:?which port for AMQP?}
mkdir -p "$dir"
cat >"$dir/rabbitmq.conf" <<EOF
listeners.tcp.1 = 127.0.0.1:$amqp
mqtt.listeners.tcp.1 = 127.0.0.1:$mqtt
mqtt.allow_anonymous = true
log.console = true
log.console.level = info
log.file = false
EOF
echo '[rabbitmq_mqtt].' >"$dir/enabled_plugins"

# Nothing of the machine's own RabbitMQ is touched: neither its node, nor its data, nor its port mapper (epmd), for whose
# port and for that of Erlang's distribution the two next to the AMQP port are taken.
export HOME=$dir
export RABBITMQ_NODENAME=tailcast-$amqp@localhost
export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE=$dir/rabbitmq.conf
export RABBITMQ_ENABLED_PLUGINS_FILE=$dir/enabled_plugins
export RABBITMQ_MNESIA_BASE=$dir/mnesia RABBITMQ_LOG_BASE=$dir/log RABBITMQ_PID_FILE=$dir/pid
export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((amqp + 1)) RABBITMQ_DIST_PORT=$((amqp + 2))
epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 &
exec /usr/lib/rabbitmq/bin/rabbitmq-server
