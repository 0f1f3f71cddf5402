// What a tenant's program does with a NATS client for Node. The two generations of the client share
// most of their interface; what differs is in nats_v3.mjs and nats_v2.mjs, which run these parts.
//
// Prints a line for each thing that was seen to work, or what the library reported. The Rust test that
// runs this compares the lines; a failed assertion ends the program with its place.
import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const PATIENCE_MS = 60_000;

const { NATS_URL: url, CREDS: creds, OTHER_URL: otherUrl, OTHER_CREDS: otherCreds } = process.env;

// A pipe is written at once only when nothing else is waiting; so wait for it.
const say = (line) => new Promise((done) => process.stdout.write(`${line}\n`, done));

/** Gives the messages of a subscription one by one. */
const reader = (subscription) => {
  // One for all messages: the old library lets a subscription be iterated once.
  const messages = subscription[Symbol.asyncIterator]();
  return async () => {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`nothing came for ${subscription.getSubject()}`)), PATIENCE_MS);
    });
    try {
      const { value, done } = await Promise.race([messages.next(), late]);
      assert(!done, `the subscription to ${subscription.getSubject()} ended`);
      return value;
    } finally {
      clearTimeout(timer);
    }
  };
};

/** Answers every request. */
const respond = (subscription, answer) => {
  (async () => {
    for await (const message of subscription) message.respond(answer(message));
  })();
};

