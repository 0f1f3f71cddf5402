// A program over a websocket: the library of Node and browsers, as people use it.
//
//   NATS_URL    ws:// or wss://
//
// Prints a line for each thing that was seen; the test compares them with those of the real server.
import { wsconnect } from "@nats-io/nats-core";

const wait = { timeout: 60_000 };
const client = await wsconnect({ servers: process.env.NATS_URL, reconnect: false, timeout: 60_000 });
console.log("connects");
const messages = client.subscribe("orders.*")[Symbol.asyncIterator]();
const next = async () => (await messages.next()).value;
const large = Uint8Array.from({ length: 900_000 }, (_, at) => at % 251);
client.publish("orders.small", "hello");
client.publish("orders.large", large);
console.log(`small message ${(await next()).string()}`);
console.log(`large message is whole: ${Buffer.from((await next()).data).equals(large)}`);
client.subscribe("ask", { callback: (_error, message) => message.respond(message.string().toUpperCase()) });
const ask = async (text) => (await client.request("ask", text, wait)).string();
const replies = [];
for (let number = 0; number < 50; number++) replies.push(await ask("again"));
console.log(`50 replies: ${[...new Set(replies)]}`);
console.log(`50 replies: ${[...new Set(await Promise.all(Array.from({ length: 50 }, () => ask("at once"))))]}`);
try {
  await client.request("nobody", "", wait);
} catch (error) {
  console.log(`nobody answers: ${/no responders/i.test(String(error))}`);
}
await client.drain();
console.log("done");
