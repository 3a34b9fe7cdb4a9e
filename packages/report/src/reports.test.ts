/**
 * Verifications and lists as reports.
 */
import type { BackendDefinition, EventDef, VerifyReport } from '@mmulab/api';
import { explanationReport } from './explanation-report';
import { backendsReport, eventsReport, listEvents, modelsReport, overviewReport, profilesReport } from './list-report';
import type { Report, ReportView as View } from '@mmulab/api';
import { renderReport } from './reporter';
import { verificationReport } from './verification-report';

const view: View = { all: false, color: false, columns: 120 };
const lines = (report: Report, format = 'table'): string[] => renderReport(report, format, view).split('\n');
const cells = (line: string | undefined): string[] => (line ?? '').trim().split(/ {2,}/);

const good: VerifyReport = { records: 2, values: 1300, equal: 1300, unjudged: { values: 10, equal: 7 }, differences: [] };
const bad: VerifyReport = {
  ...good,
  equal: 1299,
  differences: [{ id: '6.1/x.v1', phase: 'dirty_1', counter: 'page_fault', recorded: 4096, simulated: 4100, tolerance: 0 }],
};
const group = { ...good, file: 'x86-dirty-log', backend: 'x86-tdp', kernel: '6.1.192' };

describe('a verification', () => {
  it('has a row per file, backend and kernel, and a verdict', () => {
    const table = lines(verificationReport(good, [group]));
    expect(cells(table.find(line => line.startsWith('x86-dirty-log ')))).toEqual([
      'x86-dirty-log',
      'x86-tdp',
      '6.1.192',
      '2',
      '1,300',
      '1,300',
      '0',
      '10',
      '7',
    ]);
    expect(table).toContain('All 1,300 judged values are equal.');
    expect(table).not.toContain('Differences');
  });

  it('sums up several groups', () => {
    const table = lines(verificationReport({ ...good, records: 4, values: 2600, equal: 2600 }, [group, { ...group, file: 'other' }]));
    expect(cells(table.find(line => line.startsWith('all ')))).toEqual(['all', '4', '2,600', '2,600', '0', '10', '7']);
  });

  it('names record, phase, counter, both values and by how much they are apart', () => {
    const table = lines(verificationReport(bad, [{ ...group, equal: 1299 }]));
    expect(table).toContain('1 of 1,300 judged values are off.');
    expect(cells(table.find(line => line.startsWith('6.1/x.v1 ')))).toEqual(['6.1/x.v1', 'dirty_1', 'page_fault', '4,096', '4,100', '+4', '0']);
  });

  it('keeps its columns over any number of differences', () => {
    const many = Array.from({ length: 100 }, (_, at) => ({
      id: `r${at}`,
      phase: 'p',
      counter: 'c',
      recorded: 10 ** (at % 7),
      simulated: 0,
      tolerance: 0,
    }));
    const drawn = lines(verificationReport({ ...bad, differences: many }, [])).filter(line => /^r\d+ /.test(line));
    expect(drawn).toHaveLength(100);
    expect(new Set(drawn.map(line => line.indexOf(' p ')))).toHaveProperty('size', 1);
    expect(new Set(drawn.map(line => line.length))).toHaveProperty('size', 1);
  });

  it('is its report as JSON, without the groups, and its differences as CSV', () => {
    expect(JSON.parse(lines(verificationReport({ ...bad, groups: [group] } as VerifyReport, [group]), 'json').join('\n'))).toEqual(bad);
    expect(lines(verificationReport(bad, [group]), 'csv')).toEqual([
      'id,phase,counter,recorded,simulated,tolerance',
      '6.1/x.v1,dirty_1,page_fault,4096,4100,0',
      '',
    ]);
  });

  it('has no selftest form, and the error names the formats it has', () => {
    expect(() => lines(verificationReport(good, []), 'selftest')).toThrow(expect.objectContaining({ code: 'REPORT_NO_SUCH_FORM' }) as Error);
    expect(() => lines(verificationReport(good, []), 'selftest')).toThrow(/possible: table, json, csv, markdown/);
  });
});

