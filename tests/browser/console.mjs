// The console's main journey in a real browser: a one-time link signs in, the
// accounts show what is live, a user is made, its credentials are downloaded
// once and revoked.
//
//   CONSOLE_URL    the one-time link (required)
//   CREDS_OUT      where to put the downloaded file (required)
//   ACCOUNT        name of the account to work in (default: the first one)
//   CONNECTIONS    wait until the account shows so many connections (default 0)
//   MESSAGES_IN    wait until the account shows so many messages in (default 0)
//   CREDS_CHECKED  wait for this file before revoking: whoever runs this has
//                  then connected with CREDS_OUT
//   CHROMIUM       the browser (default /usr/bin/chromium)
//   SCREENSHOTS    a folder for pictures of each page, if any are wanted
//
// Prints a line for each step. Exits 1 with what went wrong otherwise.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium } from 'playwright-core';
import { Watch } from './watch.mjs';

const STEP_MS = 20_000;
const CHECKED_MS = 60_000;

const setting = (name) => {
  const value = process.env[name];
  if (!value) fail(`set ${name}; the head of console.mjs says to what`);
  return value;
};

function fail(message) {
  console.error(`FAILED: ${message}`);
  process.exit(1);
}

const link = setting('CONSOLE_URL');
const credsOut = setting('CREDS_OUT');
const origin = new URL(link).origin;
const watch = new Watch(origin);
// Long, as names may be.
const userName = `browser-${Date.now().toString(36)}-${'x'.repeat(40)}`;

let current = 'start';
async function step(name, body) {
  current = name;
  const begin = Date.now();
  const result = await body();
  console.log(`ok: ${name} (${Date.now() - begin} ms)`);
  return result;
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

let pictures = 0;
async function look(page, name) {
  await watch.accessibility(page);
  await watch.layout(page);
  if (process.env.SCREENSHOTS) {
    pictures += 1;
    const path = join(process.env.SCREENSHOTS, `${String(pictures).padStart(2, '0')}-${name}.png`);
    await page.screenshot({ path, fullPage: true });
  }
}

async function openedPage(context) {
  const page = watch.page(await context.newPage());
  page.setDefaultTimeout(STEP_MS);
  return page;
}

/** Waits until a number on the page has grown to `least`, without a reload. */
async function numberReaches(page, selector, least) {
  try {
    await page.waitForFunction(
      ([selector, least]) => Number(document.querySelector(selector)?.textContent.replaceAll(',', '')) >= least,
      [selector, least],
    );
  } catch {
    const shown = await page.locator(selector).textContent();
    throw new Error(`${selector} shows ${shown} after ${STEP_MS / 1000} s, not ${least}`);
  }
}

async function signInOnce(browser) {
  const context = await browser.newContext({ acceptDownloads: true });
  const page = await openedPage(context);

  await step('following the link does not use it up', async () => {
    await page.goto(link);
    await page.reload();
    await look(page, 'sign-in');
  });

  await step('one click signs in', async () => {
    await page.getByRole('button', { name: 'Sign in' }).click();
    const refused = page.getByRole('alert');
    await page.getByRole('heading', { level: 1, name: 'Accounts' }).or(refused).waitFor();
    if (await refused.count()) throw new Error(`the link was refused: ${await refused.textContent()}`);
    const session = (await context.cookies()).find((cookie) => cookie.name.endsWith('session'));
    expect(session, 'there is no session cookie');
    expect(session.httpOnly, 'scripts can read the session cookie');
    expect(session.sameSite === 'Lax', `the session cookie is SameSite=${session.sameSite}`);
  });

  await step('the link does not work twice', async () => {
    const other = await browser.newContext();
    const second = await openedPage(other);
    await second.goto(link);
    await second.getByRole('alert').waitFor();
    // The button is looked at as it is under the mouse.
    await second.getByRole('button', { name: 'Sign in' }).hover();
    await look(second, 'sign-in-used');
    await second.goto(`${origin}/`);
    expect(new URL(second.url()).pathname === '/sign-in', 'a used link opened the console');
    await other.close();
  });

  return { context, page };
}

async function seeAccounts(page) {
  await step('the accounts are there, and the numbers refresh themselves', async () => {
    await page.locator('tbody th[scope=row] a').first().waitFor();
    const asOf = await page.locator('#live .asof time').textContent();
    await page.waitForFunction(
      (before) => document.querySelector('#live .asof time')?.textContent !== before,
      asOf,
    );
    await look(page, 'accounts');
  });

  await step('the skip link leads past the frame, without a mouse', async () => {
    await page.reload();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id === 'main'), 'the skip link leads nowhere');
  });
}

