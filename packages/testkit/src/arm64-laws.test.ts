/**
 * The laws that every run on arm64 keeps, however vCPUs race (counters of the test memslot; numbers as in the reference of measured counts), over kernels,
 * backings, CPUs and seeds; and what the races come to: before 5.14 every fault cleans, after it every leaf, from 6.2 on losers fault again and again.
 */
import type { PhaseResult, RunResult } from '@mmulab/api';
import { run } from '@mmulab/runner';

const plugins = ['@mmulab/workloads', '@mmulab/arm64'];
const KERNELS = ['5.10.223', '5.13', '5.14', '6.1.176', '6.2', '6.5', '6.12.107'];
const SIZES = ['4k', '2m', '1g'];

type Counts = Readonly<Record<string, number>>;

function runTest(kernel: string, command: string, seed = 1, host: Readonly<Record<string, string>> = {}): RunResult {
  const [result] = run({ backend: { name: 'arm64-stage2', kernel }, host, workload: command, seed }, { plugins, from: __dirname });
  if (result === undefined) throw new Error('no result');
  return result;
}

function slotOf(phase: PhaseResult | undefined): Counts {
  return phase?.slots?.['1']?.counters ?? {};
}

function phaseOf(result: RunResult, name: string): Counts {
  return slotOf(result.phases.find(phase => phase.phase === name));
}

function of(counts: Counts, ...names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (counts[name] ?? 0), 0);
}

const sized = (prefix: string, sizes = SIZES): readonly string[] => sizes.map(size => `${prefix}.${size}`);

/** Names of laws that a phase breaks. */
function brokenLaws(counts: Counts, before: boolean, fwb: boolean): readonly string[] {
  const returnedZero = of(counts, 'stage2.map') - of(counts, 'stage2.map.eagain');
  const relaxed = of(counts, 'stage2.relax_perms') - of(counts, 'stage2.relax_perms.eagain');
  const split = of(counts, ...sized('split', ['2m', '1g']));
  const coalesced = of(counts, ...sized('coalesce', ['2m', '1g']));
  const cleans = of(counts, 'dcache_clean_inval_poc');
  const unmapped = of(counts, 'dcache_clean_inval_poc.unmap');
  const handled = of(counts, 'stage2.map', 'stage2.relax_perms', 'guest_abort.dropped', 'stage2.mkyoung');
  const laws: Readonly<Record<string, boolean>> = {
    '1: every abort maps, relaxes or is dropped': of(counts, 'guest_abort') === handled,
    '2: a map call that returns 0 leaves one leaf': returnedZero === of(counts, ...sized('leaf.install'), 'leaf.same', 'leaf.replace') + coalesced,
    '3: before, one clean per translation fault under the lock': !before || fwb || cleans === of(counts, 'stage2.map.on_translation'),
    '4: after, one clean per leaf': before || fwb || cleans === returnedZero,
    '5 and 6: by-IPA invalidations are those of relaxing, breaking and unmapping':
      of(counts, 'tlbi.ipa') >= relaxed + of(counts, 'leaf.replace') + split + (fwb ? 0 : unmapped),
    '7: one flush of the VMID or range per table that becomes a block': of(counts, 'tlbi.vmid', 'tlbi.range') >= coalesced,
    '9: no data-cache maintenance with FWB': !fwb || cleans + unmapped === 0,
    'a table page is freed at most once': of(counts, 'mm_ops.zalloc_page') === of(counts, 'table.alloc'),
  };
  return Object.entries(laws).flatMap(([law, holds]) => (holds ? [] : [law]));
}

function checkRun(result: RunResult, before: boolean, fwb: boolean): void {
  for (const phase of result.phases.filter(candidate => candidate.phase.endsWith('_mappings'))) {
    expect([phase.phase, ...brokenLaws(slotOf(phase), before, fwb)]).toEqual([phase.phase]);
  }
}

describe('the laws of measured counts', () => {
  it.each(KERNELS)('hold on %s for every backing, 2 and 5 vCPUs, three seeds', kernel => {
    for (const [backing, size] of [
      ['anonymous', '1M'],
      ['anonymous_thp', '4M'],
      ['anonymous_hugetlb_2mb', '4M'],
      ['shmem', '1M'],
    ] as const) {
      for (const vcpus of [2, 5]) {
        for (const seed of [1, 2, 3]) {
          checkRun(runTest(kernel, `kvm_page_table_test -s ${backing} -b ${size} -v ${vcpus}`, seed), kernel < '5.14', false);
        }
      }
    }
  });

  it('hold with FWB and range invalidation', () => {
    for (const kernel of KERNELS)
      checkRun(runTest(kernel, 'kvm_page_table_test -s anonymous_hugetlb_2mb -b 4M -v 3', 1, { cpu: 'max' }), kernel < '5.14', true);
  });

  it('hold with vCPUs in turns', () => {
    for (const kernel of KERNELS)
      checkRun(runTest(kernel, 'kvm_page_table_test -s anonymous_thp -b 4M -v 5', 1, { vcpu_scheduling: 'sliced' }), kernel < '5.14', false);
  });

  it('5: rights are relaxed with one invalidation each, local from 6.5 on, one for a lost race too in 6.12', () => {
    for (const kernel of KERNELS) {
      const counts = phaseOf(runTest(kernel, 'kvm_page_table_test -s shmem -b 2M -v 4'), 'update_mappings');
      const relaxed = of(counts, 'stage2.relax_perms') - (kernel === '6.12.107' ? 0 : of(counts, 'stage2.relax_perms.eagain'));
      expect(of(counts, 'tlbi.ipa')).toBe(relaxed);
      expect(of(counts, 'tlbi.ipa_local')).toBe(kernel === '6.5' || kernel === '6.12.107' ? relaxed : 0);
    }
  });

  it('same seed, same counts; another seed, other races', () => {
    const command = 'kvm_page_table_test -s anonymous_hugetlb_2mb -b 4M -v 4';
    const counts = (seed: number): unknown => runTest('6.12.107', command, seed).phases.map(phase => phase.counters);
    expect(counts(7)).toEqual(counts(7));
    expect(counts(8)).not.toEqual(counts(7));
  });
});

