/**
 * A nested guest behind an NPT12 of 1 GiB identity entries, over either L1 MMU, on huge host pages: what caching the guest's access bits buys.
 *
 * The records judge the same flows in full (x86-nested); here stand the differences that switches make.
 */
import { AccessKind, type OptionValues } from '@mmulab/api';
import { NESTED_PAGES as PAGES, NestedVm } from '../fixtures/nested-vm';

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

describe('on VMX without A and D bits', () => {
  const HOST = { vendor: 'intel', ad_bits: 'N' };
  const counts = (vm: NestedVm, names: readonly string[]): number[] => names.map(name => vm.counters.of(name));

  // Per group of eight: one fault maps its page and seven more, access-tracked; each of the seven still faults. 64 groups per 2 MiB.
  it.each([['Y'], ['N']])('tdp_mmu=%s: prefetch maps pages that each still fault: 512 faults and 960 entries per 2 MiB', tdp_mmu => {
    const vm = new NestedVm({ nx_huge_pages: 'Y', tdp_mmu }, '6.1.192', HOST);
    vm.pass(AccessKind.Write);
    const before = vm.counters.of('shadow.set_spte');
    expect(vm.pass(AccessKind.Exec)).toBe(PAGES);
    expect(vm.counters.of('shadow.set_spte') - before).toBe(2 * (512 + 64 * 7));
    expect(vm.pass(AccessKind.Exec)).toBe(0);
  });

  it('with A and D bits the same pass takes 64 faults per 2 MiB', () => {
    const vm = new NestedVm({ nx_huge_pages: 'Y' }, '6.1.192', { vendor: 'intel' });
    vm.pass(AccessKind.Write);
    expect(vm.pass(AccessKind.Exec)).toBe(2 * 64);
  });

  // Only the data is written: what the hardware does to its guest's tables are reads.
  it.each([['Y'], ['N']])('tdp_mmu=%s: walks of guest tables are no writes', tdp_mmu => {
    const writes = (host: OptionValues): readonly number[] => {
      const vm = new NestedVm({ tdp_mmu }, '6.1.192', host);
      const before = counts(vm, ['page_fault.write', 'page_fault.guest_table']);
      vm.pass(AccessKind.Write);
      return counts(vm, ['page_fault.write', 'page_fault.guest_table']).map((count, i) => count - (before[i] ?? 0));
    };
    // Tables prefetched without A bits fault each; with them one fault brings all three.
    expect(writes(HOST)).toEqual([2, 3]);
    expect(writes({ vendor: 'intel' })).toEqual([2 + 1, 1]);
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

describe.each([
  ['the TDP MMU', {}],
  ['the legacy MMU', { tdp_mmu: 'N' }],
])('aging below a nested guest on %s', (_name, options) => {
  it('answers with the 2 huge leaves it found young, once', () => {
    const vm = new NestedVm(options);
    const age = (): number | undefined => {
      let young: number | undefined;
      vm.backend.host({ op: 'age', slot: 1, pageByPage: true, flush: true }, { young: leaves => (young = leaves) });
      return young;
    };
    vm.pass(AccessKind.Write);
    expect([age(), age()]).toEqual([2, 0]);
    vm.pass(AccessKind.Read);
    expect(age()).toBe(2);
  });
});
