/**
 * Guests that edit their own page tables. No record of a kernel judges these: every figure is derived by hand from the reference (shadow paging §4-§9, the kernels after 6.12),
 * one line each. 4 MiB of small pages, prefilled, entries used: 1,024 leaves in 2 last-level tables, mapped by one directory.
 */
import type { RunResult } from '@mmulab/api';
import { run } from '@mmulab/runner';

const plugins = ['@mmulab/workloads', '@mmulab/x86'];

interface Wish {
  readonly kernel?: string;
  readonly backend?: string;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly flags?: string;
}

function edit(rounds: string, { kernel = '6.1.192', backend = 'x86-shadow', options = {}, flags = '-A -H -b 4M' }: Wish = {}): RunResult {
  const config = { workload: `guest_tables ${flags} -p ${rounds}`, backend: { name: backend, kernel, options }, host: { vendor: 'amd' } };
  const [result] = run(config, { plugins, from: __dirname });
  if (result === undefined) throw new Error('no run');
  return result;
}

function counted(result: RunResult, phase: string, ...names: readonly string[]): readonly (number | undefined)[] {
  const counters = result.phases.find(one => one.phase === phase)?.counters ?? {};
  return names.map(name => counters[name]);
}

const KERNELS = ['5.10.262', '6.1.192', '6.12.117', '7.3'] as const;

