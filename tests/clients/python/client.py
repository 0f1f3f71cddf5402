"""A program that uses nats-py, as a tenant of Tollway writes it.

    client.py PART    with NATS_URL and CREDS; some parts also take OTHER_URL and OTHER_CREDS

Prints a line for each thing that was seen to work, or what the library reported. The Rust test that runs this
compares the lines; a failed assertion ends the program with a traceback.
"""

import asyncio
import os
import sys

import nats
from nats.errors import NoRespondersError

PATIENCE = 60

url = os.environ["NATS_URL"]
creds = os.environ["CREDS"]


def say(line):
    print(line, flush=True)


def heard():
    """The next line of the test."""
    return asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def connect(url=url, creds=creds, **options):
    return await nats.connect(url, user_credentials=creds, connect_timeout=PATIENCE, **options)


async def everyday():
    client = await connect()
    say("connected")

    orders = await client.subscribe("orders.new")
    await client.publish("orders.new", b"one")
    assert (await orders.next_msg(PATIENCE)).data == b"one"
    say("published and subscribed")

    one = await client.subscribe("shop.*.paid")
    rest = await client.subscribe("shop.>")
    for subject in ["shop.1.paid", "shop.1.sent", "shop.1.paid.late", "shop", "shop.2.paid"]:
        await client.publish(subject)
    assert [(await one.next_msg(PATIENCE)).subject for _ in range(2)] == ["shop.1.paid", "shop.2.paid"]
    wanted = ["shop.1.paid", "shop.1.sent", "shop.1.paid.late", "shop.2.paid"]
    assert [(await rest.next_msg(PATIENCE)).subject for _ in range(4)] == wanted
    await client.flush()
    assert one.pending_msgs == 0 and rest.pending_msgs == 0
    say("wildcards match what they should")

    work = [await client.subscribe("work", queue="workers") for _ in range(3)]
    for number in range(60):
        await client.publish("work", str(number).encode())
    # The library's flush may overtake what it has not written yet, so the messages themselves are waited for.
    async with asyncio.timeout(PATIENCE):
        while sum(subscription.pending_msgs for subscription in work) < 60:
            await asyncio.sleep(0.01)
    shares = [subscription.pending_msgs for subscription in work]
    assert sum(shares) == 60 and all(shares), shares
    for subscription in work:
        # What nobody takes would hold up the drain below.
        await subscription.unsubscribe()
    say("a queue group shares the work")

    await client.publish("orders.new", b"two", headers={"Trace": "a b", "Empty": ""})
    message = await orders.next_msg(PATIENCE)
    assert message.data == b"two" and message.headers == {"Trace": "a b", "Empty": ""}, message
    say("headers arrive")

    async def answer(message):
        await message.respond(b"re: " + message.data)

    await client.subscribe("questions", cb=answer)
    replies = [await client.request("questions", str(number).encode(), timeout=PATIENCE) for number in range(3)]
    assert [reply.data for reply in replies] == [b"re: 0", b"re: 1", b"re: 2"]
    old = await client.request("questions", b"3", timeout=PATIENCE, old_style=True)
    assert old.data == b"re: 3"
    say("requests are answered")

    try:
        await client.request("nobody.is.here", timeout=PATIENCE)
        raise AssertionError("somebody answered")
    except NoRespondersError:
        say("nobody there is told at once")

    big = os.urandom(client.max_payload)
    await client.publish("orders.new", big)
    assert (await orders.next_msg(PATIENCE)).data == big
    say("the largest payload passes")

    few = await client.subscribe("few")
    await few.unsubscribe(limit=2)
    for _ in range(4):
        await client.publish("few")
    await client.flush()
    assert [(await few.next_msg(PATIENCE)).subject for _ in range(2)] == ["few", "few"]
    assert few.pending_msgs == 0
    say("a subscription ends by itself")

    quiet = await connect(no_echo=True, verbose=True, pedantic=True)
    others = await quiet.subscribe("orders.new")
    await quiet.publish("orders.new", b"own")
    await quiet.flush()
    assert (await orders.next_msg(PATIENCE)).data == b"own"
    await client.publish("orders.new", b"another's")
    assert (await others.next_msg(PATIENCE)).data == b"another's"
    await quiet.close()
    assert (await orders.next_msg(PATIENCE)).data == b"another's"
    say("nothing is echoed to who asks for that")

    got = []

    async def slowly(message):
        await asyncio.sleep(0)
        got.append(message.data)

    await client.subscribe("last", cb=slowly)
    for number in range(100):
        await client.publish("last", str(number).encode())
    await client.drain()
    assert client.is_closed and len(got) == 100, len(got)
    say("draining loses nothing")