describe('several vCPUs on the same memory', () => {
  const command = 'kvm_page_table_test -s anonymous_hugetlb_2mb -b 8M -v 4';
  const [before, after, parallel] = ['5.13', '5.14', '6.12.107'].map(kernel => runTest(kernel, command));

  it('before: cleans grow towards V per leaf', () => {
    expect(of(phaseOf(before, 'update_mappings'), 'dcache_clean_inval_poc')).toBeGreaterThan(3 * 4 * 256);
    expect(of(phaseOf(before, 'adjust_mappings'), 'dcache_clean_inval_poc')).toBeGreaterThan(8);
  });

  it('after: cleans equal leaves, 4 blocks, 257 pages per block, 4 blocks', () => {
    for (const result of [after, parallel] as RunResult[]) {
      expect(['create', 'update', 'adjust'].map(stage => of(phaseOf(result, `${stage}_mappings`), 'dcache_clean_inval_poc'))).toEqual([
        4,
        4 * 257,
        4,
      ]);
    }
  });

  it('6.2 and later: losers fault again while the winner holds the entry, and give back the tables they took', () => {
    expect(of(phaseOf(parallel, 'create_mappings'), 'guest_abort')).toBeGreaterThan(10 * of(phaseOf(after, 'create_mappings'), 'guest_abort'));
    const update = phaseOf(parallel, 'update_mappings');
    expect(of(update, 'table.alloc') - of(update, 'table.free')).toBe(4);
    expect(of(update, 'table.alloc')).toBeGreaterThan(4);
  });
});

describe('vCPUs in turns, 4 of them on 4 blocks', () => {
  const faults = (kernel: string, scheduling: string): number =>
    of(
      phaseOf(runTest(kernel, 'kvm_page_table_test -s anonymous_hugetlb_2mb -b 8M -v 4', 1, { vcpu_scheduling: scheduling }), 'update_mappings'),
      'guest_abort',
    );

  it('6.1: one fault per page and one more per slice, where 4 vCPUs side by side take 4', () => {
    const LEAVES = 4 * 257;
    expect(faults('6.1.176', 'sliced')).toBeLessThan(1.03 * LEAVES);
    expect(faults('6.1.176', 'parallel')).toBeGreaterThan(3.6 * LEAVES);
  });

  it('5.10: the spinlock goes round, one fault each', () => {
    expect(faults('5.10.223', 'sliced')).toBeGreaterThan(3.6 * 4 * 257);
  });
});

describe('races by the seed', () => {
  it('come to the same within 5 % for 20 vCPUs that create 128 MiB of small pages, at twice V faults per page and more', () => {
    const perPage = [1, 4].map(
      seed => of(phaseOf(runTest('5.14', 'kvm_page_table_test -s anonymous -b 128M -v 20', seed), 'create_mappings'), 'guest_abort') / 2 ** 15,
    );
    expect(Math.max(...perPage) / Math.min(...perPage)).toBeLessThan(1.05);
    expect(Math.min(...perPage)).toBeGreaterThan(40);
  });

  it('clean two to three times as much before 5.14 as after, where 40 vCPUs create transparent huge pages', () => {
    const cleaned = ['5.13', '5.14'].map(kernel => {
      const counts = phaseOf(runTest(kernel, 'kvm_page_table_test -s anonymous_thp -b 512M -v 40'), 'create_mappings');
      return of(counts, 'dcache_clean_inval_poc.bytes', 'dcache_clean_inval_poc.unmap.bytes');
    });
    expect((cleaned[0] ?? 0) / (cleaned[1] ?? 1)).toBeGreaterThan(2);
    expect((cleaned[0] ?? 0) / (cleaned[1] ?? 1)).toBeLessThan(3.5);
  });
});

describe('rounds of shared memory', () => {
  it('40 vCPUs over 4 GiB of 1 GiB blocks: V cleans of every byte before, one after', () => {
    const command = 'kvm_page_table_test -s anonymous_hugetlb_1gb -b 4G -v 40';
    const bytes = (kernel: string): readonly number[] => {
      const result = runTest(kernel, command);
      checkRun(result, kernel < '5.14', false);
      return ['create', 'adjust'].map(stage => of(phaseOf(result, `${stage}_mappings`), 'dcache_clean_inval_poc.bytes') / 2 ** 30);
    };
    expect(bytes('5.13')).toEqual([160, 160]);
    expect(bytes('5.14')).toEqual([4, 4]);
  });

  it('80 vCPUs over 64 MiB in pages: the laws hold, and nobody cleans in the update stage', () => {
    for (const kernel of ['5.13', '5.14']) {
      const result = runTest(kernel, 'kvm_page_table_test -s anonymous -b 64M -v 80');
      checkRun(result, kernel < '5.14', false);
      expect(of(phaseOf(result, 'update_mappings'), 'dcache_clean_inval_poc')).toBe(0);
      expect(of(phaseOf(result, 'update_mappings'), 'dirty_bitmap.set')).toBe(2 ** 14);
    }
  });
});
