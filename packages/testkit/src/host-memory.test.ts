/**
 * What the host does to guest memory, as the guest's next passes find it: mprotect, fork, madvise, pages the host writes itself, a balloon. Derived by hand from the
 * reference; what mprotect gives back by release was measured on arm64.
 */
import type { RunResult } from '@mmulab/api';
import { run } from '@mmulab/runner';

const plugins = ['@mmulab/workloads', '@mmulab/x86', '@mmulab/arm64'];

function rounds(args: string, name: string, kernel: string, options: Readonly<Record<string, string>> = {}): RunResult {
  const [result] = run({ workload: `access_rounds ${args}`, backend: { name, kernel, options } }, { plugins, from: __dirname });
  if (result === undefined) throw new Error('no run');
  return result;
}

/** A counter of the test memory by phase, the first and last ones left out. */
function counts(result: RunResult, counter: string): readonly (number | undefined)[] {
  return result.phases.slice(1, -1).map(({ slots, counters }) => (slots?.['1']?.counters ?? counters)[counter]);
}

describe('a balloon that takes every 512th page of 4 MiB', () => {
  it.each([
    ['x86-tdp', '6.12.117', 'spte.zap.4k', 'page_fault', 'remote_tlb_flush_requests', 2],
    ['arm64-stage2', '6.12.107', 'notifier.invalidate', 'guest_abort', 'stage2.unmap', 2],
  ])('on %s %s has 2 pages go by 2 calls, and come back by 2 faults', (name, kernel, gone, faults, calls, expected) => {
    const result = rounds('-b 4M -p w,Z512,w', name, kernel);
    expect(counts(result, gone)).toEqual([0, 2, 0]);
    expect(counts(result, calls)).toEqual([0, expected, 0]);
    expect(counts(result, faults)[2]).toBe(2);
  });

  it('under shadow paging: a flush for each of 2 pages, which prefetching brings back by 2 faults', () => {
    const result = rounds('-b 4M -p w,Z512,w', 'x86-shadow', '6.1.192');
    expect([counts(result, 'remote_tlb_flush_requests')[1], counts(result, 'page_fault')[2]]).toEqual([2, 2]);
  });
});

describe('MADV_DONTNEED of hugetlb memory', () => {
  it.each([
    ['x86-tdp', '6.12.117', 'spte.zap.2m', 'page_fault'],
    ['arm64-stage2', '6.12.107', 'dcache_clean_inval_poc.unmap', 'guest_abort'],
  ])('on %s drops 1 page of 2 MiB of 600 pages, 2 of 1025, and none of 511', (name, kernel, gone, faults) => {
    const result = rounds('-b 6M -s anonymous_hugetlb_2mb -p w,Z@0+600,w,Z@0+1025,w,Z@512+511,w', name, kernel);
    expect(counts(result, gone)).toEqual([0, 1, 0, 2, 0, 0, 0]);
    expect(counts(result, 'notifier.invalidate')).toEqual([0, 1, 0, 1, 0, 0, 0]);
    expect(counts(result, faults).slice(2)).toEqual([1, 0, 2, 0, 0]);
  });
});

describe('mprotect to PROT_READ and back', () => {
  it.each([
    ['5.10.223', 'anonymous', 1024, 1024],
    ['6.1.176', 'anonymous', 1024, 0],
    ['6.1.176', 'anonymous_thp', 2, 2],
    ['6.12.107', 'anonymous_thp', 2, 0],
    ['6.12.107', 'anonymous_hugetlb_2mb', 2, 2],
    ['6.12.107', 'shmem', 1024, 0],
  ])('on arm64 %s: %s is read by %i faults after each, and then takes %i of permission for writes', (kernel, backing, leaves, writes) => {
    const result = rounds(`-b 4M -s ${backing} -p w,R,r,W,r,w`, 'arm64-stage2', kernel);
    expect(counts(result, 'notifier.invalidate')).toEqual([0, 1, 0, 1, 0, 0]);
    expect(counts(result, 'guest_abort')).toEqual([leaves, 0, leaves, 0, leaves, writes]);
    expect(counts(result, 'stage2.relax_perms')[5]).toBe(writes);
  });

  it('has a write of the guest fail with EFAULT in between, on every MMU', () => {
    for (const [name, kernel, options] of [
      ['x86-tdp', '6.12.117', {}],
      ['x86-shadow', '6.12.117', {}],
      ['x86-shadow', '6.12.117', { tdp_mmu: 'N', npt: 'Y' }],
      ['arm64-stage2', '6.12.107', {}],
    ] as const) {
      expect(rounds('-b 1M -p w,R@64+8,w', name, kernel, options).failure).toMatchObject({ phase: '3_w', errno: 'EFAULT' });
    }
  });

  it('tells of each GiB of the host’s addresses up to 6.11 (2 GiB lie in 3), of all at once after, and of nothing where the protection is there already', () => {
    const calls = (kernel: string): unknown => counts(rounds('-b 3G -p w@1G+2G,R,R,W', 'arm64-stage2', kernel), 'notifier.invalidate');
    expect(calls('6.5')).toEqual([0, 3, 0, 3]);
    expect(calls('6.12.107')).toEqual([0, 1, 0, 1]);
  });
});

