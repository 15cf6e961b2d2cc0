#!/usr/bin/python3
"""What tailcast publishes to RabbitMQ by MQTT, kept in a stream that anybody can read again from any place:

    scripts/brokers/replay.py AMQP_URL STREAM KEY [FROM]

STREAM is declared and bound to amq.topic where it is missing: from then on it keeps what is published, up to a gigabyte. Each
message is a line of output. FROM is first (the default), last, next (only what comes from now on), an offset, or 1h, 2D: so
long ago. KEY is the topic with dots for its slashes, * for one level and # for any number: site.web1.#. Start it once
before the publishers, so that the stream is there. Needs Debian's python3-pika.
"""

import sys

import pika

if not 4 <= len(sys.argv) <= 5:
    sys.exit(__doc__)
url, stream, key, start = sys.argv[1:] + ["first"] * (5 - len(sys.argv))

channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
keeps = {"x-queue-type": "stream", "x-max-length-bytes": 1 << 30}
channel.queue_declare(stream, durable=True, arguments=keeps)
channel.queue_bind(stream, "amq.topic", key)
# A stream is read with acknowledgements, so many messages ahead.
channel.basic_qos(prefetch_count=256)


def show(channel, method, properties, body):
    print(body.decode(errors="replace"), flush=True)
    channel.basic_ack(method.delivery_tag)


offset = {"x-stream-offset": int(start) if start.isdigit() else start}
channel.basic_consume(stream, show, arguments=offset)
try:
    channel.start_consuming()
except (KeyboardInterrupt, BrokenPipeError):
    pass
