import type { MmulabError } from '@mmulab/api';
import { checkCounters } from './bench';
import { NativeBaseline } from './native';
import { CURVES } from './growth/curves';
import { growthTable } from './growth/write-growth';
import { checkRatio } from './quick';
import { comparisonReport, type Repetition } from './report';
import { gstage, stage2 } from './machine';
import { geometricMean, median } from './measure';
import { pageByPage, type PageSize } from './workloads/page-by-page';
import { RANGE_WORKLOADS } from './workloads/whole-ranges';

const size: PageSize = { vcpus: 2, pagesPerVcpu: 2048, writesPerVcpu: 100 };

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
  } catch (error) {
    return (error as MmulabError).code;
  }
  return undefined;
}

describe('the compared workloads', () => {
  const measured = pageByPage(size);
  const repetition: Repetition = { ours: measured, native: measured };

  it('take one slow fault per page of a fresh machine, and link a table for every 512', () => {
    const { counters } = measured.populate;
    expect(counters).toMatchObject({ page_fault: 4096, pf_fixed: 4096, 'spte.install.4k': 4096, exit: 4096 });
    // Eight tables of 4 KiB entries and the one above them; those of the levels above are there already.
    expect(counters['table.alloc']).toBe(9);
    expect(counters['pf_fast']).toBeUndefined();
  });

  it('take one fast fault per page that was write-protected, and mark it dirty', () => {
    expect(measured.write.counters).toMatchObject({ pf_fast: 4096, 'fast_page_fault.fixed': 4096, mark_page_dirty: 4096, 'dirty_bitmap.set': 4096 });
  });

  it('take a fast fault for each page a random write meets first', () => {
    const { counters } = measured.random;
    expect(counters['pf_fast']).toBe(counters['dirty_bitmap.set']);
    expect(counters['pf_fast']).toBeGreaterThan(150);
    expect(counters['pf_fast']).toBeLessThanOrEqual(200);
  });

  it('run on another backend too: a fault for each page of a fresh machine, and one for each that was write-protected', () => {
    const { populate, write } = pageByPage(size, stage2);
    expect([populate.counters['guest_abort.translation.write'], write.counters['guest_abort.permission.write']]).toEqual([4096, 4096]);
  });

  it('run on a plugin’s backend, found by its path: each of 4096 fences interrupts the other vCPU and is served by both', () => {
    const { populate, write } = pageByPage(size, gstage);
    expect(populate.counters).toMatchObject({ 'guest_abort.store': 4096, 'leaf.install.4k': 4096, 'table.alloc': 9 });
    expect(write.counters).toMatchObject({ 'fast_fault.fixed': 4096, 'hfence.gpa.queued': 4096, 'hfence.ipi': 4096, 'hfence.local.gpa': 8192 });
  });

  it('are refused when the baseline counts otherwise', () => {
    const other = { ...measured, write: { cpuNs: 1, counters: { ...measured.write.counters, exit: 1 } } };
    expect(codeOf(() => checkCounters(repetition))).toBeUndefined();
    expect(codeOf(() => checkCounters({ ours: measured, native: other }))).toBe('BENCH_COUNTERS');
  });

  it('are reported with median, spread and mean', () => {
    const report = comparisonReport('x86-tdp', [repetition, repetition], size);
    expect(report).toMatch(/^populate +[\d.]+ +[\d.]+ +1\.00 +1\.00-1\.00$/m);
    expect(report).toMatch(/^geometric mean +1\.00 *$/m);
  });
});

describe('the bench', () => {
  it('says what is missing when there is no C compiler', () => {
    expect(codeOf(() => new NativeBaseline('tdp', 'no-such-compiler'))).toBe('BENCH_NO_COMPILER');
  });

  it('takes medians and geometric means', () => {
    expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5]);
    expect(geometricMean([1, 4])).toBeCloseTo(2);
  });

  it('fails where a ratio has fallen to less than a third of the usual one, and not before', () => {
    expect(codeOf(() => checkRatio('x86-tdp write', 0.19, 0.6))).toBe('BENCH_COLLAPSED');
    expect(checkRatio('x86-tdp write', 0.21, 0.6)).toBe('x86-tdp write: 0.21 of native (usual 0.6)');
  });

  it('writes a curve’s ends as a row of a table', () => {
    const points = [
      { value: 1, cpuSeconds: 0.3, rssMegabytes: 70 },
      { value: 64, cpuSeconds: 1, rssMegabytes: 90 },
    ];
    expect(growthTable([{ name: 'vCPUs', axis: 'vCPUs', command: 'mmulab run', points }])).toBe(
      '| along | from | to | CPU s | MB | last command |\n| --- | --- | --- | --- | --- | --- |\n| vCPUs | 1 | 64 | 0.3 to 1 | 70 to 90 | `mmulab run` |',
    );
    expect(CURVES.every(({ values }) => values.every((value, i) => i === 0 || value > (values[i - 1] ?? NaN)))).toBe(true);
  });

  it('names its range workloads once', () => {
    const names = RANGE_WORKLOADS.map(workload => workload.name);
    expect(new Set(names).size).toBe(names.length);
  });
});
