/**
 * What real kernels counted, against this backend: 93 runs of two kernels on Sv39x4, Sv48x4 and Sv57x4, with and without Svvptc.
 */
import { join } from 'node:path';
import { Registry, verifyRecords } from '@mmulab/runner';

const root = join(__dirname, '..');
const registry = Registry.load(['@mmulab/workloads', root], root);

it.each([
  ['riscv-access-rounds', 38, 17_149],
  ['riscv-dirty-log', 32, 10_571],
  ['riscv-page-table-test', 23, 4012],
])('%s: of its %i records all %i judged values are equal', (family, count, values) => {
  const report = verifyRecords([join(root, 'records', `${family}.json`)], registry);
  expect(report.differences).toEqual([]);
  expect({ records: report.records, values: report.values, equal: report.equal }).toEqual({ records: count, values, equal: values });
});
