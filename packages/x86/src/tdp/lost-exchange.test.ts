/**
 * Exchanges that are lost: two vCPUs have read the same entry when the first of them changes it. Counts derived by hand; one vCPU of the fixture's layout,
 * doubled. Guest page tables are touched beforehand.
 */
import { ACCESS_DONE, AccessKind, type OptionValues } from '@mmulab/api';
import { TEST, TdpVm, tdpLayout } from '../fixtures/tdp-vm';

/** A VM of two vCPUs that have both walked the guest's tables of the first 2 MiB, by way of its last page. */
function pair(level: number, kernel: string, npages = 512, options: OptionValues = {}): TdpVm {
  const vm = new TdpVm({ ...tdpLayout(npages, level), vcpus: 2 }, kernel, options);
  vm.backend.enter(1);
  return vm;
}

/** Runs a vCPU's fault up to the stage named, which is not run. @returns whether it came there */
function upTo(vm: TdpVm, vcpu: number, name: string, vfn: number, kind: AccessKind): void {
  let stage = vm.backend.begin(vcpu, vfn, kind);
  while (vm.backend.stages[stage]?.name !== name) {
    if (stage === ACCESS_DONE) throw new Error(`vCPU ${vcpu} met no stage ${name}`);
    stage = vm.backend.advance(vcpu);
  }
}

function finish(vm: TdpVm, vcpu: number): void {
  while (vm.backend.advance(vcpu) !== ACCESS_DONE);
}

describe('two vCPUs that have read the same entry', () => {
  it('of a page that is not there: one installs it, the other loses its exchange and finds the page when it comes again', () => {
    const vm = pair(1, '6.12.117');
    vm.backend.touch(0, TEST + 511, AccessKind.Write);
    vm.since();
    for (const vcpu of [0, 1]) upTo(vm, vcpu, 'map', TEST, AccessKind.Write);
    for (const vcpu of [0, 1]) finish(vm, vcpu);
    expect(vm.since()).toMatchObject({ page_fault: 2, pf_taken: 2, pf_fixed: 1, 'spte.install.4k': 1 });
  });

  it('below a table that is not there: both have taken one, and the loser gives its own back', () => {
    const vm = pair(1, '5.17', 1024);
    vm.backend.touch(0, TEST + 1023, AccessKind.Write);
    // Up to 5.17 the host's unmapping takes the table along.
    vm.backend.host({ op: 'unmap', slot: 1, firstPage: 512, npages: 512 });
    vm.backend.enter(0);
    vm.backend.enter(1);
    vm.since();
    for (const vcpu of [0, 1]) upTo(vm, vcpu, 'map', TEST + 512, AccessKind.Write);
    for (const vcpu of [0, 1]) finish(vm, vcpu);
    expect(vm.since()).toMatchObject({ page_fault: 2, 'table.alloc': 2, 'table.free': 1, 'spte.install.table': 1, 'spte.install.4k': 1 });
  });

  // A spinlock: the second vCPU waits for the first, and finds the table linked when it walks.
  it('lose none on 5.10: one table is taken, and the later fault finds all as it wants it', () => {
    const vm = pair(1, '5.10.262', 1024);
    vm.backend.touch(0, TEST + 1023, AccessKind.Write);
    vm.backend.host({ op: 'unmap', slot: 1, firstPage: 512, npages: 512 });
    vm.backend.enter(0);
    vm.backend.enter(1);
    vm.since();
    for (const vcpu of [0, 1]) upTo(vm, vcpu, 'map', TEST + 512, AccessKind.Write);
    for (const vcpu of [0, 1]) finish(vm, vcpu);
    const counted = vm.since();
    expect(counted).toMatchObject({ page_fault: 2, 'table.alloc': 1, 'spte.install.table': 1, 'spte.install.4k': 1 });
    expect(counted).not.toHaveProperty(['table.free']);
    expect(vm.backend.stages.filter(({ lock }) => lock === 'write').map(({ name }) => name)).toEqual(['map']);
  });

  it('of a huge page to be split: the loser has filled a table for nothing, and its split counts as failed', () => {
    const vm = pair(2, '6.12.117', 512, { eager_page_split: 'N' });
    vm.backend.touch(0, TEST, AccessKind.Write);
    vm.backend.host({ op: 'set_dirty_log', slot: 1, on: true });
    vm.backend.enter(0);
    vm.backend.enter(1);
    vm.since();
    for (const vcpu of [0, 1]) upTo(vm, vcpu, 'map', TEST + vcpu, AccessKind.Write);
    for (const vcpu of [0, 1]) finish(vm, vcpu);
    // The loser comes again, finds small leaves, write-protected and MMU-writable, and gives its own W back without the lock.
    expect(vm.since()).toMatchObject({
      page_fault: 3,
      pf_fast: 1,
      'table.alloc': 2,
      'table.free': 1,
      'huge_split.2m': 2,
      'huge_split.failed': 1,
      'spte.split.2m': 1,
      'spte.update.4k': 1,
    });
  });
});
