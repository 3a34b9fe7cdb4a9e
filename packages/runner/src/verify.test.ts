import { join } from 'node:path';
import type { KernelRecord } from '@mmulab/api';
import { codeOf, messageOf, toyRegistry, writeFiles } from './fixtures/registry';
import { verifyRecords, type GroupedVerifyReport, type VerifyOptions } from './verify';

const registry = toyRegistry();

const record: KernelRecord = {
  id: 'toy/1',
  arch: 'toy',
  backend: 'toy-mmu',
  kernel: '6.1.192',
  options: { npt: 'Y' },
  host: { arch: 'toy', vendor: 'amd', thp: 'madvise' },
  command: 'toy_test -v 2 -b 16K',
  workload_options: {},
  exact: true,
  phases: [
    { phase: 'populate', counters: { page_fault: 8, pages_4k: 8 } },
    { phase: 'again', counters: { page_fault: 8, enter: 6 } },
  ],
};

const fileOf = (...records: unknown[]): string => join(writeFiles({ 'a.json': JSON.stringify({ schema: 'mmulab.records.v1', records }) }), 'a.json');
const verify = (records: readonly unknown[], options: VerifyOptions = {}): GroupedVerifyReport =>
  verifyRecords([fileOf(...records)], registry, options);
const populate = (counters: Record<string, number>, over: object = {}): KernelRecord => ({
  ...record,
  phases: [{ phase: 'populate', counters, ...over }],
});

describe('verifying records', () => {
  it('compares every value that a record has', () => {
    expect(verify([record])).toEqual({
      records: 1,
      values: 4,
      equal: 4,
      unjudged: { values: 0, equal: 0 },
      differences: [],
      groups: [{ file: 'a', backend: 'toy-mmu', kernel: '6.1.192', records: 1, values: 4, equal: 4, unjudged: { values: 0, equal: 0 } }],
    });
  });

  it('names what differs', () => {
    expect(verify([populate({ page_fault: 7, enter: 2 })])).toMatchObject({
      values: 2,
      equal: 1,
      differences: [{ id: 'toy/1', phase: 'populate', counter: 'page_fault', recorded: 7, simulated: 8, tolerance: 0 }],
      groups: [{ values: 2, equal: 1 }],
    });
  });

  it('allows the tolerance of a counter, and no more', () => {
    expect(verify([populate({ page_fault: 6 }, { tolerance: { page_fault: 2 } })]).equal).toBe(1);
    expect(verify([populate({ page_fault: 5 }, { tolerance: { page_fault: 2 } })]).equal).toBe(0);
  });

  it('reports records that are not exact without judging them', () => {
    expect(verify([{ ...populate({ page_fault: 1, enter: 2 }), exact: false }])).toMatchObject({
      values: 0,
      equal: 0,
      unjudged: { values: 2, equal: 1 },
      differences: [],
    });
  });

  it('compares records with a scope with the test memslot', () => {
    const scoped = { ...populate({ page_fault: 2, enter: 0 }), backend: 'toy-scoped', scope: 'the test memslot', command: 'toy_test -v 2 -b 16K' };
    expect(verify([scoped]).equal).toBe(2);
    expect(codeOf(() => verify([{ ...record, scope: 'the test memslot' }]))).toBe('RECORD_SCOPE');
  });

  it('takes what is counted for the VM as a whole from the whole phase, scope or not', () => {
    const scoped = { ...populate({ touch: 2, page_fault: 2 }), backend: 'toy-scoped', scope: 'the test memslot', command: 'toy_test -v 2 -b 16K' };
    expect(verify([scoped]).differences).toEqual([]);
  });

  it('leaves out other backends when asked to, installed or not', () => {
    const others = [record, { ...record, backend: 'arm64-stage2', command: 'nested_rounds' }];
    expect(verify(others, { backend: 'toy-mmu' }).records).toBe(1);
    expect(codeOf(() => verify(others))).toBe('RECORD_UNKNOWN_BACKEND');
  });

  it('passes the options of the workload', () => {
    expect(verify([{ ...populate({ page_fault: 4 }), command: 'toy_test -b 16K', workload_options: { vcpus: 1 } }]).equal).toBe(1);
    expect(messageOf(() => verify([{ ...record, workload_options: { vcpus: 1 } }]))).toMatch(
      /^CONFIG_CONFLICT: .*toy\/1: workload\.options\.vcpus: 1/,
    );
  });

  it('finds a wrong phase in the last record before it runs the first', () => {
    const told: string[] = [];
    const wrong = { ...record, phases: [{ phase: 'agian', counters: {} }] };
    expect(messageOf(() => verify([record, wrong], { onRecord: ({ record: { id } }) => told.push(id) }))).toContain('(did you mean again?)');
    expect(told).toEqual([]);
  });

  it('tells of every record', () => {
    const told: string[] = [];
    verify([record, record], {
      onRecord: ({ record: { id }, equal, values }, index, records) => told.push(`${id} ${equal}/${values} ${index}/${records}`),
    });
    expect(told).toEqual(['toy/1 4/4 0/2', 'toy/1 4/4 1/2']);
  });
});

