// Prints every message on greetings.> until Ctrl-C.
//
// node subscribe.mjs nats://127.0.0.1:4222 orders.creds
import { readFileSync } from 'node:fs';
import { connect, credsAuthenticator } from '@nats-io/transport-node';

const [url, creds] = process.argv.slice(2);
const authenticator = credsAuthenticator(readFileSync(creds));
const client = await connect({ servers: url, authenticator, reconnect: false }).catch((error) => {
  console.error(`not connected to ${url}: ${error.message} (are these credentials of an account that it serves?)`);
  process.exit(1);
});
client.closed().then((error) => {
  console.error(`the connection was closed: ${error?.message ?? 'no reason given'}`);
  process.exit(1);
});
const subscription = client.subscribe('greetings.>');
await client.flush();
console.log('listening on greetings.>');
for await (const message of subscription) {
  console.log(`${message.subject}: ${message.string()}`);
}
