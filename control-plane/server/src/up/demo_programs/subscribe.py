"""Prints every message on greetings.> until Ctrl-C.

python subscribe.py nats://127.0.0.1:4222 orders.creds
"""

import asyncio
import sys

import nats

reasons = []


async def remember(error):
    reasons.append(error)


async def main(url, creds):
    try:
        client = await nats.connect(
            url, user_credentials=creds, allow_reconnect=False, error_cb=remember
        )
    except (OSError, nats.errors.Error) as error:
        sys.exit(f"not connected to {url}: {error} (are these credentials of an account that it serves?)")
    subscription = await client.subscribe("greetings.>")
    await client.flush()
    print("listening on greetings.>", flush=True)
    async for message in subscription.messages:
        print(f"{message.subject}: {message.data.decode()}", flush=True)
    sys.exit(f"the connection was closed: {reasons[-1] if reasons else 'no reason given'}")


try:
    asyncio.run(main(*sys.argv[1:3]))
except KeyboardInterrupt:
    pass
