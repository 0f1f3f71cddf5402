// The client for Node as it is now: @nats-io/transport-node.
import { connect, credsAuthenticator, headers, RequestError } from '@nats-io/transport-node';
import { play } from './parts.mjs';

await play({
  connect,
  credsAuthenticator,
  headers,
  isNoResponders: (error) => error instanceof RequestError && error.isNoResponders(),
  describe: ({ error }) => `${error.name}: ${error.message}`,
});
