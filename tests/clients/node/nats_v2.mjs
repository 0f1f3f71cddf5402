// The client for Node as many programs still have it: nats, version 2.
import { connect, credsAuthenticator, ErrorCode, headers } from 'nats';
import { play } from './parts.mjs';

await play({
  connect,
  credsAuthenticator,
  headers,
  isNoResponders: (error) => error.code === ErrorCode.NoResponders,
  // An event has the code where an error has its text; the text is lost.
  describe: ({ error, data, permissionContext: denied }) => {
    if (error) return `${error.code}: ${error.message}`;
    return denied ? `${data}: ${denied.operation} ${denied.subject} ${denied.queue ?? ''}`.trim() : data;
  },
});
