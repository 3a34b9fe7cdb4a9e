/**
 * Control-register churn against closed forms: n changes per round, p pages touched after each, in the steady state (round_2).
 *
 * A vCPU that rebuilds its tree (5.10 on the TDP MMU) faults per change on p data pages, 6 guest tables, one page of code, globals and the jump table: p + 9; every
 * change but CR0.WP lies on a second page of code: p + 10. At the end of a round come the stack's guest table and page, the synchronising code, and for CR0.WP the
 * second page of code too. A tree has 6 tables below its root.
 */
import { run } from '@mmulab/runner';

type Values = Readonly<Record<string, number>>;

/** Counters of the steady round. */
function steady(kernel: string, mode: string, options: Readonly<Record<string, string>>, flags = ''): Values {
  const [result] = run(
    {
      backend: { name: options['npt'] === 'N' || options['tdp_mmu'] === 'N' ? 'x86-shadow' : 'x86-tdp', kernel, options },
      host: { vendor: 'amd' },
      workload: `cr_churn -m ${mode} ${flags}`,
    },
    { plugins: ['@mmulab/workloads', '@mmulab/x86'], from: __dirname },
  );
  return result.phases.find(phase => phase.phase === 'round_2')?.counters ?? {};
}

const TDP = { npt: 'Y', tdp_mmu: 'Y' };
const LEGACY = { npt: 'Y', tdp_mmu: 'N' };
const SHADOW = { npt: 'N', tdp_mmu: 'N' };
const AS_POSTED = { wp_shortcut: 'N', root_reset: 'lookup' };

const sizes = [
  [4, 8],
  [16, 16],
  [60, 64],
  // Long enough to be recognised as steady.
  [1000, 16],
] as const;

describe.each(sizes)('%i changes with %i pages each', (n, p) => {
  const flags = `-n ${n} -p ${p}`;

  it('5.10, TDP MMU, CR0.WP: p + 9 faults and 6 tables per change, 4 faults at the end of the round', () => {
    expect(steady('5.10.262', 'w', TDP, flags)).toMatchObject({ page_fault: n * (p + 9) + 4, 'table.alloc': 6 * n, 'mmu.load': n });
  });

  it.each(['p', 'e', 'a', 'x'])('5.10, TDP MMU, mode %s: p + 10 faults per change, 3 at the end of the round', mode => {
    expect(steady('5.10.262', mode, TDP, flags)).toMatchObject({ page_fault: n * (p + 10) + 3, 'table.alloc': 6 * n, 'mmu.load': n });
  });

  it('5.10, shadow paging and legacy MMU, CR0.WP: one load per change, the root found in the hash, no fault', () => {
    for (const mmu of [SHADOW, LEGACY]) {
      expect(steady('5.10.262', 'w', mmu, flags)).toMatchObject({ 'mmu.load': n, 'root_or_table.hash_hit': n, page_fault: 0, 'tlb_flush.hw': n });
    }
  });

  it('6.1.192 and 6.12.117, CR0.WP: nothing under two-dimensional paging; shadow paging loads its root again', () => {
    for (const kernel of ['6.1.192', '6.12.117']) {
      for (const mmu of [TDP, LEGACY]) expect(steady(kernel, 'w', mmu, flags)).toMatchObject({ 'mmu.load': 0, page_fault: 0, 'tlb_flush.hw': 0 });
      expect(steady(kernel, 'w', SHADOW, flags)).toMatchObject({ 'mmu.load': n, 'root_or_table.hash_hit': n, page_fault: 0 });
    }
  });

  it('as posted (a cached root is looked up): no load and no flush on any MMU', () => {
    for (const mmu of [TDP, LEGACY, SHADOW]) {
      expect(steady('6.1.192', 'w', { ...mmu, ...AS_POSTED }, flags)).toMatchObject({ 'mmu.load': 0, 'tlb_flush.hw': 0, page_fault: 0 });
    }
  });

  it('6.x, SMEP, SMAP and EFER.NX under two-dimensional paging: n loads, the root found, no fault', () => {
    for (const mode of ['e', 'a', 'x']) expect(steady('6.1.192', mode, TDP, flags)).toMatchObject({ 'mmu.load': n, page_fault: 0, 'table.alloc': 0 });
  });

  it('CR0.TS, CR0.CD and INVLPG load nothing', () => {
    for (const mode of ['t', 'd', 'i']) expect(steady('6.12.117', mode, SHADOW, flags)).toMatchObject({ 'mmu.load': 0, page_fault: 0 });
  });
});

describe.each([1, 2, 3, 4, 5, 6, 8])('CR3 round robin over %i roots, shadow paging', roots => {
  const flags = `-n 60 -p 16 -k ${roots}`;
  const isCached = roots <= 4;

  it('loads no root while all fit the current and three previous ones, and one per switch beyond', () => {
    for (const kernel of ['5.10.262', '6.1.192', '6.12.117']) {
      expect(steady(kernel, 'c', SHADOW, flags)).toMatchObject({ 'mmu.load': isCached ? 0 : 60, page_fault: 0, 'table.alloc': 0 });
    }
  });

  it('6.1: one sync and one flush per switch, two of each where the root is loaded too; 5.10: one', () => {
    const each = isCached ? 60 : 120;
    expect(steady('6.1.192', 'c', SHADOW, flags)).toMatchObject({ 'mmu.sync_roots': each, 'tlb_flush.hw': each });
    expect(steady('5.10.262', 'c', SHADOW, flags)).toMatchObject({ 'mmu.sync_roots': 60, 'tlb_flush.hw': 60 });
  });

  it('does not exit under two-dimensional paging', () => {
    expect(steady('6.1.192', 'c', TDP, flags)).toMatchObject({ exit: 0, 'mmu.load': 0, 'mmu.new_pgd': 0 });
  });
});
