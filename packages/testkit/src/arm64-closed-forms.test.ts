/**
 * Closed forms of what one vCPU counts on arm64, derived in the reference's model of cache maintenance (tables 3 and 4): N pages, n large pages of h pages.
 */
import { run } from '@mmulab/runner';

const plugins = ['@mmulab/workloads', '@mmulab/arm64'];
const KERNELS = ['5.10.223', '5.13', '5.14', '6.1.176', '6.2', '6.5', '6.12.107'];
const PAGE = 4096;
const PMD_PAGES = 512;
const PUD_PAGES = 2 ** 18;

type Counts = Readonly<Record<string, number>>;

/** Counters of the test memslot by phase. */
function phasesOf(
  kernel: string,
  command: string,
  options: Readonly<Record<string, string | number>> = {},
  host: Readonly<Record<string, string>> = {},
): Readonly<Record<string, Counts>> {
  const [result] = run({ backend: { name: 'arm64-stage2', kernel, options }, host, workload: command }, { plugins, from: __dirname });
  return Object.fromEntries((result?.phases ?? []).map(phase => [phase.phase, phase.slots?.['1']?.counters ?? {}]));
}

function totalsOf(kernel: string, command: string, phase: string): Counts {
  const [result] = run({ backend: { name: 'arm64-stage2', kernel }, workload: command }, { plugins, from: __dirname });
  return result?.phases.find(candidate => candidate.phase === phase)?.counters ?? {};
}

function pick(counts: Counts | undefined, ...names: readonly string[]): readonly (number | undefined)[] {
  return names.map(name => counts?.[name]);
}

const CMO = ['dcache_clean_inval_poc', 'dcache_clean_inval_poc.bytes'];

describe.each(KERNELS)('kvm_page_table_test with one vCPU on %s', kernel => {
  const before = kernel < '5.14';
  const local = kernel === '6.5' || kernel === '6.12.107';

  it('small pages: N faults, N cleans of 4 KiB, then N relaxed pages and N invalidations', () => {
    const N = 1024;
    const phases = phasesOf(kernel, 'kvm_page_table_test -s anonymous -b 4M');
    expect(pick(phases['create_mappings'], 'guest_abort', 'leaf.install.4k', ...CMO, 'table.alloc')).toEqual([N, N, N, N * PAGE, 4]);
    expect(pick(phases['enable_log'], 'stage2.wrprotect', 'tlbi.vmid')).toEqual([1, 1]);
    expect(pick(phases['update_mappings'], 'guest_abort', 'stage2.relax_perms', 'tlbi.ipa', 'tlbi.ipa_local', ...CMO)).toEqual([
      N,
      N,
      N,
      local ? N : 0,
      0,
      0,
    ]);
    expect(pick(phases['adjust_mappings'], 'guest_abort', ...CMO)).toEqual([0, 0, 0]);
  });

  it.each(['anonymous_thp', 'anonymous_hugetlb_2mb'])('%s: n blocks split, 256 pages read in each, and rebuilt', backing => {
    const n = 4;
    const phases = phasesOf(kernel, `kvm_page_table_test -s ${backing} -b 8M`);
    const updated = (before ? 256 : 257) * n;
    expect(pick(phases['create_mappings'], 'guest_abort', 'leaf.install.2m', ...CMO, 'table.alloc')).toEqual([n, n, n, n * PMD_PAGES * PAGE, 1]);
    expect(pick(phases['update_mappings'], 'guest_abort', 'split.2m', ...CMO, 'tlbi.ipa', 'table.alloc')).toEqual([
      257 * n,
      n,
      updated,
      updated * PAGE,
      n,
      n,
    ]);
    expect(pick(phases['adjust_mappings'], 'guest_abort', 'coalesce.2m', ...CMO, 'tlbi.vmid')).toEqual([n, n, n, n * PMD_PAGES * PAGE, n]);
    const freed = (phases['adjust_mappings']?.['table.free'] ?? 0) + (phases['destroy_vm']?.['table.free'] ?? 0);
    expect(freed).toBe(n + 1);
  });

  it('1 GiB hugetlb: one block, 131072 pages read, 258 tables', () => {
    const phases = phasesOf(kernel, 'kvm_page_table_test -s anonymous_hugetlb_1gb -b 1G');
    const updated = before ? 131072 : 131073;
    expect(pick(phases['create_mappings'], 'guest_abort', 'leaf.install.1g', ...CMO, 'table.alloc')).toEqual([1, 1, 1, PUD_PAGES * PAGE, 0]);
    expect(pick(phases['update_mappings'], 'guest_abort', 'split.1g', 'split.2m', ...CMO, 'tlbi.ipa', 'table.alloc')).toEqual([
      131073,
      1,
      0,
      updated,
      updated * PAGE,
      1,
      258,
    ]);
    expect(pick(phases['adjust_mappings'], 'guest_abort', 'coalesce.1g', ...CMO, 'tlbi.vmid')).toEqual([1, 1, 1, PUD_PAGES * PAGE, 1]);
  });

  it('FWB: the callbacks are called, nothing is cleaned, all else is as without', () => {
    const command = 'kvm_page_table_test -s anonymous_hugetlb_2mb -b 4M';
    const [without, fwb] = ['N', 'Y'].map(value => phasesOf(kernel, command, {}, { fwb: value }));
    for (const phase of ['create_mappings', 'update_mappings', 'adjust_mappings']) {
      const same = (counts: Counts | undefined): unknown => Object.entries(counts ?? {}).filter(([name]) => !/^dcache/.test(name));
      expect(same(fwb?.[phase])).toEqual(same(without?.[phase]));
      expect(pick(fwb?.[phase], ...CMO)).toEqual([0, 0]);
    }
  });

  it('two code pages are invalidated at the start, none with DIC by line', () => {
    const counts = totalsOf(kernel, 'kvm_page_table_test -s anonymous -b 64K', 'before_mappings');
    expect(pick(counts, 'icache_inval_pou', 'icache_inval_pou.bytes', 'icache_inval_pou.lines')).toEqual([2, 2 * PAGE, 128]);
  });

  it('small guest: stage-1 walks and one device access per stage', () => {
    const counts = totalsOf(kernel, 'kvm_page_table_test -s anonymous -b 16M', 'create_mappings');
    expect(pick(counts, 'guest_abort.s1ptw', 'guest_abort.mmio')).toEqual([9, 1]);
  });
});

