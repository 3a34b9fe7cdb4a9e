/**
 * Counters of work on whole runs: what host operations went over, what guest programs did; the same over several seeds; and one vCPU for all.
 */
import type { BackendDefinition, EventDef, PhaseResult, RunResult } from '@mmulab/api';
import { Registry, resolveRuns, runResolved, type RawConfig } from '@mmulab/runner';
import { join } from 'node:path';

const registry = Registry.load(['x86', 'arm64', 'workloads'].map(name => join(__dirname, '../..', name)));

function run(config: RawConfig): RunResult {
  const [resolved] = resolveRuns(config, registry);
  if (resolved === undefined) throw new Error('no run');
  return runResolved(resolved, registry);
}

function counted(result: RunResult, phase: string, names: readonly string[]): readonly (number | undefined)[] {
  const found = result.phases.find(one => one.phase === phase) as PhaseResult;
  return names.map(name => found.counters[name]);
}

describe('counters of work', () => {
  it('are 32 of every backend, in one order', () => {
    const workOf = ({ events }: BackendDefinition): readonly EventDef[] => events.filter(({ group }) => group === 'work');
    const [first = [], ...others] = registry.backends().map(workOf);
    expect([first.length, others]).toEqual([32, [first, first]]);
  });

  it.each([
    // 8 MiB: 2,048 pages in 32 words. Blocks are split as their words are cleared: each is met by a word, and its 512 pages by their bits.
    { backend: 'x86-tdp', kernel: '6.1.192', phase: 'clear_log_1', words: 32, bits: 2048, visited: 2052, changed: 2052, read: 0, write: 1 },
    // The legacy MMU finds the same leaves without tables.
    { backend: 'x86-shadow', kernel: '6.1.192', phase: 'clear_log_1', words: 32, bits: 2048, visited: 2048, changed: 2048, read: 0, write: 1 },
    // arm64 protects by words: each meets the block until it is split by the first write.
    { backend: 'arm64-stage2', kernel: '6.12.117', phase: 'clear_log_1', words: 32, bits: 2048, visited: 32, changed: 4, read: 0, write: 1 },
  ])(
    'of $phase on $backend: $words words, $bits bits, $visited leaves, $changed changed',
    ({ backend, kernel, phase, words, bits, visited, changed, read, write }) => {
      const result = run({ backend: { name: backend, kernel }, workload: 'dirty_log_perf_test -v 2 -b 4M -s anonymous_hugetlb_2mb -i 2' });
      const names = ['dirty_log.words', 'dirty_log.bits', 'leaves.visited', 'leaves.changed', 'mmu_lock.read', 'mmu_lock.write', 'host_call'];
      expect(counted(result, phase, names)).toEqual([words, bits, visited, changed, read, write, 1]);
      const sizes = [
        'host_call.bytes.min',
        'host_call.bytes.max',
        'host_call.words.min',
        'host_call.words.max',
        'host_call.leaves.min',
        'host_call.leaves.max',
      ];
      expect(counted(result, phase, sizes)).toEqual([2 ** 23, 2 ** 23, words, words, visited, visited]);
      // arm64 guests write a page to leave to user space.
      expect(counted(result, 'dirty_1', ['guest_access.write', 'guest_access.pages'])).toEqual(
        backend === 'arm64-stage2' ? [2050, 2050] : [2048, 2048],
      );
    },
  );

  it('of faults: a read of 2 MiB maps the huge zero page, a write splits it and copies a page, with two pairs of notifier calls', () => {
    const result = run({ backend: { name: 'x86-tdp', kernel: '6.1.192' }, workload: 'access_rounds -v 1 -b 2M -s anonymous_thp -p r,w512' });
    const names = ['host_page.map_shared', 'host_page.split_zero', 'host_page.copy', 'host_page.clear', 'notifier.invalidate', 'mmu_lock.read'];
    // Two pages of the guest's tables fault before the first read; the first fault of the write is in vain, since it calls the notifier.
    expect([counted(result, '1_r', names), counted(result, '2_w512', names)]).toEqual([
      [1, 0, 0, 0, 0, 3],
      [0, 1, 1, 0, 2, 2],
    ]);
  });
});

describe('several seeds', () => {
  const config: RawConfig = { backend: { name: 'arm64-stage2', kernel: '6.1.192' }, workload: 'kvm_page_table_test -v 2 -b 2M -s anonymous' };

  it('give the counters of the first, and least, most and mean of all', () => {
    const alone = [1, 2, 3].map(seed => run({ ...config, seed }));
    const together = run({ ...config, seeds: 3 });
    const aborts = alone.map(result => result.phases.map(({ counters }) => counters['guest_abort'] ?? 0));
    expect(together.phases.map(({ counters }) => counters)).toEqual(alone[0]?.phases.map(({ counters }) => counters));
    for (const [at, { spread = {} }] of together.phases.entries()) {
      const values = aborts.map(phases => phases[at] ?? 0);
      const isSame = values.every(value => value === values[0]);
      const mean = values.reduce((sum, value) => sum + value, 0) / 3;
      expect(spread['guest_abort']).toEqual(isSame ? undefined : { mean, min: Math.min(...values), max: Math.max(...values) });
    }
    expect(together.notes.at(-1)).toMatch(/^Run with 3 seeds, 1 to 3: counters are those of the first; in /);
  });
});

describe('one vCPU for all', () => {
  const both = (config: RawConfig): readonly [RunResult, RunResult] => [run(config), run({ ...config, representative: 'Y' })];
  const shown = ({ phases, totals, memory }: RunResult): unknown => ({ phases, totals, tables: memory.tableBytesReal });

  it.each<RawConfig & { readonly backend: { readonly name: string }; readonly workload: string }>([
    { backend: { name: 'x86-tdp', kernel: '6.1.192' }, workload: 'dirty_log_perf_test -v 5 -b 8M -s anonymous_hugetlb_2mb -f 20 -g' },
    { backend: { name: 'x86-tdp' }, workload: 'dirty_log_perf_test -v 6 -b 4M -s anonymous -x 3' },
    { backend: { name: 'x86-shadow', kernel: '6.1.192' }, workload: 'execute_perf_test -v 5 -b 4M -s anonymous_hugetlb_2mb' },
    { backend: { name: 'arm64-stage2' }, workload: 'dirty_log_perf_test -v 5 -b 4M -s anonymous -i 2 -f 3' },
  ])('counts what all do: $backend.name $workload', config => {
    const [full, one] = both(config);
    expect(shown(one)).toEqual(shown(full));
    expect(one.notes.at(-1)).toMatch(/^Counted from one vCPU for all \d/);
  });

  it('is refused where memory is shared, and says so', () => {
    const [full, one] = both({ backend: { name: 'x86-tdp' }, workload: 'dirty_log_perf_test -v 4 -b 1M -o' });
    expect([shown(one), one.notes.at(-1)]).toEqual([shown(full), 'representative=Y has no effect here: shared memory.']);
  });
});
