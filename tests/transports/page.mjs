// A page in a real browser that speaks NATS over its own WebSocket.
//
//   WS_URL, WSS_URL    where to connect
//   CHROMIUM           the browser
//
// Prints a line for each thing that was seen; the test compares them with those of the real server.
import { chromium } from "playwright-core";

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: [
    "--no-sandbox",
    // A page from elsewhere that connects to this machine would have to ask a person first.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
  ],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true });

/** A page of this origin, whose content nobody has to serve. */
async function at(origin) {
  const page = await context.newPage();
  await page.route(`${origin}/**`, (route) => route.fulfill({ contentType: "text/html", body: "<p>page</p>" }));
  await page.goto(`${origin}/`);
  return page;
}

/** What the page sees: it runs in the browser. */
async function conversation(url) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const lines = [];
  let text = "";
  let longest = 0;
  const closed = new Promise((resolve) => { socket.onclose = (event) => resolve(event); });
  const decoder = new TextDecoder("latin1");
  let arrived = () => {};
  socket.onmessage = ({ data }) => {
    if (!(data instanceof ArrayBuffer)) lines.push("a text frame");
    longest = Math.max(longest, data.byteLength);
    text += decoder.decode(data);
    arrived();
  };
  const refused = closed.then((event) => { throw new Error(`closed ${event.code}`); });
  const until = async (found) => {
    while (!found()) await Promise.race([new Promise((resolve) => { arrived = resolve; }), refused]);
  };
  const take = async (wanted) => {
    await until(() => text.includes(wanted));
    text = text.slice(text.indexOf(wanted) + wanted.length);
  };
  try {
    await until(() => text.includes("\r\n"));
    lines.push(`first comes ${text.slice(0, 5)}`);
    text = "";
    lines.push(`extensions: ${socket.extensions}`);
    const encoder = new TextEncoder();
    const send = (string) => socket.send(encoder.encode(string));
    send('CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"protocol":1}\r\nPING\r\n');
    await take("PONG\r\n");
    const large = "0123456789abcdef".repeat(20_000);
    send("SUB orders.* 1\r\n");
    send(`PUB orders.large ${large.length}\r\n${large}\r\n`);
    await take(`MSG orders.large 1 ${large.length}\r\n${large}\r\n`);
    lines.push("the large message is whole");
    // Text frames are as good as others.
    socket.send("PUB orders.small 5\r\nhello\r\n");
    await take("MSG orders.small 1 5\r\nhello\r\n");
    lines.push(`frames up to 4096 bytes: ${longest <= 4096 || socket.extensions !== ""}`);
    socket.close(1000, "bye");
    const event = await closed;
    lines.push(`closed ${event.code}, clean: ${event.wasClean}`);
  } catch (error) {
    lines.push(`${error.message}`);
  }
  return lines;
}

try {
  const own = await at("http://app.test");
  const other = await at("http://evil.test");
  for (const [name, page, url] of [
    ["ws", own, process.env.WS_URL],
    ["ws of another page", other, process.env.WS_URL],
    ["wss", own, process.env.WSS_URL],
  ]) {
    for (const line of await page.evaluate(conversation, url)) console.log(`${name}: ${line}`);
  }
} finally {
  await browser.close();
}
