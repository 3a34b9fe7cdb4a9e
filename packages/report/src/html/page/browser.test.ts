/**
 * Pages in a real browser: opened from disk, used by keyboard, looked at by axe-core in both themes at three widths. Needs Chromium (/usr/bin/chromium, or where
 * MMULAB_CHROMIUM says); where there is none these tests are skipped, and say so.
 */
import axe from 'axe-core';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { madeResult, matrix, zapAndSplit } from '../../fixtures/results';
import { htmlReport, type ReportStory } from '../build-report';

const CHROMIUM = process.env['MMULAB_CHROMIUM'] ?? '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** A phone, a tablet, a screen. */
const WIDTHS_PX = [360, 820, 1280];
const FIRST_PAINT_MS = 1000;
/** Starting a browser on a busy machine takes its time. */
const PATIENCE_MS = 120_000;

const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser) console.warn(`No browser at ${CHROMIUM}: the tests of pages in a browser are skipped.`);
const inBrowser = hasBrowser ? describe : describe.skip;

const event = (doc: string) => ({ unit: 'events' as const, gauge: false, doc });
const backend = {
  name: 'x86-tdp',
  arch: 'x86',
  models: '',
  profiles: [],
  options: [],
  hostOptions: [],
  events: [
    { name: 'page_fault', ...event('Second-stage faults that reached KVM.') },
    { name: 'pf_taken', ...event('Page faults KVM took up.') },
  ],
  check: () => undefined,
  machine: () => ({ arch: 'x86', pageSizeBytes: 4096, physBits: 46, maxGfn: (bits: number) => 2 ** bits }),
};

const timed = [1, 2].map(run =>
  madeResult({ populate: { page_fault: 5 }, execute: { page_fault: 9 * run } }, { timeNs: 2e6 * run, options: { run } }),
);
const published = [{ source: 'series', rows: [{ label: 'CREATE', publishedNs: 2e9, predictedNs: 1.9e9, intervalNs: [1e9, 3e9] as const }] }];
const stories: Readonly<Record<string, readonly ReportStory[]>> = {
  two: [{ results: zapAndSplit, command: 'mmulab compare x.yaml' }],
  timed: [{ results: timed, command: 'mmulab compare x.yaml', published }],
  matrix: [{ results: matrix, command: 'mmulab compare m.yaml' }],
  several: [
    { results: zapAndSplit, command: 'mmulab compare x.yaml', title: 'First story', conclusions: ['256x fewer faults.'] },
    { results: matrix, command: 'mmulab compare m.yaml', title: 'Second story' },
  ],
};