describe('leaves under shadow paging', () => {
  it.each(KERNELS)('%s: the first write to each of the 2 tables is a fault that lets it fall out of step, the other 1,022 are nothing', kernel => {
    const result = edit('w,u,u', { kernel });
    // Three pages on the way to the window; its other entries are prefetched read-only: what shadows a table may not become unsync by a prefetch.
    expect(counted(result, '2_u', 'page_fault', 'pf_fixed', 'mmu_unsync', 'mmu_cache_miss', 'mmu_pte_write')).toEqual([2, 2, 2, 3, 0]);
    expect(counted(result, '3_u', 'page_fault', 'exit', 'mmu_unsync')).toEqual([0, 0, 2]);
  });

  // The frames are protected with one flush for both. Whatever is written A again asks for one more up to 6.1; 6.12 leaves entries of equal rights alone.
  it.each([
    ['6.1.192', 'm', 2],
    ['6.12.117', 'm', 1],
    ['7.3', 'm', 1],
    // Rights to write go, everywhere.
    ['6.1.192', 'p', 2],
    ['6.12.117', 'p', 2],
    ['7.3', 'p', 2],
    // Entries go that map nothing any more; those that have merely lost A ask for no flush after 6.12.
    ['7.3', 'u', 2],
    ['6.12.117', 'a', 2],
    ['7.3', 'a', 1],
  ])('%s: after %s CR3 is loaded again with %i flush requests, and all is in step', (kernel, letter, requests) => {
    expect(counted(edit(`w,${letter},t`, { kernel }), '3_t', 'remote_tlb_flush_requests', 'mmu_unsync', 'mmu.sync_roots', 'exit')).toEqual([
      requests,
      0,
      1,
      1,
    ]);
  });

  // Sixteen pages are taken up at a time: the top one, two on the way, and thirteen tables. Each batch is protected with one flush; nothing has changed.
  it.each([
    [13, 1],
    [14, 2],
    [26, 2],
    [27, 3],
  ])('%i tables out of step are brought in line with %i flushes', (tables, requests) => {
    const result = edit('w512,m512,t', { kernel: '6.12.117', flags: `-A -H -b ${2 * tables}M` });
    expect(counted(result, '2_m512', 'mmu_unsync')).toEqual([tables]);
    expect(counted(result, '3_t', 'remote_tlb_flush_requests', 'mmu_unsync')).toEqual([requests, 0]);
  });

  it('a table found again while it is out of step is compared, and stays so: its frame is not protected', () => {
    // Its directory entry is written with the value it has: unlinked, and linked again by the next access.
    const result = edit('w,m@0+1,md@0+1,r,u,r,t,r', { kernel: '6.12.117' });
    expect(counted(result, '4_r', 'root_or_table.hash_hit', 'mmu_unsync')).toEqual([1, 1]);
    expect(counted(result, '5_u', 'page_fault', 'mmu_unsync')).toEqual([1, 2]);
    expect(counted(result, '8_r', 'pf_guest')).toEqual([1024]);
  });

  it('before they are flushed accesses go by the old translations, after that they are the guest’s own faults', () => {
    for (const kernel of KERNELS) {
      const result = edit('w,u,r,t,r', { kernel });
      expect(counted(result, '3_r', 'page_fault', 'pf_guest')).toEqual([0, 0]);
      expect(counted(result, '5_r', 'page_fault', 'pf_guest')).toEqual([1024, 1024]);
    }
  });

  // 6.1 zaps each entry (a flush where it was there) and maps the new one at once; from 6.4 on it is synchronised: gone for good until a fault brings eight.
  it.each([
    ['5.10.262', 0],
    ['6.1.192', 0],
    ['6.12.117', 128],
    ['7.3', 128],
  ])('%s: pages mapped to other frames, each with its INVLPG, take 1,024 requests and then %i faults', (kernel, faults) => {
    const result = edit('w,e,i,r', { kernel });
    expect(counted(result, '3_i', 'invlpg', 'remote_tlb_flush_requests', 'tlb_flush', 'exit')).toEqual([1024, 1024, 1024, 1024]);
    expect(counted(result, '4_r', 'page_fault')).toEqual([faults]);
    expect(counted(edit('w,ei,r', { kernel }), '2_ei', 'remote_tlb_flush_requests', 'invlpg')).toEqual([1024, 1024]);
  });

  it.each([
    ['6.1.192', 1024],
    ['6.12.117', 1024],
    ['7.3', 0],
  ])('%s: a guest that clears accessed bits page by page asks for %i flushes', (kernel, requests) => {
    expect(counted(edit('w,ai', { kernel }), '2_ai', 'remote_tlb_flush_requests')).toEqual([requests]);
  });

  it('an INVLPG of an entry that is mapped again finds nothing to flush, and on 6.1 maps it ahead', () => {
    expect(counted(edit('w,ui,mi'), '3_mi', 'remote_tlb_flush_requests', 'shadow.set_spte', 'page_fault')).toEqual([0, 1024, 0]);
    expect(counted(edit('w,ui,mi', { kernel: '6.12.117' }), '3_mi', 'remote_tlb_flush_requests', 'shadow.set_spte')).toEqual([0, 0]);
  });

  it('INVLPG maps ahead in a logged slot too, where faults do not', () => {
    // D: 1 write-protects. Entry by entry: zapped with a flush, and mapped writable again.
    const result = edit('w,D,e,i,w');
    expect(counted(result, '4_i', 'shadow.set_spte', 'dirty_bitmap.set')).toEqual([1024, 1024]);
    expect(counted(result, '5_w', 'page_fault')).toEqual([0]);
  });

  it('the toggle of CR4.PGE and INVPCID of everything bring the tables in line as CR3 does', () => {
    for (const flush of ['g', 'v', 'vc'])
      expect(counted(edit(`w,u,${flush}`), `3_${flush}`, 'mmu_unsync', 'remote_tlb_flush_requests')).toEqual([0, 2]);
  });
});