const event = (name: string, doc: string): EventDef => ({ name, unit: 'events', gauge: false, doc });
const backend = (name: string, events: readonly EventDef[]): BackendDefinition => ({
  name,
  arch: 'x86',
  models: 'Linux',
  profiles: [
    { name: '6.1', doc: 'old', values: {} },
    { name: '6.13', doc: 'new', values: {} },
  ],
  options: [],
  hostOptions: [],
  events,
  check: () => undefined,
  machine: () => ({ arch: 'x86', pageSizeBytes: 4096, physBits: 46, maxGfn: () => 0 }),
});
const backends = [
  backend('a', [event('page_fault', 'Faults.'), event('x', 'Of a.')]),
  backend('b', [event('page_fault', 'Faults.'), event('x', 'Of b.')]),
];

describe('lists', () => {
  it('show the newest profile as the default kernel of a backend', () => {
    expect(cells(lines(backendsReport(backends)).find(line => line.startsWith('a ')))).toEqual(['a', 'x86', 'Linux', '6.13']);
    expect(lines(profilesReport(backends), 'csv')).toContain('b,6.1,old');
  });

  it('name a counter once where backends agree on it, and apart where they do not', () => {
    expect(listEvents(backends).map(({ name, backends: owners, doc }) => [name, owners, doc])).toEqual([
      ['page_fault', ['a', 'b'], 'Faults.'],
      ['x', ['a'], 'Of a.'],
      ['x', ['b'], 'Of b.'],
    ]);
    expect(JSON.parse(lines(eventsReport(backends), 'json').join('\n'))).toHaveLength(3);
  });

  it('wrap long sentences at the width of the terminal', () => {
    const wordy = backend('a', [event('page_fault', 'word '.repeat(60).trim())]);
    expect(Math.max(...lines(eventsReport([wordy])).map(line => line.length))).toBeLessThanOrEqual(120);
  });

  it('say so when there is nothing', () => {
    expect(lines(modelsReport([]))).toContain('No cost model is installed: results carry counts, no times.');
  });

  it('come together in an overview', () => {
    const overview = overviewReport({ backends: backendsReport(backends), models: modelsReport([]) });
    expect(Object.keys(JSON.parse(lines(overview, 'json').join('\n')) as object)).toEqual(['backends', 'models']);
    expect(lines(overview, 'csv')).toContain('backends,a,kernel,6.13');
    expect(lines(overview)).toEqual(expect.arrayContaining(['Backends', 'Cost models']));
  });
});

describe('an explanation', () => {
  const eager = {
    kind: 'backend option',
    name: 'eager_page_split',
    owners: ['x86-tdp', 'x86-shadow'],
    doc: 'Split huge pages when dirty logging begins.',
    facts: [
      { label: 'values', value: 'Y or N' },
      { label: 'default', value: 'Y' },
    ],
  };

  it('says what kind of thing it is, whose, what it does, and the facts', () => {
    const text = lines(explanationReport([eager]));
    expect(text.slice(0, 2)).toEqual(['eager_page_split: backend option of x86-tdp, x86-shadow', 'Split huge pages when dirty logging begins.']);
    expect(text.map(cells)).toContainEqual(['values', 'Y or N']);
  });

  it('keeps the lines of a usage text', () => {
    const usage = { kind: 'workload', name: 't', owners: [], doc: 'A test.', facts: [{ label: 'usage', value: 't [-v N]\n  -v N   vCPUs' }] };
    const text = lines(explanationReport([usage]));
    expect(text).toContain('usage  t [-v N]');
    expect(text).toContain('         -v N   vCPUs');
  });

  it('is an array of meanings as JSON', () => {
    expect(JSON.parse(lines(explanationReport([eager]), 'json').join('\n'))).toEqual([eager]);
  });
});