inBrowser('pages in a browser', () => {
  let browser: Browser;
  const directory = mkdtempSync(join(tmpdir(), 'mmulab-pages-'));
  /** What went wrong in the page last opened: errors, and requests to anywhere. */
  let complaints: string[] = [];

  beforeAll(async () => {
    for (const [name, of] of Object.entries(stories)) {
      const title = of.length > 1 ? { title: 'A report' } : {};
      writeFileSync(
        join(directory, `${name}.html`),
        htmlReport({ ...title, madeBy: 'mmulab', catalog: { backends: [backend], workloads: [] }, stories: of }).html,
      );
    }
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
    await page.waitForSelector('.chart svg');
    return page;
  }

  it.each([
    ['two', 2],
    ['timed', 5],
    ['matrix', 3],
    ['several', 3],
  ] as const)(
    '%s: opens from disk with %i charts or more, no error, no request',
    async (name, charts) => {
      const page = await open(name);
      await page.waitForFunction(count => document.querySelectorAll('.chart svg').length >= count, charts);
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it(
    'paints within a second of being opened',
    async () => {
      const times: number[] = [];
      for (let i = 0; i < 3; i++) {
        const page = await open('several');
        times.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Infinity));
        await page.context().close();
      }
      expect(Math.min(...times)).toBeLessThan(FIRST_PAINT_MS);
    },
    PATIENCE_MS,
  );

  it.each(Object.keys(stories).flatMap(name => (['light', 'dark'] as const).map(theme => [name, theme] as const)))(
    '%s, %s: passes axe-core and does not scroll sideways at 360, 820 and 1,280 pixels',
    async (name, colorScheme) => {
      const page = await open(name, { colorScheme });
      await page.evaluate(axe.source);
      for (const width of WIDTHS_PX) {
        await page.setViewportSize({ width, height: 900 });
        const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
        expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 100)).join(' | ')}`)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0);
      }
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it(
    'can be used with the keyboard alone',
    async () => {
      const page = await open('two');
      const focused = (): Promise<string> => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
      const tabTo = async (text: string): Promise<void> => {
        for (let i = 0; i < 60 && (await focused()) !== text; i++) await page.keyboard.press('Tab');
        expect(await focused()).toBe(text);
      };
      await page.keyboard.press('Tab');
      expect(await focused()).toBe('To the report');
      await tabTo('◐ system');
      await page.keyboard.press('Enter');
      await page.keyboard.press('Enter');
      expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
      await tabTo('page_fault');
      expect(await page.textContent('[role=status]')).toContain('Second-stage faults that reached KVM.');
      expect(await page.locator('td', { hasText: 'pf_taken' }).count()).toBe(1);
      await page.focus('#story-1-1-detail');
      await page.keyboard.press('ArrowDown');
      // Not folded any more: in both phases and the total, beside the table of one run.
      expect(await page.locator('td', { hasText: 'pf_taken' }).count()).toBe(3);
      await page.focus('summary');
      await page.keyboard.press('Enter');
      expect(await page.locator('details[open] pre').first().textContent()).toContain('"huge_page_fault": "zap"');
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it(
    'copies tables as Markdown and CSV, and saves charts as SVG',
    async () => {
      const page = await open('two', { permissions: ['clipboard-read', 'clipboard-write'], acceptDownloads: true });
      const copied = async (label: string, nth: number): Promise<string> => {
        await page.getByRole('button', { name: label }).nth(nth).click();
        await page.getByRole('button', { name: 'Copied' }).last().waitFor();
        return page.evaluate(() => navigator.clipboard.readText());
      };
      expect(await copied('Copy as Markdown', 1)).toContain('| **execute** | page_fault | 262,144 | 512 | 512x fewer |');
      expect(await copied('Copy as CSV', 2)).toContain('page_fault,514,262144,262658\n');
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page
          .getByRole('button', { name: /^Save SVG/ })
          .last()
          .click(),
      ]);
      expect(download.suggestedFilename()).toBe('page-fault-by-phase.svg');
      const svg = (await (await download.createReadStream()).toArray()).join('');
      expect(svg).toMatch(/^<\?xml .*<svg .*xmlns="http:\/\/www.w3.org\/2000\/svg"/s);
      expect(svg).toContain('huge_page_fault=split</text>');
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it(
    'prints without buttons, on white',
    async () => {
      const page = await open('two', { colorScheme: 'dark' });
      await page.emulateMedia({ media: 'print' });
      expect(await page.locator('button:visible:not(.counter)').count()).toBe(0);
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(255, 255, 255)');
      await page.context().close();
    },
    PATIENCE_MS,
  );

  it(
    'changes the measure of a matrix, and opens one comparison of many',
    async () => {
      const page = await open('matrix');
      await page.locator('details.group summary').first().click();
      await page.locator('details.group table').first().waitFor();
      expect(await page.locator('details.group caption').allTextContents()).toEqual(['What differs between the runs', 'Counters side by side']);
      await page.selectOption('#story-1-run', { index: 5 });
      expect(await page.locator('caption').last().textContent()).toBe('Counters by phase: huge_page_fault=zap, vcpus=4, bytes=1G');
      expect(complaints).toEqual([]);
      await page.context().close();
    },
    PATIENCE_MS,
  );
});
