/**
 * The page in a real browser: opened from disk, used by keyboard, looked at by axe-core in both themes at three widths. Needs Chromium (/usr/bin/chromium, or where
 * MMULAB_CHROMIUM says); where there is none these tests are skipped, and say so.
 */
import axe from 'axe-core';
import { resolveRuns, type RawConfig } from '@mmulab/runner';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { explorerPage, playgroundPage } from '../explorer-page';
import { registry } from '../fixtures/registry';

const CHROMIUM = process.env['MMULAB_CHROMIUM'] ?? '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-sync',
];
/** A phone, a tablet, a screen. */
const WIDTHS_PX = [360, 820, 1280];
/** Starting a browser on a busy machine takes its time. */
const PATIENCE_MS = 120_000;

const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser) console.warn(`No browser at ${CHROMIUM}: the tests of the explorer in a browser are skipped.`);
const inBrowser = hasBrowser ? describe : describe.skip;

const made = { madeBy: 'mmulab', sources: '../packages' };
const explorer = (config: RawConfig): string => explorerPage(resolveRuns(config, registry), registry, made);
const pages: Readonly<Record<string, () => string>> = {
  one: () => explorer({ backend: { name: 'x86-tdp', kernel: '6.1.192' }, workload: 'dirty_log_perf_test -v 1 -b 2M -s anonymous_hugetlb_2mb' }),
  two: () =>
    explorer({
      backend: { name: 'x86-tdp', kernel: '6.1.192', options: { nx_huge_pages: 'Y' } },
      workload: 'execute_perf_test -v 1 -b 2M -s anonymous_hugetlb_2mb',
      vary: { huge_page_fault: ['zap', 'split'] },
    }),
  shadow: () =>
    explorer({ backend: { name: 'x86-shadow', kernel: '5.17', options: { root_reset: 'lookup' } }, workload: 'cr_churn -m w -n 2 -p 10' }),
  arm64: () => explorer({ backend: { name: 'arm64-stage2' }, workload: 'access_rounds -v 2 -b 2M -s anonymous_hugetlb_2mb -o -p w,D,w' }),
  lessons: () => playgroundPage(registry, made),
};

/** What the page keeps at hand for its console. */
const digest = `mmulabSession.sides.map(side => side.lab.digest()).join()`;