describe('where the walkers clean more than the abort handler', () => {
  const both = (command: string, phase: string): readonly (number | undefined)[] =>
    ['abort', 'walker'].map(cmo => phasesOf('5.14', command, { cmo })[phase]?.['dcache_clean_inval_poc']);

  it('the page that a dirty-logging split installs', () => {
    expect(both('kvm_page_table_test -s anonymous_hugetlb_2mb -b 8M', 'update_mappings')).toEqual([4 * 256, 4 * 257]);
  });

  it('a block rebuilt by a permission fault', () => {
    // Eager splitting leaves pages that are all mapped and read-only: with logging off again the first write meets a page where the host has a block.
    const command = 'access_rounds -b 4M -s anonymous_hugetlb_2mb -p w,D,w512,r,G,U,w';
    const counts = ['abort', 'walker'].map(cmo => Object.values(phasesOf('5.14', command, { cmo })).at(-2));
    expect(counts.map(phase => phase?.['stage2.map.on_permission'])).toEqual([2, 2]);
    expect(counts.map(phase => phase?.['coalesce.2m'])).toEqual([2, 2]);
    expect(counts.map(phase => phase?.['dcache_clean_inval_poc'])).toEqual([0, 2]);
  });
});

describe('eager splitting', () => {
  const command = 'dirty_log_perf_test -s anonymous_hugetlb_1gb -b 1G -g';

  it.each([
    [2 ** 30, 1, 513, 1],
    [2 ** 21, 512, 513, 513],
  ])('of 1 GiB in chunks of %i bytes: %i calls, %i tables, %i invalidations', (chunk, calls, allocated, invalidated) => {
    const phases = phasesOf('6.5', command, { eager_split_chunk: chunk });
    expect(pick(phases['enable_log'], 'eager_split', 'table.alloc', 'tlbi.ipa', ...CMO)).toEqual([calls, allocated, invalidated, 0, 0]);
    expect(pick(phases['dirty_1'], 'guest_abort', 'stage2.relax_perms', ...CMO)).toEqual([PUD_PAGES, PUD_PAGES, 0, 0]);
  });
});

describe('other granules', () => {
  it('16 KiB: blocks of 32 MiB; 64 KiB: blocks of 512 MiB', () => {
    for (const [granule, size, name, pages] of [
      ['16K', '64M', '32m', 2],
      ['64K', '1G', '512m', 2],
    ] as const) {
      const phases = phasesOf('6.12.107', `kvm_page_table_test -m P48V48_${granule} -s anonymous_hugetlb -b ${size}`, {}, { granule });
      expect(pick(phases['create_mappings'], 'guest_abort', `leaf.install.${name}`, 'dcache_clean_inval_poc')).toEqual([pages, pages, pages]);
      expect(pick(phases['update_mappings'], `split.${name}`)).toEqual([pages]);
      expect(pick(phases['adjust_mappings'], `coalesce.${name}`)).toEqual([pages]);
    }
  });
});
