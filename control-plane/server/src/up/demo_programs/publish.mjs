// Publishes one message on greetings.hello.
//
// node publish.mjs nats://127.0.0.1:4222 orders.creds
import { readFileSync } from 'node:fs';
import { connect, credsAuthenticator } from '@nats-io/transport-node';

const [url, creds] = process.argv.slice(2);
const client = await connect({ servers: url, authenticator: credsAuthenticator(readFileSync(creds)) });
client.publish('greetings.hello', 'Hello from Node');
await client.drain();
console.log('published to greetings.hello');
