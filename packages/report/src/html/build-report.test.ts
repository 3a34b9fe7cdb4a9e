/**
 * The page as a file: what is in it, that nothing else is needed, and how large it may be.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { madeResult, matrix, zapAndSplit } from '../fixtures/results';
import { htmlReport, MAX_REPORT_BYTES, reportData, type ReportRequest } from './build-report';
import { unpackRun, type ReportData } from './report-data';

const request: ReportRequest = {
  madeBy: 'mmulab 0.1.0',
  catalog: { backends: [], workloads: [] },
  stories: [{ results: zapAndSplit, command: 'mmulab compare x.yaml' }],
};

const dataIn = (html: string): ReportData =>
  JSON.parse(/<script type="application\/json" id="mmulab-data">(.*?)<\/script>/s.exec(html)?.[1] ?? '') as ReportData;

describe('a page', () => {
  const { html, notes } = htmlReport(request);

  it('holds results with all counters, zeros included, when they are unpacked', () => {
    const data = dataIn(html);
    expect(data.schema).toBe('mmulab.report.v1');
    const [first] = data.stories[0]?.runs ?? [];
    if (first === undefined) throw new Error('there is a run');
    const run = unpackRun(first, data.counterSets);
    expect(run.phases.map(({ phase, counters }) => [phase, counters])).toEqual(
      zapAndSplit[0]?.phases.map(({ phase, counters }) => [phase, counters]),
    );
    expect(run.config).toEqual(zapAndSplit[0]?.config);
  });

  it('asks what differs, unless a question is given', () => {
    expect(dataIn(html).stories[0]?.question).toBe('What do the counts owe to huge_page_fault?');
    expect(reportData({ ...request, stories: [{ results: matrix, command: '' }] }).stories[0]?.question).toBe(
      'What do the counts owe to huge_page_fault, vcpus and bytes?',
    );
  });

  it('needs nothing from anywhere: a policy forbids it, and there is no address in it but names', () => {
    expect(html).toContain(`content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"`);
    expect(html).not.toMatch(/(src|href)="(https?:)?\/\//);
    expect(notes).toEqual([]);
  });

  it('has fewer than 500,000 bytes for two runs, of 3,000,000 allowed', () => expect(Buffer.byteLength(html)).toBeLessThan(500_000));

  it('cannot be broken by what stands in a name', () => {
    const evil = madeResult({ '</script><script>alert(1)</script>': { f: 1 } }, { notes: ['<!-- </script>'] });
    const page = htmlReport({ ...request, title: '<b>"x"</b>', stories: [{ results: [evil], command: '' }] }).html;
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    expect(page).toContain('<title>&lt;b&gt;&quot;x&quot;&lt;/b&gt;</title>');
    expect(dataIn(page).stories[0]?.runs[0]?.phases[0]?.phase).toBe('</script><script>alert(1)</script>');
  });
});

describe('a page that would be too large', () => {
  const many = (phases: number, runs: number) =>
    Array.from({ length: runs }, (_, run) =>
      madeResult(Object.fromEntries(Array.from({ length: phases }, (__, at) => [`phase_${at}`, { page_fault: 1e9 + at, exit: 1e9 + run }])), {
        options: { run, note: 'x'.repeat(100) },
      }),
    );

  it('leaves counters by phase out, and says so', () => {
    const { html, notes } = htmlReport({ ...request, stories: [{ results: many(1000, 60), command: '' }] });
    expect(Buffer.byteLength(html)).toBeLessThan(MAX_REPORT_BYTES);
    expect(notes).toEqual(['The page has totals only: with counters by phase it would be larger than 3 MB.']);
  });

  it('is refused when totals alone are too much', () => {
    const results = many(1, 3).map(run => ({ ...run, notes: ['x'.repeat(1_000_000)] }));
    expect(() => htmlReport({ ...request, stories: [{ results, command: '' }] })).toThrow(
      expect.objectContaining({ code: 'REPORT_TOO_LARGE' }) as Error,
    );
  });
});

describe('the bundles in assets/', () => {
  it('are what the sources make, and no larger than allowed (when stale: npm run build:pages)', () => {
    expect(() => execFileSync(process.execPath, [join(__dirname, '../../../../.ci/bundle.js'), '--check'], { stdio: 'pipe' })).not.toThrow();
  });
});
