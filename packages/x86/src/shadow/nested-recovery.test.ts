/**
 * What two MMUs over the same memory do to counts that belong to the VM: recovery of NX huge pages, and flushes when a log stops. L1 and L2 each map the two
 * blocks of test memory.
 */
import { AccessKind, type OptionValues } from '@mmulab/api';
import { NestedVm } from '../fixtures/nested-vm';

const { Exec, Read, Write } = AccessKind;

/** L1 executes both blocks, then L2: two tables listed in either MMU. */
function listed(options: OptionValues): NestedVm {
  const vm = new NestedVm({ nx_huge_pages: 'Y', nx_huge_pages_recovery_ratio: 1, ...options }, '6.13');
  vm.backend.control(0, { register: 'nested', value: 'vmexit' });
  vm.pass(Write);
  vm.pass(Exec);
  vm.backend.control(0, { register: 'nested', value: 'vmrun' });
  vm.pass(Exec);
  expect(vm.counters.of('nx_lpage_splits')).toBe(4);
  return vm;
}

/** A recovery pass. @returns tables zapped and flushes asked for */
function recover(vm: NestedVm): readonly [tables: number, requests: number] {
  const [tables, requests] = [vm.counters.of('table.zap'), vm.counters.of('remote_tlb_flush_requests')];
  vm.backend.host({ op: 'nx_recovery' });
  return [vm.counters.of('table.zap') - tables, vm.counters.of('remote_tlb_flush_requests') - requests];
}

describe('recovery with a nested guest', () => {
  // Counted per MMU: what the TDP MMU lost was charged to the shadow MMU, whose count of two newly listed tables is then none.
  it('counted per MMU asks for a flush per MMU, and leaves as many shadow tables as TDP tables were taken', () => {
    const vm = listed({ nx_recovery_per_mmu: 'Y' });
    expect(recover(vm)).toEqual([4, 2]);
    vm.pass(Exec);
    expect(vm.counters.of('nx_lpage_splits')).toBe(2);
    expect(recover(vm)).toEqual([0, 0]);
  });

  it('counted per VM asks for one, and takes them', () => {
    const vm = listed({ nx_recovery_per_mmu: 'N' });
    expect(recover(vm)).toEqual([4, 1]);
    vm.pass(Exec);
    expect(recover(vm)).toEqual([2, 1]);
  });

  // L1's two tables are taken and charged; then L2 lists one: one below zero. At ratio 1 that is as good as endless, at 4 it is rounded up past the last
  // bit, to nothing.
  it.each([
    [1, 1],
    [4, 0],
  ])('with a count of one below zero takes at ratio %i %i of the one table listed', (nx_huge_pages_recovery_ratio, tables) => {
    const vm = new NestedVm({ nx_huge_pages: 'Y', nx_recovery_per_mmu: 'Y', nx_huge_pages_recovery_ratio }, '6.13');
    vm.backend.control(0, { register: 'nested', value: 'vmexit' });
    vm.pass(Write);
    vm.pass(Exec);
    expect(recover(vm)[0] + recover(vm)[0]).toBe(2);
    vm.backend.control(0, { register: 'nested', value: 'vmrun' });
    vm.backend.enter(0);
    vm.backend.touch(0, 0x800, Exec);
    expect(vm.counters.of('nx_lpage_splits')).toBe(1);
    expect(recover(vm)[0]).toBe(tables);
  });
});

describe('stopping a log with a nested guest', () => {
  // From 6.13 on the TDP MMU recovers in place, with a flush at the end; the small leaves of the shadow MMU go, with another.
  it.each([
    ['6.13', 2],
    ['6.12.117', 3],
  ])('on %s asks for %i flushes when both had something to give up', (kernel, requests) => {
    const vm = new NestedVm({}, kernel);
    vm.backend.control(0, { register: 'nested', value: 'vmexit' });
    vm.pass(Write);
    vm.backend.control(0, { register: 'nested', value: 'vmrun' });
    vm.pass(Read);
    vm.log(true);
    const before = vm.counters.of('remote_tlb_flush_requests');
    vm.log(false);
    expect(vm.counters.of('remote_tlb_flush_requests') - before).toBe(requests);
  });
});
