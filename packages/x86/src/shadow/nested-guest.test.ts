/**
 * A nested guest behind an NPT12 of 1 GiB identity entries, over either L1 MMU, on huge host pages: what caching the guest's access bits buys.
 *
 * The records judge the same flows in full (x86-nested); here stand the differences that switches make.
 */
import { AccessKind, type GuestTables, type HostBacking, type MmuBackend, type OptionValues, type VmLayout } from '@mmulab/api';
import { TestCounters, hostOf, optionsOf } from '../fixtures/root-vm';
import { DATA, PLAIN_BACKING, layoutOf, windowedSpace } from '../fixtures/shadow-vm';
import { TdpBackend } from '../tdp/tdp-backend';
import { ShadowBackend } from './shadow-backend';

/** 2 MiB pages of the host, present and writable. */
const HUGE: HostBacking = {
  name: 'huge',
  doc: 'Huge pages, present and writable.',
  pageLevel: 2,
  hugetlb: true,
  states: [
    { name: 'none', present: false, writable: false, level: 2, thp: false },
    { name: 'huge', present: true, writable: true, level: 2, thp: false },
  ],
  populated: 1,
  faults: [0, 1, 2, 3].map(() => ({ ok: true, state: 1, spanLevel: 2, writable: true, notifications: [] })),
};

/** Frames of test memory: 4 MiB. */
const BASE = 2 ** 18;
const PAGES = 1024;
const RIGHTS = { writable: true, user: true, executable: true, accessed: true, dirty: true };
const NPT12: GuestTables = {
  name: 'npt12',
  levels: 4,
  root: 0x180,
  runs: [{ vfn: 0, gfn: 0, npages: 2 ** 27, level: 3, ...RIGHTS }],
  tables: [{ level: 3, first: 0, count: 1, gfn: 0x181 }],
};

function layout(): VmLayout {
  const small = windowedSpace(1);
  const test = { vfn: 0x800, gfn: BASE, npages: PAGES, level: 2, ...RIGHTS, user: false };
  const space = { ...small, runs: [...small.runs, test] };
  const slot = { id: 0, baseGfn: 0, npages: 1024, hvf: 2 ** 20, backing: PLAIN_BACKING, readonly: false, populated: [{ gfn: 0, npages: 1024 }] };
  const memory = { id: 1, baseGfn: BASE, npages: PAGES, hvf: 2 ** 21, backing: HUGE, readonly: false, populated: [] };
  return layoutOf(space, { memslots: [slot, memory], nested: NPT12 });
}

/** L2 running on a VM. */
class NestedVm {
  readonly counters = new TestCounters();
  readonly backend: MmuBackend;

  constructor(options: OptionValues = {}, kernel = '6.1.192') {
    const values = optionsOf(kernel, options);
    const Backend = values['tdp_mmu'] === 'Y' ? TdpBackend : ShadowBackend;
    this.backend = new Backend(values, hostOf(), this.counters);
    this.backend.create(layout());
    this.backend.enter(0);
    this.backend.touch(0, DATA, AccessKind.Exec);
    this.backend.control(0, { register: 'nested', value: 'vmrun' });
  }

  /** Faults of a pass over all test memory. */
  pass(kind: AccessKind): number {
    const before = this.counters.of('page_fault');
    this.backend.enter(0);
    this.backend.run(0, { vfn: 0x800, count: PAGES, stride: 1, kind, writeEvery: 0 });
    return this.counters.of('page_fault') - before;
  }

  log(on: boolean): void {
    this.backend.host({ op: 'set_dirty_log', slot: 1, on });
  }
}

describe('with NX huge pages, after a pass of writes and eager splitting', () => {
  it('executing takes no fault: the parts are executable again, because the guest’s rights were remembered', () => {
    const vm = new NestedVm({ nx_huge_pages: 'Y' });
    vm.pass(AccessKind.Write);
    vm.log(true);
    expect(vm.counters.of('huge_split.2m')).toBe(3);
    expect(vm.counters.of('huge_split.failed')).toBe(1);
    expect(vm.pass(AccessKind.Exec)).toBe(0);
  });

  it('takes 512 faults per 2 MiB without eager splitting', () => {
    const vm = new NestedVm({ nx_huge_pages: 'Y', eager_page_split: 'N' });
    vm.pass(AccessKind.Write);
    vm.log(true);
    expect(vm.pass(AccessKind.Exec)).toBe(PAGES);
  });
});

