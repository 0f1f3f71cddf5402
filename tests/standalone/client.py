"""A program that logs in to a server in the ways that a configuration file offers.

    client.py PART    with NATS_URL, and SEED or CREDS for some parts

Prints a line for each thing that was seen. The test compares the lines of the node with those of the real server.
"""

import asyncio
import os
import sys

import nats
import nkeys

PATIENCE = 60

url = os.environ["NATS_URL"]


def say(line):
    print(line, flush=True)


class Errors:
    """What the library reports of a connection, one after the other."""

    def __init__(self):
        self.queue = asyncio.Queue()

    async def put(self, error):
        await self.queue.put(error)

    async def next(self):
        return await asyncio.wait_for(self.queue.get(), PATIENCE)


async def connect(**options):
    options.setdefault("error_cb", Errors().put)
    return await nats.connect(
        url, allow_reconnect=False, connect_timeout=PATIENCE, **options
    )


async def gets_in(name, **options):
    client = await connect(**options)
    await client.flush(PATIENCE)
    await client.close()
    say(f"{name} gets in" if name != "creds" else "creds get in")


async def refused(name, **options):
    errors = Errors()
    try:
        client = await connect(error_cb=errors.put, **options)
    except nats.errors.Error as error:
        # Some versions raise what they heard, some only that they gave up.
        if "Authorization" not in str(error):
            error = await errors.next()
        say(f"{name}: {error}")
    else:
        await client.close()
        say(f"{name} gets in")


async def users():
    await gets_in("plain", user="plain", password="secret")
    await gets_in("hashed", user="hashed", password="hashed")
    await gets_in("key", nkeys_seed_str=os.environ["SEED"])
    await gets_in("nobody")
    await refused("wrong password", user="plain", password="Secret")
    await refused("wrong hash", user="hashed", password="secret")
    await refused("stranger", user="stranger", password="secret")
    stranger = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode()
    await refused("stranger's key", nkeys_seed_str=stranger)
    await refused("token", token="secret")

    errors = Errors()
    client = await connect(user="plain", password="secret", error_cb=errors.put)
    await client.publish("secret", b"")
    say(f"publish: {await errors.next()}")
    await client.subscribe("secret")
    say(f"subscribe: {await errors.next()}")
    say(f"largest message {client.max_payload}")

    other = await connect(user="other", password="secret")

    async def answer(message):
        await message.respond(b"re: " + message.data)

    # Who answers needs leave to publish to replies from elsewhere, which the first one has not.
    answering = await connect(user="hashed", password="hashed")
    await answering.subscribe("shared.ask", cb=answer)
    await answering.flush(PATIENCE)
    reply = await other.request("ask", b"hello", timeout=PATIENCE)
    say(f"the other account asked and got: {reply.data.decode()}")
    everything = await other.subscribe(">")
    await other.flush(PATIENCE)
    await client.publish("shared.rest", b"")
    await client.publish("shared.news", b"")
    await client.flush(PATIENCE)
    message = await everything.next_msg(PATIENCE)
    say(f"the other account heard: {message.subject}")
    await other.flush(PATIENCE)
    assert everything.pending_msgs == 0
    say("the other account did not hear the rest")
    for each in (answering, other, client):
        await each.close()


async def token():
    await gets_in("token", token="hashed")
    await refused("wrong token", token="Hashed")
    await refused("nothing")


async def user():
    await gets_in("user", user="u", password="p")
    await refused("wrong password", user="u", password="q")


async def creds():
    await gets_in("creds", user_credentials=os.environ["CREDS"])
    await refused("without", user="a", password="b")


async def reload():
    of_stays = Errors()
    closed = asyncio.Event()

    async def on_close():
        closed.set()

    changes = await connect(user="changes", password="before", closed_cb=on_close)
    stays = await connect(user="stays", password="s", error_cb=of_stays.put)
    say("both are in")
    await asyncio.wait_for(closed.wait(), PATIENCE)
    say(f"changes was cut: {changes.last_error}")
    await stays.publish("second", b"")
    await stays.publish("first", b"")
    error = str(await of_stays.next())
    assert error == 'nats: permissions violation for publish to "first"', error
    say("stays may publish second and not first")
    await stays.close()


asyncio.run({"users": users, "token": token, "user": user, "creds": creds, "reload": reload}[sys.argv[1]]())