describe('directory entries under shadow paging', () => {
  it('are written under KVM’s eyes: each write is emulated, unlinks the table and asks for a flush that the next entry serves', () => {
    const names = ['pf_emulate', 'mmu_pte_write', 'remote_tlb_flush_requests', 'tlb_flush', 'mmu_pde_zapped'] as const;
    // The new value is 0 for u, and not for p: only then it counts as an entry replaced.
    expect(counted(edit('w,ud'), '2_ud', ...names)).toEqual([2, 2, 2, 2, 0]);
    expect(counted(edit('w,pd'), '2_pd', ...names)).toEqual([2, 2, 2, 2, 2]);
  });

  it('from the third write without a walk on the directory is taken for no table any more: its page goes, and writes to it are seen no longer', () => {
    const result = edit('w,ud,md,ud');
    expect(counted(result, '3_md', 'mmu_flooded', 'mmu_shadow_zapped', 'pf_emulate', 'pf_fixed')).toEqual([1, 1, 1, 1]);
    expect(counted(result, '4_ud', 'page_fault', 'exit')).toEqual([0, 0]);
  });

  it('accesses in between take the count back: five times two writes flood nothing', () => {
    const result = edit('w,pd,r,qd,r,pd,r,qd,r,qd');
    expect(result.totals.counters['mmu_flooded']).toBe(0);
    expect(result.totals.counters['mmu_pte_write']).toBe(10);
  });

  it('one that is mapped again finds its old table with its leaves: a fault each, spurious after 6.12', () => {
    const names = ['page_fault', 'pf_fixed', 'pf_spurious', 'root_or_table.hash_hit', 'remote_tlb_flush_requests'] as const;
    // A directory of its own again, write-protected with a flush. Before 6.13 the leaf that is found is built without D: another flush each.
    expect(counted(edit('w,ud,md,r'), '4_r', ...names)).toEqual([2, 2, 0, 2, 3]);
    expect(counted(edit('w,ud,md,r', { kernel: '7.3' }), '4_r', ...names)).toEqual([2, 0, 2, 2, 1]);
  });

  it('writes of 2 bytes, and of 16 bytes over two entries, are no writes of entries: the page goes at the first', () => {
    for (const letters of ['udh', 'udy']) expect(counted(edit(`w,${letters}`), `2_${letters}`, 'mmu_flooded', 'mmu_pte_write')).toEqual([1, 1]);
    // One byte at the start of an entry may be a bit operation, 4 bytes one half of a store.
    for (const letters of ['adb', 'adl']) expect(counted(edit(`w,${letters}`), `2_${letters}`, 'mmu_flooded', 'mmu_pte_write')).toEqual([0, 2]);
  });

  it('are the leaves of a guest with large pages', () => {
    const result = edit('w,u,w', { flags: '-A -H -L -b 4M -s anonymous_hugetlb_2mb' });
    expect(counted(result, '2_u', 'mmu_pte_write', 'remote_tlb_flush_requests')).toEqual([2, 2]);
    expect(counted(result, '3_w', 'pf_guest')).toEqual([1024]);
  });
});

describe('fork', () => {
  it('leaves a parent and a child that read the same frames; each may write once the guest lets it', () => {
    const result = edit('w,f,t,r,w,n,r,w,q,t,w');
    // Cleared pages of the child (one prefetched group) and the parent's two tables.
    expect(counted(result, '2_f', 'page_fault', 'mmu_unsync')).toEqual([4, 2]);
    expect(counted(result, '4_r', 'page_fault')).toEqual([0]);
    expect(counted(result, '5_w', 'pf_guest')).toEqual([1024]);
    // The child is empty to KVM: its top table, then three more and one each of 2 MiB, eight leaves a fault.
    expect(counted(result, '6_n', 'mmu_cache_miss', 'root.cache_miss')).toEqual([1, 1]);
    expect(counted(result, '7_r', 'page_fault', 'mmu_cache_miss')).toEqual([128, 4]);
    expect(counted(result, '8_w', 'pf_guest')).toEqual([1024]);
    expect(counted(result, '11_w', 'pf_guest', 'pf_fixed')).toEqual([0, 0]);
  });

  it('goes to and fro between both without a load: the roots are remembered', () => {
    expect(counted(edit('w,f,n,n,n,n'), '6_n', 'root.cache_hit', 'mmu.load', 'mmu_cache_miss')).toEqual([1, 0, 0]);
  });

  it('costs the TDP MMU ordinary faults of the pages it touches, and nothing more', () => {
    const result = edit('w,f,t,n,r,w', { backend: 'x86-tdp' });
    // Three tables of the window and five pages of the child's tables; the parent's are mapped since the hardware first walked them.
    expect(counted(result, '2_f', 'page_fault', 'page_fault.guest_table')).toEqual([8, 3]);
    for (const phase of ['3_t', '4_n', '5_r', '6_w']) expect(counted(result, phase, 'page_fault', 'exit', 'tlb_flush')).toEqual([0, 0, 0]);
  });
});