async def permissions():
    """May use orders.> and nothing else."""
    errors = asyncio.Queue()

    async def on_error(error):
        await errors.put(error)

    client = await connect(error_cb=on_error)
    await client.publish("secret.plans")
    say(f"publish: {await asyncio.wait_for(errors.get(), PATIENCE)}")
    await client.subscribe("secret.>")
    say(f"subscribe: {await asyncio.wait_for(errors.get(), PATIENCE)}")
    await client.subscribe("secret.plans", queue="spies")
    say(f"queue: {await asyncio.wait_for(errors.get(), PATIENCE)}")

    # The connection goes on, and what is allowed works.
    orders = await client.subscribe("orders.>")
    await client.publish("orders.new", b"one")
    assert (await orders.next_msg(PATIENCE)).data == b"one"
    say("the rest works")
    await client.close()


async def isolation():
    """Two accounts use the same subjects; the second one listens to everything."""
    mine = await connect()
    other = await connect(os.environ["OTHER_URL"], os.environ["OTHER_CREDS"])

    # Replies travel over subjects too.
    async def answer(message):
        await message.respond(b"for my own account")

    await mine.subscribe("questions", cb=answer)
    await mine.flush()
    try:
        await other.request("questions", timeout=PATIENCE)
        raise AssertionError("the other account reached a service that is not its own")
    except NoRespondersError:
        pass

    everything = await other.subscribe(">")
    spies = await other.subscribe(">", queue="spies")
    await other.flush()
    orders = await mine.subscribe("orders.new")
    await mine.publish("orders.new", b"mine", headers={"Of": "mine"})
    assert (await orders.next_msg(PATIENCE)).data == b"mine"
    assert (await mine.request("questions", timeout=PATIENCE)).data == b"for my own account"
    await mine.flush()

    # Its own message would come after everything that had leaked.
    await other.publish("orders.new", b"theirs")
    for listener in [everything, spies]:
        message = await listener.next_msg(PATIENCE)
        assert (message.subject, message.data) == ("orders.new", b"theirs"), message
        assert listener.pending_msgs == 0
    # Nor did the first account see what the other one said.
    await mine.flush()
    assert orders.pending_msgs == 0
    say("isolated")
    await mine.close()
    await other.close()


async def refused():
    """The creds are no good."""
    try:
        await connect(allow_reconnect=False)
        say("connected")
    except Exception as error:
        say(f"{type(error).__name__}: {error}")


async def cut():
    """The creds of a live connection end: the test revokes them, or their time is over."""
    closed = asyncio.Event()

    async def on_closed():
        closed.set()

    try:
        client = await connect(closed_cb=on_closed, allow_reconnect=False)
        await client.flush()
    except Exception as error:
        return say(f"refused: {error}")
    say("connected")
    await asyncio.wait_for(closed.wait(), PATIENCE)
    say(f"closed: {client.last_error}")


async def steady():
    """One connection that comes back whenever the node does; sends itself what the test says."""

    async def on_reconnected():
        say("reconnected")

    client = await connect(reconnected_cb=on_reconnected, reconnect_time_wait=0.1, max_reconnect_attempts=-1)
    orders = await client.subscribe("orders.>")
    await client.flush()
    say("connected")
    while line := (await heard()).strip():
        await client.publish("orders.new", line.encode())
        say((await orders.next_msg(PATIENCE)).data.decode())
    await client.close()


PARTS = [everyday, permissions, isolation, refused, cut, steady]
asyncio.run({part.__name__: part for part in PARTS}[sys.argv[1]]())
