/**
 * Counts of real kernels against simulations: every record this package ships, on every backend, and every other file of records that lies beside the
 * checkout. What is judged must be equal, and how much was judged is stated: a file that shrinks or a phase nobody compares any more would show.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Registry, readRecordFile, verifyRecords } from '@mmulab/runner';

const records = join(__dirname, '..', 'records');
const beside = resolve(__dirname, '../../../../shared/records');
const recordsIn = (directory: string): readonly string[] => readdirSync(directory).filter(name => name.endsWith('.json'));
const files = recordsIn(records);
const registry = Registry.load(['@mmulab/workloads', '@mmulab/x86', '@mmulab/arm64'], __dirname);

/** Family, its records, and the values of them that are judged. */
const families: readonly (readonly [family: string, records: number, values: number])[] = [
  ['arm64-2-aging', 9, 3111],
  ['arm64-2-demand-paging', 17, 780],
  ['arm64-2-dirty-log', 40, 7371],
  ['arm64-2-eager', 27, 5843],
  ['arm64-2-page-table-test', 43, 6111],
  ['arm64-2-rounds', 203, 70_524],
  ['arm64-dlpt', 22, 1457],
  ['arm64-eager', 11, 546],
  ['arm64-kpt', 39, 1965],
  ['x86-amd2-aging', 10, 4680],
  ['x86-amd2-control-registers', 20, 760],
  ['x86-amd2-demand-paging', 18, 1128],
  ['x86-amd2-dirty-log', 39, 12_357],
  ['x86-amd2-execute-nx', 13, 4305],
  ['x86-amd2-la57', 6, 1352],
  ['x86-amd2-nested', 12, 6222],
  ['x86-amd2-nested-mech', 6, 1989],
  ['x86-amd2-notifier-unmap', 40, 15_215],
  ['x86-amd2-nx-recovery', 39, 14_948],
  ['x86-amd2-one-gig', 2, 868],
  ['x86-amd2-page-table-test', 8, 1892],
  ['x86-amd2-rounds', 9, 3879],
  ['x86-control-registers', 124, 9409],
  ['x86-dirty-log', 85, 24_359],
  ['x86-execute-nx', 68, 8261],
  ['x86-intel-access-tracking', 15, 9645],
  ['x86-intel-control-registers', 43, 5552],
  ['x86-intel-dirty-log', 60, 27_717],
  ['x86-intel-execute-nx', 30, 10_461],
  ['x86-intel-nested', 14, 7991],
  ['x86-intel-page-table-test', 10, 3178],
  ['x86-intel-shadow', 14, 4535],
  ['x86-nested', 24, 7503],
  ['x86-page-table-test', 26, 3570],
  ['x86-shadow', 81, 16_915],
];

describe('the shipped records', () => {
  it('are thirty-five families', () => {
    expect(families).toHaveLength(35);
    expect([...files].sort()).toEqual(families.map(([family]) => `${family}.json`).sort());
  });

  it('have 306,399 judged values in all', () => {
    expect(families.reduce((sum, [, , values]) => sum + values, 0)).toBe(306_399);
  });

  it.each(files)('of %s are well formed, each under an id of its own', file => {
    const ids = readRecordFile(join(records, file)).records.map(record => record.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are described in README.md, file by file', () => {
    const text = readFileSync(join(records, 'README.md'), 'utf8');
    expect(files.filter(file => !text.includes(`\`${file}\``))).toEqual([]);
  });

  it.each(families)('%s: of its %i records all %i judged values are equal', (family, count, values) => {
    const report = verifyRecords([join(records, `${family}.json`)], registry);
    expect(report.differences).toEqual([]);
    expect({ records: report.records, values: report.values, equal: report.equal }).toEqual({ records: count, values, equal: values });
  });

  it('of one vCPU over transparent huge pages, half read and half written, are equal though their host is not judged', () => {
    const report = verifyRecords([join(records, 'arm64-dlpt.json')], registry, { backend: 'arm64-stage2' });
    expect(report.unjudged).toEqual({ values: 322, equal: 322 });
  });
});

/** Files beside the checkout: those that are shipped were judged above. */
const others = existsSync(beside) ? recordsIn(beside) : [];
const installed = new Set(registry.backends().map(backend => backend.name));
const backendsOf = (file: string): readonly string[] => [...new Set(readRecordFile(join(beside, file)).records.map(record => record.backend))];
const isShipped = (file: string): boolean => files.includes(file) && readFileSync(join(records, file)).equals(readFileSync(join(beside, file)));
const isRunnable = (file: string): boolean => backendsOf(file).every(backend => installed.has(backend));

describe('records beside the checkout', () => {
  it('are shipped byte for byte, judged here, or of a backend that is not there yet', () => {
    const left = others.filter(file => !isShipped(file) && !isRunnable(file));
    expect(left.filter(file => backendsOf(file).some(backend => installed.has(backend)))).toEqual([]);
  });

  const more = others.filter(file => !isShipped(file) && isRunnable(file));
  it('that are not shipped are equal, too', () => {
    const paths = more.map(file => join(beside, file));
    if (paths.length === 0) return; // all of them are shipped, or none is there
    const report = verifyRecords(paths, registry);
    expect(report.differences).toEqual([]);
    expect(report.equal).toBe(report.values);
  });
});