describe('eager splitting of the nested guest', () => {
  it('asks for one flush per split and one for the slot', () => {
    const vm = new NestedVm();
    vm.pass(AccessKind.Write);
    const before = vm.counters.of('remote_tlb_flush_requests');
    vm.log(true);
    expect(vm.counters.of('remote_tlb_flush_requests') - before).toBe(3);
    expect(vm.pass(AccessKind.Write)).toBe(PAGES);
  });

  it('saves the flush per split where a link flushes only when it must (mainline)', () => {
    const vm = new NestedVm({}, '6.13');
    vm.pass(AccessKind.Write);
    const before = vm.counters.of('remote_tlb_flush_requests');
    vm.log(true);
    expect(vm.counters.of('remote_tlb_flush_requests') - before).toBe(1);
  });

  it('is refused without cached access bits, with a message that says what to set', () => {
    expect(() => new NestedVm({ shadowed_access_cache: 'N' })).toThrow(/^OPTION_NESTED_SPLIT: .*eager_page_split=N/);
    expect(() => new NestedVm({ shadowed_access_cache: 'N', eager_page_split: 'N' })).not.toThrow();
  });

  it('does not exist over the legacy MMU: huge shadow pages are zapped on the first write', () => {
    const vm = new NestedVm({ tdp_mmu: 'N' });
    vm.pass(AccessKind.Write);
    vm.log(true);
    expect(vm.counters.of('huge_split.2m')).toBe(0);
    expect(vm.pass(AccessKind.Write)).toBe(PAGES);
  });
});

describe('the nested guest', () => {
  it('maps what its L1 maps with 1 GiB entries by huge pages of the host', () => {
    for (const tdp_mmu of ['Y', 'N']) {
      const vm = new NestedVm({ tdp_mmu });
      vm.pass(AccessKind.Write);
      expect(vm.counters.of('pages_2m')).toBe(2);
      expect(vm.pass(AccessKind.Read)).toBe(0);
    }
  });

  it('keeps its root over an exit to L1 and back', () => {
    const vm = new NestedVm();
    vm.pass(AccessKind.Write);
    const loads = vm.counters.of('mmu.load');
    vm.backend.control(0, { register: 'nested', value: 'vmexit' });
    vm.backend.control(0, { register: 'nested', value: 'vmrun' });
    expect(vm.counters.of('mmu.load')).toBe(loads);
    expect(vm.pass(AccessKind.Read)).toBe(0);
  });

  it('has its NPT12 write-protected in L1: a write there is emulated, and unlinks what the entry stood for', () => {
    const vm = new NestedVm();
    vm.pass(AccessKind.Write);
    vm.backend.control(0, { register: 'nested', value: 'vmexit' });
    const counts = (): number[] => ['pf_emulate', 'mmu_pte_write'].map(name => vm.counters.of(name));
    const before = counts();
    // L1 maps its table pages nowhere; without paging it reaches them by their frames.
    vm.backend.control(0, { register: 'cr0', bit: 'pg', value: 0 });
    vm.backend.touch(0, 0x181, AccessKind.Write);
    expect(counts().map((count, i) => count - (before[i] ?? 0))).toEqual([1, 1]);
    vm.backend.touch(0, 0x190, AccessKind.Write);
    expect(counts().map((count, i) => count - (before[i] ?? 0))).toEqual([1, 1]);
  });

  it('loses its mappings with those of L1 when the host takes pages away', () => {
    const vm = new NestedVm();
    vm.pass(AccessKind.Write);
    vm.backend.host({ op: 'unmap', slot: 1 });
    expect(vm.counters.of('pages_2m')).toBe(0);
    expect(vm.pass(AccessKind.Write)).toBe(2);
  });

  it('gives everything back when the VM goes', () => {
    const vm = new NestedVm();
    vm.pass(AccessKind.Write);
    vm.backend.host({ op: 'destroy_vm' });
    expect(['pages_4k', 'pages_2m', 'pages_1g'].map(name => vm.counters.of(name))).toEqual([0, 0, 0]);
    expect(vm.backend.memory().tableBytesReal).toBe(0);
  });

  it('cannot be had under shadow paging', () => {
    expect(() => new NestedVm({ npt: 'N', tdp_mmu: 'N' })).toThrow(/^GUEST_NESTED/);
  });
});
