// Publishes one message on greetings.hello.
//
// node publish.mjs nats://127.0.0.1:4222 orders.creds
import { readFileSync } from 'node:fs';
import { connect, credsAuthenticator } from '@nats-io/transport-node';

const [url, creds] = process.argv.slice(2);
const authenticator = credsAuthenticator(readFileSync(creds));
const client = await connect({ servers: url, authenticator }).catch((error) => {
  console.error(`not connected to ${url}: ${error.message} (are these credentials of an account that it serves?)`);
  process.exit(1);
});
client.publish('greetings.hello', 'Hello from Node');
await client.drain();
console.log('published to greetings.hello');
