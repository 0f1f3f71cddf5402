// What must never happen on any page: collected while a journey runs,
// judged at its end.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core'), 'utf8');

// A page that refuses on purpose answers 4xx, which Chromium reports as an error of the console.
const REFUSAL = /the server responded with a status of 4\d\d/;

/** Complaints of the browser: script errors, policy violations, requests to elsewhere. */
export class Watch {
  #complaints = [];
  #origin;

  constructor(origin) {
    this.#origin = origin;
  }

  /** Listens to a page from now on. */
  page(page) {
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type()) && !REFUSAL.test(message.text())) {
        this.#complaints.push(`console ${message.type()} at ${page.url()}: ${message.text()}`);
      }
    });
    page.on('pageerror', (error) => this.#complaints.push(`script error at ${page.url()}: ${error.message}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.protocol !== 'data:' && url.origin !== this.#origin) {
        this.#complaints.push(`${page.url()} asked another host: ${request.url()}`);
      }
    });
    return page;
  }

  /** Looks at the page as people with other eyes and other hands use it, in light and in dark. */
  async accessibility(page) {
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      // evaluate is not subject to the page's policy, so the page need not allow the library.
      await page.evaluate(axeSource);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const violation of violations) {
        const where = violation.nodes.map((node) => node.target.join(' ')).join('; ');
        this.#complaints.push(`${violation.id} at ${page.url()} in ${colorScheme}: ${violation.help} (${where})`);
      }
    }
    await page.emulateMedia({ colorScheme: null });
  }

  /** No page is wider than the window, be it a desk's or a phone's. */
  async layout(page) {
    const usual = page.viewportSize();
    for (const width of [usual.width, 390]) {
      await page.setViewportSize({ ...usual, width });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      if (wide > width) this.#complaints.push(`${page.url()} is ${wide} wide in a window of ${width}`);
    }
    await page.setViewportSize(usual);
  }

  /** Throws when there was any complaint. */
  verdict() {
    if (this.#complaints.length > 0) {
      throw new Error(`the browser complained:\n  ${this.#complaints.join('\n  ')}`);
    }
  }
}
