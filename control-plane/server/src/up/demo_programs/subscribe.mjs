// Prints every message on greetings.> until Ctrl-C.
//
// node subscribe.mjs nats://127.0.0.1:4222 orders.creds
import { readFileSync } from 'node:fs';
import { connect, credsAuthenticator } from '@nats-io/transport-node';

const [url, creds] = process.argv.slice(2);
const client = await connect({ servers: url, authenticator: credsAuthenticator(readFileSync(creds)) });
const subscription = client.subscribe('greetings.>');
await client.flush();
console.log('listening on greetings.>');
for await (const message of subscription) {
  console.log(`${message.subject}: ${message.string()}`);
}