inBrowser('the explorer in a browser', () => {
  let browser: Browser;
  const directory = mkdtempSync(join(tmpdir(), 'mmulab-explorer-'));
  /** What went wrong in the page last opened: errors, and requests to anywhere. */
  let complaints: string[] = [];

  beforeAll(async () => {
    for (const [name, make] of Object.entries(pages)) writeFileSync(join(directory, `${name}.html`), make());
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  }, PATIENCE_MS);
  afterAll(async () => {
    await browser.close();
    rmSync(directory, { recursive: true });
  });

  async function open(name: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    complaints = [];
    page.on('console', message => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', error => complaints.push(error.message));
    page.on('request', request => {
      if (!/^(file|data|blob):/.test(request.url())) complaints.push(`request: ${request.url()}`);
    });
    await page.goto(pathToFileURL(join(directory, `${name}.html`)).href);
    await page.waitForSelector('.explorer canvas');
    return page;
  }

  it.each(Object.keys(pages))(
    '%s: opens from disk, goes through the run and back, without an error or a request',
    async name => {
      const page = await open(name);
      const states = await page.evaluate(`(() => {
        const to = step => { mmulabSession.seek(step); return ${digest}; };
        const { steps } = mmulabSession.lockstep;
        return [to(9), to(Math.floor(steps / 2)), to(steps), to(Math.floor(steps / 2)), to(9)];
      })()`);
      const [early, middle, end, middleAgain, earlyAgain] = states as string[];
      expect([middleAgain === middle, earlyAgain === early, early === end]).toEqual([true, true, false]);
      expect(await page.locator('.walk .entry').count()).toBeGreaterThan(0);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it(
    'can be used with the keyboard alone',
    async () => {
      const page = await open('one');
      const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
      const tabTo = async (text: string): Promise<void> => {
        for (let i = 0; i < 40 && (await focused()) !== text; i++) await page.keyboard.press('Tab');
        expect(await focused()).toBe(text);
      };
      await page.keyboard.press('Tab');
      expect(await focused()).toBe('To the run');
      await tabTo('Step ▶');
      for (let i = 0; i < 5; i++) await page.keyboard.press('Enter');
      expect(await page.textContent('.position')).toMatch(/^5 of /);
      const there = await page.evaluate(digest);
      await page.keyboard.press('Enter');
      await page.focus('button:text("Back")');
      await page.keyboard.press('Enter');
      expect(await page.evaluate(digest)).toBe(there);
      expect(await page.textContent('.path')).toContain('fault.ts');
      await tabTo('Jump');
      await page.keyboard.press('Enter');
      expect(await page.textContent('.what')).toContain('a fault');
      await page.evaluate('mmulabSession.seek(mmulabSession.lockstep.steps - 1)');
      await page.press('button:text("Jump")', 'Enter');
      const missed = page.getByText('No fault was left: this is the end.');
      await missed.waitFor();
      await page.focus('button:text("Back")');
      await page.keyboard.press('Enter');
      await missed.waitFor({ state: 'detached' });
      await page.focus('canvas');
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowDown');
      const chosen = await page.evaluate('mmulabSession.selected - mmulabSession.window.base');
      expect(chosen).toBe(65);
      await page.focus('.walk .entry >> nth=0');
      await page.keyboard.press('Enter');
      expect(await page.textContent('.walk caption')).toContain('Guest page-table entry');
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it(
    'teaches step by step, and says when one has gone elsewhere',
    async () => {
      const page = await open('lessons');
      await page.focus('button:text("A toggle of CR0.WP")');
      await page.keyboard.press('Enter');
      const next = page.getByRole('button', { name: 'Next ▶' });
      for (let i = 0; i < 3; i++) await next.press('Enter');
      expect(await page.textContent('.lesson-text')).toMatch(/^4 of 12 .*the vCPU holds 2 roots, current and previous 1/);
      await page.getByRole('button', { name: 'Step ▶' }).click();
      expect(await page.textContent('.lesson-text')).toContain('You have gone elsewhere');
      await page.getByRole('button', { name: '◀ Previous' }).click();
      expect(await page.textContent('.lesson-text')).toMatch(/^3 of 12 .*6 tables/);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it(
    'runs what its controls say, and says what is wrong with them',
    async () => {
      const page = await open('one');
      await page.click('summary:text("What to run")');
      await page.fill('input[list=workloads]', 'execute_perf_test -q');
      await page.press('input[list=workloads]', 'Tab');
      expect(await page.textContent('[role=alert]')).toMatch(/^WORKLOAD_UNKNOWN_FLAG|-q/);
      await page.fill('input[list=workloads]', 'access_rounds -v 1 -b 2M -p w');
      await page.press('input[list=workloads]', 'Tab');
      await page.selectOption('fieldset select:has(option[value="arm64-stage2"])', 'arm64-stage2');
      await page.click('button[type=submit]');
      expect(await page.textContent('[role=alert]')).toBe('');
      expect(await page.textContent('.side h2')).toMatch(/^arm64-stage2 7\.3/);
      expect(await page.textContent('.position')).toMatch(/^0 of \d+ steps$/);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it.each([
    ['two', 'light'],
    ['lessons', 'dark'],
  ] as const)(
    '%s, %s: passes axe-core, and does not scroll sideways at 360, 820 and 1,280 pixels',
    async (name, colorScheme) => {
      const page = await open(name, { colorScheme });
      await page.evaluate('mmulabSession.seek(20)');
      for (const width of WIDTHS_PX) {
        await page.setViewportSize({ width, height: 900 });
        expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
      }
      await page.click('summary:text("What to run")');
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
      expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 120)).join(' | ')}`)).toEqual([]);
      await page.context().close();
    },
    PATIENCE_MS,
  );
});
