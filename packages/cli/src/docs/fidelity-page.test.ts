/**
 * The judged part of docs/fidelity.md is that of the records that are shipped. Their judged values are counted here and taken for equal, as the page claims and
 * packages/testkit/src/records.test.ts judges by running them: a value that is off reddens that test, and a page that admits it this one.
 */
import { readRecordFile } from '@mmulab/runner';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadRegistry } from '../built-in';
import { ROOT } from '../fixtures/doc-blocks';
import { shippedRecords } from '../shipped-records';
import { fidelityPage, type JudgedRecord } from './fidelity-page';

const registry = loadRegistry();
const page = readFileSync(join(ROOT, 'docs', 'fidelity.md'), 'utf8');

/** All shipped records as if every judged value were equal. */
function claimed(): readonly JudgedRecord[] {
  return shippedRecords().flatMap(path =>
    readRecordFile(path).records.map(record => {
      const values = record.exact ? record.phases.reduce((sum, { counters }) => sum + Object.keys(counters).length, 0) : 0;
      return { family: basename(path, '.json'), record, values, equal: values };
    }),
  );
}

describe('docs/fidelity.md', () => {
  it('has the judged part of the shipped records (npm run docs)', () => {
    expect(fidelityPage(page, claimed(), registry)).toBe(page);
  });

  it('would be another with one value off, one record less, or one kernel more', () => {
    const [first, ...others] = claimed();
    if (first === undefined) throw new Error('no records');
    const variants = [
      [{ ...first, equal: first.equal - 1 }, ...others],
      others,
      [{ ...first, record: { ...first.record, kernel: '9.9' } }, ...others],
    ];
    expect(variants.map(variant => fidelityPage(page, variant, registry) === page)).toEqual([false, false, false]);
    expect(fidelityPage(page, variants[0] ?? [], registry)).toContain('**1 values are off');
  });
});
