/**
 * The records this package ships, read by the runner and compared with simulations.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordFile } from '@mmulab/api';
import { Registry, readRecordFile, verifyRecords } from '@mmulab/runner';

const records = join(__dirname, '..', 'records');
const files = readdirSync(records).filter(name => name.endsWith('.json'));
const plugins = ['@mmulab/workloads', '@mmulab/x86', '@mmulab/arm64'];

describe('the shipped records', () => {
  it('are fifteen families', () => {
    expect(files.map(name => name.replace('.json', ''))).toEqual([
      'arm64-2-aging',
      'arm64-2-demand-paging',
      'arm64-2-dirty-log',
      'arm64-2-eager',
      'arm64-2-page-table-test',
      'arm64-2-rounds',
      'arm64-dlpt',
      'arm64-eager',
      'arm64-kpt',
      'x86-control-registers',
      'x86-dirty-log',
      'x86-execute-nx',
      'x86-nested',
      'x86-page-table-test',
      'x86-shadow',
    ]);
  });

  it.each(files)('of %s are well formed, each under an id of its own', file => {
    const ids = readRecordFile(join(records, file)).records.map(record => record.id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('are described in README.md, file by file', () => {
    const text = readFileSync(join(records, 'README.md'), 'utf8');
    expect(files.filter(file => !text.includes(`\`${file}\``))).toEqual([]);
  });
});

describe('records of the TDP MMU', () => {
  const registry = Registry.load(plugins, __dirname);

  it.each(['x86-dirty-log.json', 'x86-execute-nx.json', 'x86-page-table-test.json'])('%s: every judged value is equal', file => {
    const path = join(records, file);
    const report = verifyRecords([path], registry, { backend: 'x86-tdp' });
    const ours = (JSON.parse(readFileSync(path, 'utf8')) as RecordFile).records.filter(record => record.backend === 'x86-tdp');
    expect(report.differences).toEqual([]);
    expect(report.equal).toBe(report.values);
    expect(report.records).toBe(ours.length);
    expect(report.values).toBeGreaterThan(1000);
  });
});

describe('records of arm64', () => {
  const registry = Registry.load(plugins, __dirname);

  it.each([
    ['arm64-2-aging.json', 3111],
    ['arm64-2-demand-paging.json', 780],
    ['arm64-2-dirty-log.json', 7371],
    ['arm64-2-eager.json', 5843],
    ['arm64-2-page-table-test.json', 6111],
    ['arm64-2-rounds.json', 70524],
    ['arm64-kpt.json', 1965],
    ['arm64-dlpt.json', 1457],
    ['arm64-eager.json', 546],
  ])('%s: all %i judged values are equal', (file, values) => {
    const report = verifyRecords([join(records, file)], registry, { backend: 'arm64-stage2' });
    expect(report.differences).toEqual([]);
    expect([report.values, report.equal]).toEqual([values, values]);
  });

  it('of one vCPU over transparent huge pages, half read and half written, are equal though their host is not judged', () => {
    const report = verifyRecords([join(records, 'arm64-dlpt.json')], registry, { backend: 'arm64-stage2' });
    expect(report.unjudged).toEqual({ values: 322, equal: 322 });
  });
});