describe('record files that are refused', () => {
  it.each<[string, readonly unknown[], string]>([
    ['a mistyped tolerance', [populate({ page_fault: 1 }, { tolerence: { page_fault: 1 } })], 'RECORD_UNKNOWN_KEY'],
    ['a mistyped scope', [{ ...record, scop: 'the test memslot' }], 'RECORD_UNKNOWN_KEY'],
    ['a scope that is no text', [{ ...record, scope: true }], 'RECORD_SHAPE'],
    ['a negative tolerance', [populate({ page_fault: 1 }, { tolerance: { page_fault: -1 } })], 'RECORD_SHAPE'],
    ['a fraction of an event', [populate({ page_fault: 8.5 })], 'RECORD_SHAPE'],
    ['a negative count', [populate({ page_fault: -8 })], 'RECORD_SHAPE'],
    ['an unknown counter', [populate({ page_falt: 1 })], 'RECORD_UNKNOWN_COUNTER'],
    ['an unknown counter in a tolerance', [populate({ page_fault: 1 }, { tolerance: { page_falt: 1 } })], 'RECORD_UNKNOWN_COUNTER'],
    ['an unknown backend', [{ ...record, backend: 'toy-mmv' }], 'RECORD_UNKNOWN_BACKEND'],
    ['an unknown workload', [{ ...record, command: 'toy_tst' }], 'RECORD_UNKNOWN_WORKLOAD'],
    ['an unknown phase', [{ ...record, phases: [{ phase: 'popelate', counters: {} }] }], 'RECORD_UNKNOWN_PHASE'],
    ['an unknown option', [{ ...record, options: { cmoo: 'abort' } }], 'CONFIG_UNKNOWN_OPTION'],
    ['another architecture', [{ ...record, arch: 'x86' }], 'RECORD_ARCH'],
    ['no records', [], 'RECORD_NOTHING_TO_COMPARE'],
    ['records without values', [{ ...record, phases: [] }], 'RECORD_NOTHING_TO_COMPARE'],
    ['a record that is none', [5], 'RECORD_SHAPE'],
    ['a record without a command', [{ ...record, command: undefined }], 'RECORD_SHAPE'],
    ['phases that are none', [{ ...record, phases: [{}] }], 'RECORD_SHAPE'],
    ['a phase without counters', [{ ...record, phases: [{ phase: 'populate' }] }], 'RECORD_SHAPE'],
    ['a count that is no number', [populate({ page_fault: 'many' as unknown as number })], 'RECORD_SHAPE'],
    ['a tolerance that is no map', [populate({ page_fault: 1 }, { tolerance: 1 })], 'RECORD_SHAPE'],
  ])('with %s', (_what, records, code) => {
    expect(codeOf(() => verify(records))).toBe(code);
  });

  it('with lists in lists, 100,000 deep', () => {
    const path = join(writeFiles({ 'a.json': `{"schema":"mmulab.records.v1","records":${'['.repeat(100_000)}${']'.repeat(100_000)}}` }), 'a.json');
    expect(codeOf(() => verifyRecords([path], registry))).toBe('RECORD_SHAPE');
  });

  it('with a key given twice', () => {
    const path = join(writeFiles({ 'a.json': '{"schema":"mmulab.records.v1",\n"records":[{"id":"a","id":"b"}]}' }), 'a.json');
    expect(messageOf(() => verifyRecords([path], registry))).toContain('RECORD_MALFORMED: ' + path + ':2:22: the key id is given twice');
  });

  it('name file, record, phase and the nearest counter', () => {
    const path = fileOf(populate({ page_falt: 1 }));
    expect(messageOf(() => verifyRecords([path], registry))).toBe(
      `RECORD_UNKNOWN_COUNTER: ${path}: toy/1: populate: page_falt: not a counter of toy-mmu (did you mean page_fault?)`,
    );
  });

  it('when cut off, garbled, of another schema or not there', () => {
    const directory = writeFiles({
      'cut.json': '{ "schema": "mmulab.records.v1",\n  "records": [ {',
      'garbled.json': '{\n "schema": oops }',
      'other.json': '{ "schema": "mmulab.result.v1" }',
      'list.json': '[]',
      'no-list.json': '{ "schema": "mmulab.records.v1" }',
    });
    const check = (name: string): string => messageOf(() => verifyRecords([join(directory, name)], registry));
    expect(check('cut.json')).toContain(`RECORD_MALFORMED: ${directory}/cut.json:2:`);
    expect(check('garbled.json')).toContain("garbled.json:2:12: Unexpected token 'o'");
    expect(check('other.json')).toContain('RECORD_SCHEMA: ');
    expect(check('list.json')).toContain('RECORD_SCHEMA: ');
    expect(check('no-list.json')).toContain('RECORD_SHAPE: ');
    expect(check('absent.json')).toContain('FILE_NOT_FOUND: ');
  });

  it('when nothing is left to compare', () => {
    expect(codeOf(() => verify([record], { backend: 'toy-scoped' }))).toBe('RECORD_NOTHING_TO_COMPARE');
    expect(codeOf(() => verifyRecords([], registry))).toBe('RECORD_NOTHING_TO_COMPARE');
    expect(codeOf(() => verify([record], { backend: 'toy-mmuu' }))).toBe('CONFIG_UNKNOWN_BACKEND');
  });
});
