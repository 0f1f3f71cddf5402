"""Publishes one message on greetings.hello.

python publish.py nats://127.0.0.1:4222 orders.creds
"""

import asyncio
import sys

import nats


async def main(url, creds):
    client = await nats.connect(url, user_credentials=creds)
    await client.publish("greetings.hello", b"Hello from Python")
    await client.drain()
    print("published to greetings.hello")


asyncio.run(main(*sys.argv[1:3]))
