import type { WorkloadPlan } from '@mmulab/api';
import { AccessTracking, accessTrackingDefinition } from './access-tracking';
import { DemandPaging, demandPagingDefinition } from './demand-paging';
import { ExecutePerf, executePerfDefinition } from './execute-perf';
import { codeOf } from './fixtures/code-of';
import { NaiveVm, phaseOf } from './fixtures/naive-vm';
import { AMD, INTEL, planOf } from './fixtures/plan-of';

const execute = { definition: executePerfDefinition, implementation: ExecutePerf };
const tracking = { definition: accessTrackingDefinition, implementation: AccessTracking };
const paging = { definition: demandPagingDefinition, implementation: DemandPaging };

/** Reads, writes and fetches of a phase, start-up included. */
function touches(plan: WorkloadPlan, name: string): number[] {
  const vm = new NaiveVm(plan.vm);
  vm.runPhase(phaseOf(plan, name));
  return vm.touches;
}

describe('execute_perf_test', () => {
  it('populates as dirty_log_perf_test does and then fetches from every page once', () => {
    const plan = planOf(execute, '-v 2 -b 16M -s anonymous_hugetlb_2mb', AMD);
    expect(plan.phases.map(({ name }) => name)).toEqual(['populate', 'execute', 'destroy_vm']);
    const vm = new NaiveVm(plan.vm);
    expect(vm.runPhase(phaseOf(plan, 'populate')).page_fault).toBe(43);
    expect(vm.runPhase(phaseOf(plan, 'execute')).page_fault).toBe(0);
    expect(vm.touches).toEqual([0, 0, 8192]);
  });
});

describe('access_tracking_perf_test', () => {
  const plan = planOf(tracking, '-v 2 -b 4M');

  it('has a phase per line it prints', () => {
    expect(plan.phases.map(({ name }) => name)).toEqual([
      'populating_memory',
      'writing_to_populated_memory',
      'reading_from_populated_memory',
      'mark_memory_idle_1',
      'writing_to_idle_memory',
      'mark_memory_idle_2',
      'reading_from_idle_memory',
      'destroy_vm',
    ]);
  });

  it('reads all pages but the first of each part in 6.1, all in 6.12', () => {
    expect(touches(plan, 'reading_from_idle_memory')).toEqual([2046, 2, 0]);
    const newer = planOf(tracking, '-v 2 -b 4M', INTEL, { selftest: '6.12' });
    expect(touches(newer, 'reading_from_idle_memory')).toEqual([2048, 0, 0]);
    expect(touches(newer, 'writing_to_idle_memory')).toEqual([0, 2048, 0]);
  });

  it('marks each part idle page by page without a flush, with -o all of it once', () => {
    const op = { op: 'age', slot: 1, pageByPage: true, flush: false };
    expect(phaseOf(plan, 'mark_memory_idle_2')?.steps).toEqual(
      [0, 1024].map(firstPage => ({ kind: 'host', op: { ...op, firstPage, npages: 1024 } })),
    );
    const overlap = planOf(tracking, '-v 2 -b 4M -o');
    expect(phaseOf(overlap, 'mark_memory_idle_1')?.steps).toEqual([{ kind: 'host', op: { ...op, firstPage: 0, npages: 2048 } }]);
  });
});

describe('demand_paging_test', () => {
  it('writes every page once', () => {
    const plan = planOf(paging, '-v 2 -b 4M -u MISSING');
    expect(plan.phases.map(({ name }) => name)).toEqual(['guest_execution', 'destroy_vm']);
    expect(touches(plan, 'guest_execution')).toEqual([2, 2048 + 2, 4]);
  });

  it('pins to one CPU per vCPU, or one more for the main thread', () => {
    const pinned =
      (cpus: string): (() => unknown) =>
      () =>
        planOf(paging, `-v 4 -b 4M -c ${cpus}`);
    expect(['1,2', '1,2,3', '1,2,3,4,5,6'].map(cpus => codeOf(pinned(cpus)))).toEqual(Array(3).fill('WORKLOAD_OPTION_CONFLICT'));
    expect(pinned('1,2,3,4')).not.toThrow();
    expect(pinned('1,2,3,4,5')).not.toThrow();
  });

  it('has minor faults of shared memory only', () => {
    expect(codeOf(() => planOf(paging, '-u MINOR'))).toBe('WORKLOAD_OPTION_CONFLICT');
    expect(() => planOf(paging, '-u MINOR -s shmem')).not.toThrow();
  });

  it('asks for memory that a userfaultfd watches with -u MISSING alone', () => {
    const usesOf = (command: string): unknown => {
      const uses: unknown[] = [];
      planOf(paging, command, INTEL, {}, { onBacking: (_name, use) => uses.push(use ?? {}) });
      return uses[0];
    };
    expect(usesOf('-u MISSING -s anonymous_thp')).toEqual({ userfaultfd: 'missing' });
    expect([usesOf('-s anonymous_thp'), usesOf('-u MINOR -s shmem')]).toEqual([{}, {}]);
  });
});