describe('fork', () => {
  it('write-protects 4 MiB of private memory: a child that lives has each page copied, with a notifier call, one that is gone none', () => {
    const lives = rounds('-b 4M -p w,Fc,r,w,w', 'x86-tdp', '6.12.117');
    expect(counts(lives, 'spte.zap.4k').slice(1)).toEqual([1036, 0, 1024, 0]);
    expect(counts(lives, 'remote_tlb_flush_requests')[3]).toBe(1024);
    expect(counts(lives, 'page_fault')[3]).toBe(2048);
    const gone = rounds('-b 4M -p w,F,r,w,w', 'x86-tdp', '6.12.117');
    expect(counts(gone, 'remote_tlb_flush_requests').slice(1)).toEqual([2, 0, 0, 0]);
    expect([counts(gone, 'page_fault')[3], counts(gone, 'spte.update.4k')[3]]).toEqual([1024, 1024]);
  });

  it('has a transparent huge page fall apart when it is written, and MADV_COLLAPSE bring it back', () => {
    const result = rounds('-b 4M -s anonymous_thp -p w,Fc,w,Fe,Mc,w', 'arm64-stage2', '6.12.107');
    expect(counts(result, 'leaf.install.4k')).toEqual([0, 0, 1024, 0, 0, 0]);
    expect(counts(result, 'notifier.invalidate')).toEqual([0, 1, 1026, 0, 2, 0]);
    expect(counts(result, 'leaf.install.2m')).toEqual([2, 0, 0, 0, 0, 2]);
  });

  it('copies a hugetlb page whole, and nothing of shared memory, of which nobody is told', () => {
    expect(counts(rounds('-b 4M -s anonymous_hugetlb_2mb -p r,Fc,w', 'arm64-stage2', '6.12.107'), 'notifier.invalidate')).toEqual([0, 1, 2]);
    expect(counts(rounds('-b 4M -s shared_hugetlb -p r,Fc,w', 'arm64-stage2', '6.12.107'), 'notifier.invalidate')).toEqual([0, 0, 0]);
    expect(counts(rounds('-b 4M -s shmem -p w,Fc,w', 'arm64-stage2', '6.12.107'), 'guest_abort')).toEqual([1024, 0, 0]);
  });

  it('is not told of where nothing but the zero page is there', () => {
    expect(counts(rounds('-b 4M -p r,Fc,r', 'arm64-stage2', '6.12.107'), 'notifier.invalidate')).toEqual([0, 0, 0]);
  });
});

describe('advice', () => {
  it('MADV_FREE unmaps and keeps the pages; MADV_COLD never gets here', () => {
    const result = rounds('-b 4M -p w,Mf,r,Mo,r', 'arm64-stage2', '6.12.107');
    expect(counts(result, 'notifier.invalidate')).toEqual([0, 1, 0, 0, 0]);
    expect(counts(result, 'guest_abort')).toEqual([1024, 0, 1024, 0, 0]);
  });

  it('MADV_NOHUGEPAGE has later faults bring small pages, MADV_HUGEPAGE huge ones again', () => {
    const result = rounds('-b 4M -s anonymous_thp -p Mn,w,Zm,Mh,Zm,w', 'arm64-stage2', '6.12.107');
    expect(counts(result, 'leaf.install.4k')[1]).toBe(1024);
    expect(counts(result, 'leaf.install.2m')[5]).toBe(2);
  });

  it('is refused where the kernel answers EINVAL', () => {
    for (const args of ['-s shmem -p Mf', '-s anonymous_hugetlb_2mb -p Mf', '-p Mc', '-s anonymous_hugetlb_2mb -p Mo'])
      expect(() => rounds(`-b 4M ${args}`, 'x86-tdp', '6.12.117')).toThrow(/EINVAL/);
    expect(() => rounds('-b 4M -s anonymous_thp -p Mc', 'arm64-stage2', '5.10.223')).toThrow(/from 6.1 on/);
  });
});

describe('the host', () => {
  it('writes pages the guest has read: 512 notifier calls for zero pages, and the next read maps them writable', () => {
    const result = rounds('-b 4M -p r,H@0+2M,r,w@0+2M', 'arm64-stage2', '6.12.107');
    expect(counts(result, 'notifier.invalidate')).toEqual([0, 512, 0, 0]);
    expect(counts(result, 'guest_abort')).toEqual([1024, 0, 512, 0]);
  });

  it('has huge pages before the guest does: no fault of it meets the zero page', () => {
    expect(counts(rounds('-b 4M -s anonymous_thp -p H,r,w', 'arm64-stage2', '6.12.107'), 'guest_abort')).toEqual([0, 2, 0]);
  });
});

describe('a part of a transparent huge page that goes', () => {
  it('comes back by small pages, whether it was dropped or something new was mapped over it: the others still have their table', () => {
    const faults = (round: string): unknown => counts(rounds(`-b 2M -s anonymous_thp -H -p ${round},w`, 'x86-tdp', '6.12.117'), 'page_fault').at(-1);
    expect([faults('Z@0+20'), faults('Zm@0+20'), faults('Mn,Zm@0+20'), faults('Zm')]).toEqual([514, 514, 514, 3]);
  });

  it('is not there at the edge of a slot, where advice breaks up nothing: 3 MiB after a fork', () => {
    const after = (round: string): unknown =>
      counts(rounds(`-b 3M -s anonymous_thp -H -p Fc,x,${round}w`, 'x86-tdp', '6.12.117'), 'notifier.invalidate').at(-1);
    expect(after('Mo,')).toBe(after(''));
  });
});
