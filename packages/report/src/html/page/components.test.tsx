/**
 * The components of the page, as markup: what a reader finds where. That they work in a browser is tested in browser.test.ts.
 */
import { render } from 'preact-render-to-string';
import { madeResult, matrix, zapAndSplit } from '../../fixtures/results';
import { reportData, type ReportStory } from '../build-report';
import { documentCounters } from './counter-doc';
import { DataTable, sheetCsv } from './data-table';
import { measuresOf } from './matrix-view';
import { ReportPage } from './report-page';

const catalog = { backends: [], workloads: [] };
const page = (...stories: readonly ReportStory[]): string => render(<ReportPage data={reportData({ madeBy: 'mmulab 0.1.0', catalog, stories })} />);
const story = (more: Partial<ReportStory> = {}): ReportStory => ({ results: zapAndSplit, command: 'mmulab compare x.yaml', ...more });
const texts = (html: string, tag: string): readonly string[] =>
  [...html.matchAll(new RegExp(`<${tag}[^>]*>(.*?)</${tag}>`, 'gs'))].map(match => (match[1] ?? '').replace(/<[^>]*>/g, ''));

describe('a report of two runs', () => {
  const html = page(story());

  it('has the question, what differs, what changed, the counters by phase and how to run it again, in this order', () => {
    expect(texts(html, 'h1')).toEqual(['execute_perf_test']);
    expect(texts(html, 'h2')).toEqual(['What do the counts owe to huge_page_fault?']);
    expect(texts(html, 'h3')).toEqual(['Counters by phase', 'Run it again']);
    expect(texts(html, 'caption')).toEqual(['What differs between the runs', 'Counters side by side', 'Counters by phase: huge_page_fault=zap']);
    expect(texts(html, 'figcaption')).toEqual(['What changed, over the whole run', 'page_fault by phase']);
    expect(texts(html, 'pre')[0]).toBe('mmulab compare x.yaml');
  });

  it('shows the comparison of the terminal, folded, with the change in words', () => {
    const cells = texts(html, 'td');
    expect(cells).toEqual(expect.arrayContaining(['page_fault', '262,144', '512', '512x fewer', 'none left']));
    expect(html).not.toContain('--all');
  });

  it('has no time without predictions', () => expect(html).not.toContain('redicted time'));

  it('describes every chart in words', () => {
    expect(texts(html, 'p')).toContain(
      'Ratios to huge_page_fault=zap: page_fault, huge_page_fault=split: 256x fewer; flush, huge_page_fault=split: none left',
    );
  });
});

describe('a report of a test that asserts', () => {
  it('marks the run whose check failed, and has a table of all checks with their values', () => {
    const check = { phase: 'execute', name: 'huge pages', of: 'pages_2m', relation: '>=', expected: 4 } as const;
    const [first, second] = zapAndSplit.map((run, at) => ({ ...run, checks: [{ ...check, actual: 5 - 2 * at, passed: at === 0 }] }));
    const html = page(story({ results: [first, second].flatMap(run => run ?? []) }));
    expect(texts(html, 'p')).toContain('CHECK FAILED in execute: huge pages: pages_2m is 3, expected >= 4');
    expect(texts(html, 'caption').filter(caption => caption.endsWith('checks'))).toHaveLength(2);
    expect(texts(html, 'td')).toEqual(expect.arrayContaining(['passed', 'FAILED', '>= 4']));
  });
});

describe('a report with times', () => {
  const html = page(
    story({ results: zapAndSplit.map(run => ({ ...run, phases: madeResult({ execute: { page_fault: 1 } }, { timeNs: 2e6 }).phases })) }),
  );

  it('shows predictions with intervals, where the time goes, and what they rest on', () => {
    expect(texts(html, 'figcaption')).toEqual(expect.arrayContaining(['Predicted time per phase, with its interval', 'Where the time goes']));
    expect(texts(html, 'td')).toEqual(expect.arrayContaining(['2 ms', '1 ms – 4 ms', 'prior, x86-2022, mva']));
  });
});

describe('a report with published times', () => {
  it('puts them beside what was predicted', () => {
    const rows = [{ label: 'CREATE', publishedNs: 2e9, predictedNs: 1.9e9, intervalNs: [1e9, 3e9] as const }];
    const sheet = {
      title: 'Parameters',
      lines: [],
      keys: 0,
      columns: [{ name: 'parameter', align: 'left' as const }],
      rows: [['t_clear']],
      notes: [],
    };
    const html = page(story({ results: [], published: [{ source: 'arm64-cmo-series-2021', rows }], sheets: [sheet] }));
    expect(texts(html, 'figcaption')).toEqual(['Published and predicted: arm64-cmo-series-2021']);
    expect([texts(html, 'caption'), texts(html, 'td')]).toEqual([['Parameters'], ['t_clear']]);
    expect(texts(html, 'p')).toContain('CREATE: published 2 s, predicted 1.9 s');
  });
});

describe('a report of a matrix', () => {
  const html = page(story({ results: matrix }));

  it('shows scaling and break-even first, and opens comparisons on demand', () => {
    expect(texts(html, 'figcaption').slice(0, 2)).toEqual(['page_fault over vcpus', 'Break-even: page_fault of huge_page_fault=split against zap']);
    expect(texts(html, 'summary')).toHaveLength(matrix.length / 2 + 1 + matrix.length);
    expect(html).not.toContain('Counters side by side');
  });

  it('offers the measures that differ, each story once', () => expect(measuresOf(matrix)).toEqual(['page_fault']));
});

describe('a report of several stories', () => {
  it('lists them in front with their conclusions', () => {
    const html = page(story({ title: 'First', conclusions: ['512x fewer faults.'] }), story({ title: 'Second' }));
    expect(html).toMatch(/<a href="#story-1">First<\/a><p>512x fewer faults\.<\/p>/);
    expect(texts(html, 'h2')).toEqual(['First', 'Second']);
    expect(html).toContain('<article id="story-2"');
  });
});

describe('a report of one run', () => {
  it('has its counters by phase and no comparison', () => {
    const html = page(story({ results: zapAndSplit.slice(0, 1) }));
    expect(texts(html, 'h2')).toEqual(['What does this run count?']);
    expect(texts(html, 'caption')).toEqual(['Counters by phase: execute_perf_test']);
  });
});

describe('a table', () => {
  const sheet = {
    keys: 2,
    columns: [
      { name: 'phase', align: 'left' as const },
      { name: 'counter', align: 'left' as const },
      { name: 'zap', align: 'right' as const },
    ],
    rows: [
      ['execute', 'page_fault', 262144],
      ['', 'flush', 1],
    ],
    notes: ['A note.'],
  };

  it('is copied as CSV with every cell filled and numbers as they are', () => {
    expect(sheetCsv(sheet)).toBe('phase,counter,zap\nexecute,page_fault,262144\nexecute,flush,1\n');
  });

  it('lets a reader ask what a counter means, where that is known', () => {
    documentCounters({ page_fault: { doc: 'Second-stage faults.', unit: 'events', gauge: false } });
    const html = render(<DataTable sheet={sheet} caption="A table" />);
    expect(texts(html, 'button')).toEqual(['page_fault', 'Copy as Markdown', 'Copy as CSV']);
    expect(html).toContain('<td class="left">flush</td>');
    documentCounters({});
  });
});