describe('the limit on shadow pages', () => {
  // 126 MiB: 63 last-level tables and two above; five of memslot 0: root, two tables, code, stack.
  const wide = '-A -H -b 126M';

  it('of 64 has the oldest recycled 21 at a time once fewer than five are free', () => {
    const result = edit('w', { flags: `${wide} -l 64` });
    // 5 of `noop`, the test's directory, then tables: at 60 used the next fault frees 25 - 4; the recycled upper tables are made anew.
    expect(counted(result, '1_w', 'mmu_recycled')).toEqual([21]);
    expect(counted(edit('w', { flags: wide }), '1_w', 'mmu_recycled')).toEqual([0]);
  });

  it('has passes over more than fits fault for good', () => {
    const [, faults] = ['w', 'w,r'].map(rounds => counted(edit(rounds, { flags: `-A -H -b 140M -l 64` }), '2_r', 'page_fault')[0]);
    expect(faults).toBeGreaterThan(0);
    expect(counted(edit('w,r', { flags: '-A -H -b 140M' }), '2_r', 'page_fault')).toEqual([0]);
  });

  it.each([
    ['w', '-l 63', 'WORKLOAD_OPTION_CONFLICT'],
    ['w,f,n', '-k 2', 'WORKLOAD_OPTION_CONFLICT'],
    ['w,n', '', 'WORKLOAD_ROUND_INVALID'],
    ['n,f', '', 'WORKLOAD_ROUND_INVALID'],
    ['w,f,n,f', '', 'WORKLOAD_ROUND_INVALID'],
    ['w,u@2000', '', 'WORKLOAD_ROUND_INVALID'],
    ['w', '-b 6K', 'WORKLOAD_SIZE_UNALIGNED'],
    ['w', '-L -b 1M', 'WORKLOAD_SIZE_UNALIGNED'],
    ['w,ed', '', 'CONFIG_OUT_OF_RANGE'],
  ])('%s %s is refused: %s', (rounds, flags, code) => {
    const codeOf = (): unknown => {
      try {
        return edit(rounds, { flags: flags.includes('-b') ? flags : `-b 4M ${flags}` });
      } catch (error) {
        return (error as { code?: string }).code;
      }
    };
    expect(codeOf()).toBe(code);
  });
});

describe('edits on the TDP MMU', () => {
  it('are writes to ordinary pages: three tables of the window and two pages behind it fault once', () => {
    const result = edit('w,u,r,m,t,i,w', { backend: 'x86-tdp', kernel: '7.3' });
    expect(counted(result, '2_u', 'page_fault', 'page_fault.guest_table')).toEqual([3, 3]);
    for (const phase of ['3_r', '4_m', '5_t', '6_i', '7_w']) expect(counted(result, phase, 'page_fault', 'exit')).toEqual([0, 0]);
  });

  it('go to the dirty log as writes do, and only where they fall into a logged slot', () => {
    const result = edit('w,D,p,G,q,w', { backend: 'x86-tdp' });
    expect(counted(result, '3_p', 'dirty_bitmap.set')).toEqual([0]);
    expect(counted(result, '6_w', 'dirty_bitmap.set')).toEqual([1024]);
  });

  it('count the same on the legacy MMU’s direct roots but for its prefetch', () => {
    const result = edit('w,u,r,m,w', { options: { npt: 'Y', tdp_mmu: 'N' } });
    expect(counted(result, '2_u', 'pf_emulate', 'mmu_unsync')).toEqual([0, 0]);
    for (const phase of ['3_r', '4_m', '5_w']) expect(counted(result, phase, 'page_fault')).toEqual([0]);
  });
});
