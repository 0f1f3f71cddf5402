"""A program over TLS or a websocket: nats-py, as people use it.

    client.py NAME    with NATS_URL; CA for TLS; FIRST=1 to begin TLS at once; CERT and KEY to show a certificate;
                      CONNECT_USER to log in by a name

Prints a line for each thing that was seen. The test compares the lines of the node with those of the real server.
"""

import asyncio
import os
import ssl
import sys

import nats

PATIENCE = 60
name = sys.argv[1]


def say(line):
    print(f"{name}: {line}", flush=True)


def options():
    found = {}
    if "CA" in os.environ:
        found["tls"] = ssl.create_default_context(cafile=os.environ["CA"])
        found["tls_hostname"] = "localhost"
        if "CERT" in os.environ:
            found["tls"].load_cert_chain(os.environ["CERT"], os.environ["KEY"])
    if os.environ.get("FIRST"):
        found["tls_handshake_first"] = True
    if "CONNECT_USER" in os.environ:
        found["user"] = os.environ["CONNECT_USER"]
    return found


async def quiet(_error):
    pass


async def main():
    try:
        client = await nats.connect(
            os.environ["NATS_URL"],
            allow_reconnect=False,
            connect_timeout=PATIENCE,
            error_cb=quiet,
            **options(),
        )
    except Exception as error:
        # What exactly the two sides of TLS say to each other differs between implementations.
        say("is not let in" if isinstance(error, (ssl.SSLError, OSError, EOFError)) or "EOF" in str(error) else f"fails: {error}")
        return
    say("connects")
    messages = await client.subscribe("orders.*")
    large = bytes(range(256)) * 3500
    await client.publish("orders.small", b"hello", headers={"Kind": "greeting"})
    await client.publish("orders.large", large)
    small = await messages.next_msg(PATIENCE)
    say(f"small message {small.data.decode()} {small.headers}")
    say(f"large message is whole: {(await messages.next_msg(PATIENCE)).data == large}")

    async def answer(message):
        await message.respond(message.data.upper())

    await client.subscribe("ask", cb=answer)
    replies = [(await client.request("ask", b"again", timeout=PATIENCE)).data for _ in range(50)]
    say(f"50 replies: {set(replies)}")
    replies = await asyncio.gather(*(client.request("ask", b"at once", timeout=PATIENCE) for _ in range(50)))
    say(f"50 replies: {set(reply.data for reply in replies)}")
    try:
        await client.request("nobody", b"", timeout=PATIENCE)
    except nats.errors.NoRespondersError:
        say("nobody answers")
    try:
        await client.publish("orders.small", bytes(client.max_payload + 1))
    except nats.errors.MaxPayloadError:
        say(f"largest message {client.max_payload}")
    await client.drain()
    say("done")


asyncio.run(main())
