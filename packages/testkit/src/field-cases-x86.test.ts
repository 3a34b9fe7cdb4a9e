/**
 * Questions users ask of the x86 backends, each with its right answer, derived by hand from the reference.
 */
import type { RunResult } from '@mmulab/api';
import { run } from '@mmulab/runner';

const plugins = ['@mmulab/workloads', '@mmulab/x86'];

/** One run of a command line. @param config further keys */
function only(command: string, config: Readonly<Record<string, unknown>> = {}): RunResult {
  const [result] = run({ workload: command, ...config }, { plugins, from: __dirname });
  if (result === undefined) throw new Error('no run');
  return result;
}

/** Counters of a phase. */
function counted(result: RunResult, phase: string): Readonly<Record<string, number>> {
  return result.phases.find(one => one.phase === phase)?.counters ?? {};
}

describe('why stopping dirty logging took minutes before 5.19', () => {
  const stop = (kernel: string, bytes: string): RunResult =>
    only('', {
      backend: { kernel },
      workload: {
        name: 'dirty_log_perf_test',
        options: { bytes, backing: 'anonymous_hugetlb_2mb', manual_protect: 'off', after_disable_access: true },
      },
    });

  it('5.17 zaps 1,024 leaves of 4 MiB with a flush request each, and the next pass replaces 2 empty tables', () => {
    const result = stop('5.17', '4M');
    expect(counted(result, 'disable_log')).toMatchObject({ 'spte.zap.4k': 1024, 'table.zap': 0, remote_tlb_flush_requests: 1024 });
    expect(counted(result, 'after_disable_access')).toMatchObject({ 'table.zap': 2, remote_tlb_flush_requests: 2, page_fault: 2 });
  });

  it('5.17 asks for 25,165,824 flushes of 96 GiB', () => {
    expect(counted(stop('5.17', '96G'), 'disable_log')).toMatchObject({ 'spte.zap.4k': 25_165_824, remote_tlb_flush_requests: 25_165_824 });
  });

  it('5.19 zaps the 2 tables of 4 MiB, with 2 requests', () => {
    expect(counted(stop('5.19', '4M'), 'disable_log')).toMatchObject({ 'table.zap': 2, remote_tlb_flush_requests: 2 });
  });
});

describe('a host on 5.15', () => {
  it.each([
    ['5.10', 0],
    ['5.14', 0],
    ['5.15', 1024],
    ['5.15.160', 1024],
    ['5.17', 1024],
  ])('on %s the first pass under dirty logging has %i lockless fixes', (kernel, fixes) => {
    const result = only('dirty_log_perf_test -g -b 4M', { backend: { kernel }, host: { vendor: 'amd' } });
    expect(counted(result, 'dirty_1')['pf_fast']).toBe(fixes);
  });
});

describe('tdp_mmu=0 in a modprobe file', () => {
  const command = 'access_rounds -b 4M -s anonymous_hugetlb_2mb -p w';
  const faults = (backend: Readonly<Record<string, unknown>>): readonly [number, number] => {
    const { phases, totals } = only(command, { backend });
    return [totals.counters['page_fault'] ?? NaN, phases.find(({ phase }) => phase === '1_w')?.counters['pages_2m'] ?? NaN];
  };

  it('is refused by x86-tdp with advice that keeps two-dimensional paging', () => {
    expect(() => only(command, { backend: { options: { tdp_mmu: 0 } } })).toThrow(
      /^OPTION_BACKEND_PAIR: .*--backend x86-shadow, and keep npt=Y, tdp_mmu=N/,
    );
  });

  it('on x86-shadow leaves npt on: 8 faults, 2 huge pages', () => {
    expect(faults({ name: 'x86-shadow', options: { tdp_mmu: 0 } })).toEqual([8, 2]);
    expect(faults({ name: 'x86-shadow', options: { 'kvm.tdp_mmu': 'N' } })).toEqual([8, 2]);
  });

  it('with nothing said, or npt off, is shadow paging as before: 1,028 faults', () => {
    for (const options of [{}, { npt: 'N', tdp_mmu: 'N' }, { 'kvm_intel.ept': 0 }])
      expect(faults({ name: 'x86-shadow', options })).toEqual([1028, 0]);
  });
});

