/**
 * Command lines of selftests as people run them, with the answers derived from public source.
 */
import type { RunResult } from '@mmulab/api';
import { run } from '@mmulab/runner';

const plugins = ['@mmulab/workloads', '@mmulab/x86', '@mmulab/arm64'];

function runTest(workload: string, backend: object = {}, host: object = {}): RunResult {
  const [result] = run({ backend, host: { ...host }, workload }, { plugins, from: __dirname });
  if (result === undefined) throw new Error('no result');
  return result;
}

function count(result: RunResult, phase: string, counter: string): number | undefined {
  return result.phases.find(candidate => candidate.phase === phase)?.counters[counter];
}

const ofSlot = (result: RunResult, phase: string, counter: string): number | undefined =>
  result.phases.find(candidate => candidate.phase === phase)?.slots?.['1']?.counters[counter];

describe('a userfaultfd restore of memory that could be huge', () => {
  const restore = 'demand_paging_test -u MISSING -s anonymous_thp -b 64M';

  it('takes 16,426 faults on x86 and no huge page, as with thp=never', () => {
    const [madvise, never] = [runTest(restore), runTest(restore, {}, { thp: 'never' })];
    expect(count(madvise, 'guest_execution', 'page_fault')).toBe(16426);
    expect(count(madvise, 'guest_execution', 'pages_2m')).toBe(0);
    expect(madvise.phases[0]?.counters).toEqual(never.phases[0]?.counters);
  });

  it.each(['5.10.223', '6.1.176', '7.3'])('takes 16,384 faults on its memslot on arm64 %s', kernel => {
    const result = runTest(restore, { name: 'arm64-stage2', kernel });
    expect([ofSlot(result, 'guest_execution', 'guest_abort'), ofSlot(result, 'guest_execution', 'leaf.install.2m')]).toEqual([16384, 0]);
  });
});

describe('the line of the eager-split letter on 6.5', () => {
  it('runs as P48V48_4K: dirty_2 takes 16,304 aborts', () => {
    const command = 'dirty_log_perf_test -s anonymous_hugetlb_2mb -b 32M -v 2 -i 3 -m 2 -w 10';
    const result = runTest(command, { name: 'arm64-stage2', kernel: '6.5' });
    expect(result.guestMode).toBe('P48V48_4K');
    expect(count(result, 'dirty_2', 'guest_abort')).toBe(16304);
  });
});

describe('the lines of the cache-maintenance series', () => {
  it.each(['-m 4 -s anonymous -b 1G -v 80', '-m 4 -s anonymous_thp -b 20G -v 40', '-m 4 -s anonymous_hugetlb_1gb -b 20G -v 40'])(
    'kvm_page_table_test %s on 5.13 and 5.14 is P40V48_4K',
    flags => {
      for (const kernel of ['5.13', '5.14']) {
        const small = flags.replace(/-v \d+/, '-v 2').replace('-b 20G', '-b 1G');
        expect(runTest(`kvm_page_table_test ${small}`, { name: 'arm64-stage2', kernel }).guestMode).toBe('P40V48_4K');
      }
    },
  );
});

describe('a host with 16 KiB pages', () => {
  const host = { granule: '16K' };
  const on = (workload: string): RunResult => runTest(workload, { name: 'arm64-stage2', kernel: '6.1.176' }, host);

  it('runs kvm_page_table_test in a guest with 4 KiB pages by its own pages: 512 faults for 8 MiB', () => {
    const result = on('kvm_page_table_test -m 5 -b 8M -s anonymous');
    expect(result.guestMode).toBe('P40V48_4K');
    expect(ofSlot(result, 'create_mappings', 'leaf.install.16k')).toBe(512);
    expect(['create_mappings', 'update_mappings', 'adjust_mappings'].map(phase => ofSlot(result, phase, 'guest_abort'))).toEqual([512, 512, 0]);
  });

  it('splits and rebuilds its blocks of 32 MiB by the same test: 1,025 faults per block, 1,024 pages read', () => {
    const result = on('kvm_page_table_test -m 5 -b 64M -s anonymous_thp');
    expect(ofSlot(result, 'create_mappings', 'leaf.install.32m')).toBe(2);
    expect(['create_mappings', 'update_mappings', 'adjust_mappings'].map(phase => ofSlot(result, phase, 'guest_abort'))).toEqual([2, 2 * 1025, 2]);
  });

  it('takes one fault for four guest pages of 4 KiB, and one more for a page read before it is written', () => {
    const faults = (rounds: string, phase: string): unknown => ofSlot(on(`access_rounds -m 5 -b 4M -s anonymous -p ${rounds}`), phase, 'guest_abort');
    expect([faults('w', '1_w'), faults('w4', '1_w4'), faults('w8', '1_w8'), faults('r,w', '2_w')]).toEqual([256, 256, 128, 512]);
    const mixed = on('dirty_log_perf_test -m 5 -b 1M -s anonymous_hugetlb_2mb -g -f 6');
    // 256 guest pages in 64 frames; every 6th written: a first access in 22 frames, a later one in 21. All frames are there, read-only.
    expect(ofSlot(mixed, 'dirty_1', 'stage2.relax_perms')).toBe(43);
  });
});

describe('contiguous hugetlb pages', () => {
  const leaves = (size: string, host: object, commands: string): unknown => {
    const result = runTest(`access_rounds -s anonymous_hugetlb_${size} ${commands}`, { name: 'arm64-stage2' }, host);
    const counters = result.phases.find(({ phase }) => phase === '1_w')?.slots?.['1']?.counters ?? {};
    return Object.entries(counters).filter(([name, value]) => name.startsWith('leaf.install') && value > 0);
  };

  it('of 64K on a 4K host, and of 2M on a 16K host, are mapped page by page', () => {
    expect(leaves('64kb', {}, '-b 4M -p w')).toEqual([['leaf.install.4k', 1024]]);
    expect(leaves('2mb', { granule: '16K' }, '-b 4M -p w')).toEqual([['leaf.install.16k', 256]]);
  });

  it('of 32M on a 4K host are mapped in blocks of 2M, of 1G on a 16K host in blocks of 32M', () => {
    expect(leaves('32mb', {}, '-b 64M -p w')).toEqual([['leaf.install.2m', 32]]);
    expect(leaves('1gb', { granule: '16K' }, '-b 1G -p w')).toEqual([['leaf.install.32m', 32]]);
  });

  it('come whole: once one page of them is written, the others are writable when they are read', () => {
    // The first read leaves a read-only page of 64K; a write to its second page makes all 16 writable, so the rest needs one fault each, the first page two.
    const result = runTest('access_rounds -b 64K -s anonymous_hugetlb_64kb -p r16,w,r', { name: 'arm64-stage2' });
    expect(['1_r16', '2_w', '3_r'].map(phase => ofSlot(result, phase, 'guest_abort'))).toEqual([1, 16, 0]);
    const read = runTest('access_rounds -b 64K -s anonymous_hugetlb_64kb -p w16,r,w', { name: 'arm64-stage2' });
    expect(['1_w16', '2_r', '3_w'].map(phase => ofSlot(read, phase, 'guest_abort'))).toEqual([1, 15, 0]);
  });

  it('of 32M come whole, too, in lifted runs: no write fault after 16 blocks were read', () => {
    const result = runTest('access_rounds -b 64M -s anonymous_hugetlb_32mb -p w8192,r512,w512', { name: 'arm64-stage2' });
    expect(['1_w8192', '2_r512', '3_w512'].map(phase => ofSlot(result, phase, 'guest_abort'))).toEqual([2, 30, 0]);
  });
});
