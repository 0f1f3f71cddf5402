"""Prints every message on greetings.> until Ctrl-C.

python subscribe.py nats://127.0.0.1:4222 orders.creds
"""

import asyncio
import sys

import nats


async def main(url, creds):
    client = await nats.connect(url, user_credentials=creds)
    subscription = await client.subscribe("greetings.>")
    await client.flush()
    print("listening on greetings.>", flush=True)
    async for message in subscription.messages:
        print(f"{message.subject}: {message.data.decode()}", flush=True)


try:
    asyncio.run(main(*sys.argv[1:3]))
except KeyboardInterrupt:
    pass