/** Runs the part that the command line names, with a library: see nats_v3.mjs. */
export async function play(library) {
  const connect = (to = url, file = creds, options = {}) => {
    const authenticator = library.credsAuthenticator(readFileSync(file));
    // Who connects has two seconds to sign in. The first signature is code that never ran before; on a
    // machine that is busy with other tests, that alone can take them.
    authenticator('to warm up');
    return library.connect({ servers: to, authenticator, timeout: PATIENCE_MS, ...options });
  };
  const waiting = { timeout: PATIENCE_MS };

  async function everyday() {
    const client = await connect();
    await say('connected');

    const nextOrder = reader(client.subscribe('orders.new'));
    client.publish('orders.new', 'one');
    assert.equal((await nextOrder()).string(), 'one');
    await say('published and subscribed');

    const seen = { one: [], rest: [] };
    const keep = (list) => (error, message) => list.push(error ?? message.subject);
    client.subscribe('shop.*.paid', { callback: keep(seen.one) });
    client.subscribe('shop.>', { callback: keep(seen.rest) });
    for (const subject of ['shop.1.paid', 'shop.1.sent', 'shop.1.paid.late', 'shop', 'shop.2.paid']) {
      client.publish(subject);
    }
    await client.flush();
    assert.deepEqual(seen.one, ['shop.1.paid', 'shop.2.paid']);
    assert.deepEqual(seen.rest, ['shop.1.paid', 'shop.1.sent', 'shop.1.paid.late', 'shop.2.paid']);
    await say('wildcards match what they should');

    const shares = [0, 0, 0];
    shares.forEach((_, worker) => {
      client.subscribe('work', { queue: 'workers', callback: () => (shares[worker] += 1) });
    });
    for (let number = 0; number < 60; number += 1) client.publish('work', `${number}`);
    await client.flush();
    assert(shares.every((share) => share > 0), `${shares}`);
    assert.equal(shares.reduce((sum, share) => sum + share), 60);
    await say('a queue group shares the work');

    const headers = library.headers();
    headers.set('Trace', 'a b');
    headers.append('Many', '1');
    headers.append('Many', '2');
    client.publish('orders.new', 'two', { headers });
    const message = await nextOrder();
    assert.equal(message.string(), 'two');
    assert.equal(message.headers.get('Trace'), 'a b');
    assert.deepEqual(message.headers.values('Many'), ['1', '2']);
    await say('headers arrive');

    respond(client.subscribe('questions'), (question) => `re: ${question.string()}`);
    for (let number = 0; number < 3; number += 1) {
      const reply = await client.request('questions', `${number}`, waiting);
      assert.equal(reply.string(), `re: ${number}`);
    }
    const alone = await client.request('questions', '3', { ...waiting, noMux: true });
    assert.equal(alone.string(), 're: 3');
    await say('requests are answered');

    await assert.rejects(client.request('nobody.is.here', '', waiting), library.isNoResponders);
    await say('nobody there is told at once');

    const big = randomBytes(client.info.max_payload);
    client.publish('orders.new', big);
    assert.equal(Buffer.compare((await nextOrder()).data, big), 0);
    await say('the largest payload passes');

    const few = [];
    client.subscribe('few', { max: 2, callback: (error, message) => few.push(error ?? message.subject) });
    for (let number = 0; number < 4; number += 1) client.publish('few');
    await client.flush();
    assert.deepEqual(few, ['few', 'few']);
    await say('a subscription ends by itself');

    const quiet = await connect(url, creds, { noEcho: true, verbose: true, pedantic: true });
    const nextOther = reader(quiet.subscribe('orders.new'));
    quiet.publish('orders.new', 'own');
    await quiet.flush();
    assert.equal((await nextOrder()).string(), 'own');
    client.publish('orders.new', "another's");
    assert.equal((await nextOther()).string(), "another's");
    await quiet.close();
    assert.equal((await nextOrder()).string(), "another's");
    await say('nothing is echoed to who asks for that');

    const last = client.subscribe('last');
    let got = 0;
    const counted = (async () => {
      for await (const _ of last) got += 1;
    })();
    for (let number = 0; number < 100; number += 1) client.publish('last', `${number}`);
    await client.drain();
    await counted;
    assert(client.isClosed());
    assert.equal(got, 100);
    await say('draining loses nothing');
  }

  /** May use orders.> and nothing else. */
  async function permissions() {
    const client = await connect();
    const status = client.status()[Symbol.asyncIterator]();
    const error = async () => {
      for (;;) {
        const { value } = await status.next();
        if (value.type === 'error') return library.describe(value);
      }
    };
    // What is wrong with a subscription ends it, too.
    const ended = (subject, options) =>
      new Promise((resolve) => client.subscribe(subject, { ...options, callback: resolve }));

    client.publish('secret.plans');
    await say(`publish: ${await error()}`);
    const subscribed = await ended('secret.>');
    assert(subscribed instanceof Error);
    await say(`subscribe: ${await error()}`);
    const queued = await ended('secret.plans', { queue: 'spies' });
    assert(queued instanceof Error);
    await say(`queue: ${await error()}`);

    // The connection goes on, and what is allowed works.
    const nextOrder = reader(client.subscribe('orders.>'));
    client.publish('orders.new', 'one');
    assert.equal((await nextOrder()).string(), 'one');
    await say('the rest works');
    await client.close();
  }

  /** Two accounts use the same subjects; the second one listens to everything. */
  async function isolation() {
    const mine = await connect();
    const other = await connect(otherUrl, otherCreds);

    // Replies travel over subjects too.
    respond(mine.subscribe('questions'), () => 'for my own account');
    await mine.flush();
    await assert.rejects(other.request('questions', '', waiting), library.isNoResponders);

    const everything = [];
    const keep = (error, message) => everything.push(error ?? `${message.subject} ${message.string()}`);
    other.subscribe('>', { callback: keep });
    other.subscribe('>', { queue: 'spies', callback: keep });
    await other.flush();
    const orders = [];
    mine.subscribe('orders.new', { callback: (error, message) => orders.push(error ?? message.string()) });
    mine.publish('orders.new', 'mine');
    assert.equal((await mine.request('questions', '', waiting)).string(), 'for my own account');
    await mine.flush();

    // Its own message would come after everything that had leaked.
    other.publish('orders.new', 'theirs');
    await other.flush();
    assert.deepEqual(everything, ['orders.new theirs', 'orders.new theirs']);
    // Nor did the first account see what the other one said.
    await mine.flush();
    assert.deepEqual(orders, ['mine']);
    await say('isolated');
    await mine.close();
    await other.close();
  }

  /** The creds are no good. */
  async function refused() {
    try {
      await connect(url, creds, { reconnect: false });
      await say('connected');
    } catch (error) {
      await say(library.describe({ error }));
    }
    // The old library leaves a timer behind after a refusal.
    process.exit(0);
  }

  /** The creds of a live connection end: the test revokes them, or their time is over. */
  async function cut() {
    let client;
    try {
      client = await connect(url, creds, { reconnectTimeWait: 100 });
      await client.flush();
    } catch (error) {
      return say(`refused: ${library.describe({ error })}`);
    }
    const errors = new Set();
    (async () => {
      for await (const event of client.status()) {
        if (event.type === 'error') errors.add(library.describe(event));
      }
    })();
    await say('connected');
    const error = await client.closed();
    for (const seen of errors) await say(seen);
    return say(`closed: ${error ? library.describe({ error }) : 'without an error'}`);
  }

  /** One connection that comes back whenever the node does; sends itself what the test says. */
  async function steady() {
    const client = await connect(url, creds, { reconnectTimeWait: 100, maxReconnectAttempts: -1 });
    const nextOrder = reader(client.subscribe('orders.>'));
    (async () => {
      for await (const event of client.status()) {
        if (event.type === 'reconnect') await say('reconnected');
      }
    })();
    await client.flush();
    await say('connected');
    for await (const line of createInterface({ input: process.stdin })) {
      client.publish('orders.new', line);
      await say((await nextOrder()).string());
    }
    await client.close();
  }

  const parts = { everyday, permissions, isolation, refused, cut, steady };
  await parts[process.argv[2]]();
}
