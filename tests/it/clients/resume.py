# A client of the library websockets, with its own limit of 1 MiB a message, that comes back after any end.
import asyncio
import json
import sys

import websockets


async def read(url):
    last = None
    while True:
        after = "&after=" + last if last else ""
        try:
            async with websockets.connect(url + after) as stream:
                async for message in stream:
                    told = json.loads(message)
                    last = told["id"]
                    if "line" in told:
                        print(len(told["line"]), told["line"][:40].encode("ascii", "replace").decode(), flush=True)
        except websockets.ConnectionClosed as end:
            print("closed:", end.code, flush=True)
        except (OSError, websockets.InvalidHandshake):
            await asyncio.sleep(0.05)


asyncio.run(read(sys.argv[1]))
