"""Publishes one message on greetings.hello.

python publish.py nats://127.0.0.1:4222 orders.creds
"""

import asyncio
import sys

import nats


async def say_nothing(error):
    """The error that is raised says it once; the library would print every attempt."""


async def main(url, creds):
    try:
        client = await nats.connect(
            url, user_credentials=creds, allow_reconnect=False, error_cb=say_nothing
        )
    except (OSError, nats.errors.Error) as error:
        sys.exit(f"not connected to {url}: {error} (are these credentials of an account that it serves?)")
    await client.publish("greetings.hello", b"Hello from Python")
    await client.drain()
    print("published to greetings.hello")


asyncio.run(main(*sys.argv[1:3]))