describe('nx_huge_pages in the words of the module', () => {
  const command = 'execute_perf_test -b 2M -s anonymous_hugetlb_2mb';
  const splits = (value: unknown, host: Readonly<Record<string, unknown>> = {}): number | undefined =>
    counted(only(command, { backend: { options: { nx_huge_pages: value } }, host }), 'execute')['nx_lpage_splits'];

  it.each([
    ['force', {}, 1],
    ['Y', {}, 1],
    [1, {}, 1],
    ['1', {}, 1],
    ['off', {}, 0],
    ['never', {}, 0],
    ['N', {}, 0],
    [0, {}, 0],
    ['auto', {}, 1],
    ['auto', { itlb_multihit: 'N' }, 0],
    ['auto', { vendor: 'amd' }, 0],
  ])('%s on %j lists %i tables', (value, host, tables) => {
    expect(splits(value, host)).toBe(tables);
  });

  it('shows as Y or N in results where it means the same', () => {
    const shown = ['force', 'off', 'Y', 'N', 'auto'].map(value => only(command, { backend: { options: { 'kvm.nx_huge_pages': value } } }).config);
    expect(shown.map(config => (config as { backend: { options: Record<string, unknown> } }).backend.options['nx_huge_pages'])).toEqual([
      'Y',
      'N',
      'Y',
      'N',
      'auto',
    ]);
  });

  it.each(['kvm_intel.eptad', 'eptad', 'ad_bits'])('the host takes A and D bits as %s', name => {
    const { config } = only(command, { host: { [name]: 'N', 'kvm_intel.pml': 'N' } });
    expect(config).toMatchObject({ host: { ad_bits: 'N', pml: 'N' } });
  });
});

describe('dirty_log_perf_test -n', () => {
  const SHADOW = { name: 'x86-shadow', options: { npt: 'Y', tdp_mmu: 'N' } };
  const NESTED = '-b 8M -s anonymous_hugetlb_2mb';
  /** Rounds of the one, which records judge, and phases of the other that are the same work. */
  const ALIKE = { '2_D': 'enable_log', '3_w': 'dirty_1', '4_G': 'get_log_1', '5_w': 'dirty_2', '6_G': 'get_log_2', '7_U': 'disable_log' } as const;
  const machines: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['SVM on the TDP MMU', { backend: { kernel: '6.1.192' }, host: { vendor: 'amd' } }],
    ['VMX on the TDP MMU, without eager split', { backend: { kernel: '6.12.117', options: { eager_page_split: 'N' } } }],
    ['SVM on the legacy MMU', { backend: { ...SHADOW, kernel: '6.1.192' }, host: { vendor: 'amd' } }],
    ['VMX on the legacy MMU', { backend: { ...SHADOW, kernel: '6.12.117' } }],
  ];

  it.each(machines)('%s: counts in every phase after the first what nested_rounds counts', (_what, config) => {
    const rounds = only(`nested_rounds ${NESTED} -p w,D,w,G,w,G,U`, config);
    const test = only(`dirty_log_perf_test -n -g ${NESTED}`, config);
    // Pages of memslot 0 differ, and so do gauges of 4 KiB leaves; memory lies elsewhere, and L1's tables of it are walked.
    const without = ({ pages_4k: _, 'tables.walked': _walked, ...others }: Readonly<Record<string, number>>): Readonly<Record<string, number>> =>
      others;
    for (const [round, phase] of Object.entries(ALIKE)) expect(without(counted(test, phase))).toEqual(without(counted(rounds, round)));
    expect(counted(test, 'dirty_1')['page_fault']).toBe(2048);
  });

  it('has every vCPU enter L2 once, and all share L1’s second-stage tables: no shadow page more with four vCPUs than with one', () => {
    for (const vendor of ['amd', 'intel']) {
      const [one, four] = [1, 4].map(vcpus => only(`dirty_log_perf_test -n -v ${vcpus} -b 2M -s anonymous_hugetlb_2mb`, { host: { vendor } }));
      const populate = [one, four].map(result => counted(result ?? only(''), 'populate'));
      // Their stacks, and a few pages of each hypervisor; 2 MiB each, write-protected when the log starts.
      expect(populate.map(counts => counts['mmu.load'])).toEqual([2, 8]);
      expect(populate.map(counts => counts['pages_2m'])).toEqual([1, 4]);
      expect(populate.map(counts => counts['mmu_cache_miss'])).toEqual([6, 6]);
      // In its own phase each vCPU's L2 writes all its pages: the hardware logs none, each is a slow fault of its own.
      expect(counted(four ?? only(''), 'dirty_2')).toMatchObject({ page_fault: 2048, pf_fast: 0, 'pml.entry': 0 });
    }
  });

  it('keeps test memory below 2^48, where four levels of L1’s tables reach', () => {
    const result = only('dirty_log_perf_test -n -b 2M', { host: { vendor: 'intel', la57: 'Y' } });
    expect(counted(result, 'populate')['pages_4k']).toBeGreaterThan(512);
  });

  it('is refused where guests have no guests: on arm64, and under shadow paging', () => {
    const arm64 = (): unknown =>
      run({ workload: 'dirty_log_perf_test -n -b 2M', backend: 'arm64-stage2' }, { plugins: [...plugins, '@mmulab/arm64'], from: __dirname });
    expect(arm64).toThrow(/^WORKLOAD_NOT_ON_ARCH/);
    expect(() => only('dirty_log_perf_test -n -b 2M', { backend: { name: 'x86-shadow' } })).toThrow(/^GUEST_NESTED/);
  });
});