async function openAccount(page) {
  await step('an account shows what is live', async () => {
    const links = page.locator('tbody th[scope=row] a');
    const wanted = process.env.ACCOUNT ? links.getByText(process.env.ACCOUNT, { exact: true }) : links;
    await wanted.first().click();
    await page.locator('#live svg.bars').waitFor();
    await numberReaches(page, '#connections-now', Number(process.env.CONNECTIONS ?? 0));
    await numberReaches(page, '#messages-in', Number(process.env.MESSAGES_IN ?? 0));
    await page.getByText('The same as a table').click();
    await look(page, 'account');
  });
}

async function createUser(page) {
  await step('a name that cannot be is refused with the reason beside the field', async () => {
    await page.getByLabel('Name').fill('Not A Name');
    await page.getByRole('button', { name: 'Create user' }).click();
    await page.locator('#name[aria-invalid]').waitFor();
    expect((await page.getByLabel('Name').inputValue()) === 'Not A Name', 'the form forgot what was typed');
    await look(page, 'user-refused');
  });

  await step('a user is made', async () => {
    await page.getByLabel('Name').fill(userName);
    await page.getByRole('button', { name: 'Create user' }).click();
    await page.getByRole('heading', { level: 1, name: userName }).waitFor();
    await look(page, 'user');
  });
}

async function downloadCreds(page) {
  await step('its credentials are downloaded, and the list shows them', async () => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Issue and download' }).click(),
    ]);
    await download.saveAs(credsOut);
    expect(download.suggestedFilename().endsWith(`-${userName}.creds`), `the file is called ${download.suggestedFilename()}`);
    const creds = readFileSync(credsOut, 'utf8');
    expect(creds.includes('BEGIN NATS USER JWT'), 'the file holds no user JWT');
    expect(creds.includes('BEGIN USER NKEY SEED'), 'the file holds no seed');
    await page.locator('#issuances').getByText('good', { exact: true }).waitFor();
    const seed = creds.split('\n').find((line) => line.startsWith('SU'));
    await page.reload();
    expect(seed && !(await page.content()).includes(seed), 'the page shows the seed again');
    await look(page, 'issued');
  });

  if (process.env.CREDS_CHECKED) {
    await step('the credentials were tried by who runs this', async () => {
      const end = Date.now() + CHECKED_MS;
      while (!existsSync(process.env.CREDS_CHECKED)) {
        expect(Date.now() < end, `${process.env.CREDS_CHECKED} did not come in ${CHECKED_MS / 1000} s`);
        await pause(50);
      }
    });
  }
}

async function revoke(page) {
  await step('revoking asks once more, and shows in the list', async () => {
    await page.getByRole('link', { name: /^Revoke U/ }).click();
    await look(page, 'revoke');
    await page.getByRole('button', { name: 'Revoke' }).click();
    await page.locator('#issuances').getByText('revoked', { exact: true }).waitFor();
    expect((await page.getByRole('link', { name: /^Revoke U/ }).count()) === 0, 'it can be revoked again');
    await look(page, 'revoked');
    // The next step deletes the user elsewhere, which this page would notice by itself, and say so.
    await page.goto(`${origin}/`);
  });
}

async function withoutScripts(browser, context, userPage) {
  await step('the same pages work without scripts', async () => {
    const plain = await browser.newContext({
      javaScriptEnabled: false,
      storageState: await context.storageState(),
    });
    const page = await openedPage(plain);
    await page.goto(userPage);
    await page.getByRole('link', { name: 'Delete user' }).click();
    await page.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('status').waitFor();
    expect((await page.getByRole('link', { name: userName, exact: true }).count()) === 0, 'the user is still listed');
    const gone = await page.goto(userPage);
    expect(gone.status() === 404, `a deleted user answers ${gone.status()}`);
    await plain.close();
  });
}

async function signOut(page) {
  await step('an unknown page says where to go', async () => {
    const answer = await page.goto(`${origin}/no-such-page`);
    expect(answer.status() === 404, `an unknown page answers ${answer.status()}`);
    await look(page, 'not-found');
  });

  await step('signing out ends the session', async () => {
    await page.goto(`${origin}/`);
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(`${origin}/sign-in**`);
    await page.goto(`${origin}/`);
    expect(new URL(page.url()).pathname === '/sign-in', 'the console is still open');
  });
}

const profile = mkdtempSync(join(tmpdir(), 'tollway-browser-'));
let browser;
try {
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // No sandbox: tests run as root in containers. The rest keeps Chromium from calling home.
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
    downloadsPath: profile,
  });
  const { context, page } = await signInOnce(browser);
  await seeAccounts(page);
  await openAccount(page);
  await createUser(page);
  const userPage = page.url().split('?')[0];
  await downloadCreds(page);
  await revoke(page);
  await withoutScripts(browser, context, userPage);
  await signOut(page);
  current = 'the browser has nothing to complain about';
  watch.verdict();
  console.log(`ok: ${current}`);
} catch (error) {
  console.error(`FAILED at "${current}": ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  rmSync(profile, { recursive: true, force: true });
}
