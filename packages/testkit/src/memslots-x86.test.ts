/**
 * Memslots, nx_huge_pages and pre-faulting on the x86 MMUs while the guest runs. Derived by hand from the reference; that deleting a slot takes everything along, and only
 * its leaves without the quirk, was measured.
 */
import type { RunResult } from '@mmulab/api';
import { run } from '@mmulab/runner';
import { Touched } from './fixtures/touched-vm';

const plugins = ['@mmulab/workloads', '@mmulab/x86'];
const LEGACY = { tdp_mmu: 'N', npt: 'Y' };

function rounds(args: string, name: string, kernel: string, options: Readonly<Record<string, string>> = {}, host = {}): RunResult {
  const [result] = run({ workload: args, backend: { name, kernel, options }, host }, { plugins, from: __dirname });
  if (result === undefined) throw new Error('no run');
  return result;
}

const counted = (result: RunResult, phase: string): Readonly<Record<string, number>> =>
  result.phases.find(one => one.phase === phase)?.counters ?? {};

describe('an unrelated memslot of a VM with 64 MiB in 2 MiB pages is deleted', () => {
  const command = 'access_rounds -b 64M -s anonymous_hugetlb_2mb -p w,Oa,Od,w';

  it('6.1: every mapping is gone, and the next pass faults 32 blocks, 33 table pages of the test memory and 2 of slot 0 again', () => {
    const result = rounds(command, 'x86-tdp', '6.1');
    expect(counted(result, '2_Oa')).toMatchObject({ 'spte.zap.2m': 0, 'table.zap': 0 });
    expect(counted(result, '3_Od')).toMatchObject({
      'spte.zap.2m': 32,
      'spte.zap.4k': 42,
      'table.zap': 5,
      remote_tlb_flush_requests: 0,
      pages_2m: 0,
    });
    expect(counted(result, '4_w')).toMatchObject({
      page_fault: 67,
      'page_fault.guest_table': 35,
      'spte.install.2m': 32,
      'spte.install.4k': 35,
      'table.alloc': 6,
      'mmu.load': 1,
    });
  });

  it('6.12 with KVM_X86_QUIRK_SLOT_ZAP_ALL off: nothing is gone', () => {
    const result = rounds(command, 'x86-tdp', '6.12.117', { slot_zap_all: 'N' });
    expect(counted(result, '3_Od')).toMatchObject({ 'spte.zap.2m': 0, 'table.zap': 0, pages_2m: 32 });
    expect(counted(result, '4_w')).toMatchObject({ page_fault: 0, 'mmu.load': 0 });
  });

  it('the legacy MMU zaps its pages for 1 flush, and with the quirk off none', () => {
    expect(counted(rounds(command, 'x86-shadow', '6.12.117', LEGACY), '3_Od')).toMatchObject({ remote_tlb_flush_requests: 1, pages_2m: 0 });
    const off = rounds(command, 'x86-shadow', '6.12.117', { ...LEGACY, slot_zap_all: 'N' });
    expect(counted(off, '3_Od')).toMatchObject({ remote_tlb_flush_requests: 0, pages_2m: 32, 'table.zap': 0 });
  });
});

describe('the memslot of the test memory is deleted with the quirk off', () => {
  it.each([
    ['x86-tdp', {}, 2],
    ['x86-shadow', LEGACY, 2],
  ])('on %s %j its %i blocks go for 1 flush; tables and roots stay, and it comes back by as many faults', (name, options, blocks) => {
    const result = rounds('access_rounds -b 4M -s anonymous_hugetlb_2mb -p w,Sd,Sa,w', name, '6.12.117', { ...options, slot_zap_all: 'N' });
    expect(counted(result, '2_Sd')).toMatchObject({ remote_tlb_flush_requests: 1, pages_2m: 0, 'table.zap': 0 });
    expect(counted(result, '4_w')).toMatchObject({ page_fault: blocks, 'table.alloc': 0, 'mmu.load': 0, pages_2m: blocks });
  });

  it('shadow paging keeps the pages of tables that lie elsewhere; with slot 0 those of the 4 tables above 2 MiB go, the root among them, for 1 flush', () => {
    const kernel = '6.12.117';
    const options = { npt: 'N', slot_zap_all: 'N' };
    const vm = new Touched({ backend: 'x86-shadow', kernel, options, faults: 'page_fault', flushes: '' }, 'anonymous', 512);
    const zapped = (slot: number): unknown => {
      const before = ['mmu_shadow_zapped', 'remote_tlb_flush_requests'].map(name => vm.counters.of(name));
      vm.backend.host({ op: 'delete_memslot', slot });
      return ['mmu_shadow_zapped', 'remote_tlb_flush_requests'].map((name, i) => vm.counters.of(name) - (before[i] ?? 0));
    };
    expect([zapped(1), zapped(0)]).toEqual([
      [0, 1],
      [4, 1],
    ]);
  });
});

describe('a frame without a memslot', () => {
  it.each([
    ['x86-tdp', {}],
    ['x86-shadow', {}],
    ['x86-shadow', LEGACY],
  ])('is known after 1 fault, until memslots change: then it faults again (%s %j)', (name, options) => {
    const result = rounds('access_rounds -b 4M -p w,Sd,r64,r64,Oa,r64,r64,Sa,r64', name, '6.12.117', options);
    expect(counted(result, '3_r64')['pf_mmio_spte_created']).toBe(16);
    expect(counted(result, '4_r64')).toMatchObject({ pf_taken: 0, exit: 16 });
    expect(counted(result, '6_r64')['pf_mmio_spte_created']).toBe(16);
    expect(counted(result, '7_r64')).toMatchObject({ pf_taken: 0, exit: 16 });
    expect(counted(result, '9_r64')).toMatchObject({ pf_mmio_spte_created: 0, pf_emulate: 0 });
    expect(counted(result, '9_r64')['pages_4k']).toBeGreaterThanOrEqual(16);
  });
});

describe('KVM_PRE_FAULT_MEMORY', () => {
  it('maps 2 blocks the host has, writable and not accessed, without a statistic; aging finds none young, and passes take 0 faults', () => {
    const result = rounds('access_rounds -b 4M -H -s anonymous_hugetlb_2mb -p P,Af,w', 'x86-tdp', '6.12.117');
    expect(counted(result, '1_P')).toMatchObject({ pf_fixed: 0, pf_taken: 0, page_fault: 0, exit: 0, 'spte.install.2m': 2, 'table.alloc': 2 });
    expect(counted(result, '2_Af')).toMatchObject({ remote_tlb_flush_requests: 0 });
    expect(counted(result, '3_w')).toMatchObject({ page_fault: 3, 'page_fault.guest_table': 3 });
  });

  it('reads untouched memory as a read does: the zero page, so that each write still copies it', () => {
    const result = rounds('access_rounds -b 1M -p P,w', 'x86-tdp', '6.12.117');
    expect(counted(result, '1_P')).toMatchObject({ pf_fixed: 0, 'spte.install.4k': 256 });
    expect(counted(result, '2_w')).toMatchObject({ 'page_fault.present': 256, remote_tlb_flush_requests: 256 });
  });

  it('takes A and D off 512 pages that are mapped already on 6.12, and leaves them alone from 6.13 on', () => {
    const again = (kernel: string): unknown => {
      return counted(rounds('access_rounds -b 2M -p w,P', 'x86-tdp', kernel, {}, { vendor: 'amd' }), '2_P')['spte.update.4k'];
    };
    expect([again('6.12.117'), again('6.13')]).toEqual([512, 0]);
  });

  it('without A/D bits maps 256 pages access-tracked: each still takes a lockless fix', () => {
    const result = rounds('access_rounds -b 1M -H -p P,r', 'x86-tdp', '6.12.117', {}, { ad_bits: 'N' });
    expect(counted(result, '1_P')).toMatchObject({ 'spte.install.4k': 256, fast_page_fault: 256, pf_fast: 0 });
    expect(counted(result, '2_r')['fast_page_fault.fixed']).toBe(256);
  });

  it('has no tables to fill under shadow paging, and is not there before 6.11', () => {
    expect(() => rounds('access_rounds -b 1M -p P', 'x86-shadow', '6.12.117')).toThrow(/VM_PRE_FAULT: .*EOPNOTSUPP/);
    expect(() => rounds('access_rounds -b 1M -p P', 'x86-tdp', '6.4')).toThrow(/pre_fault, which x86-tdp has from kernel 6.11 on/);
  });
});

describe('nx_huge_pages is written while the guest runs', () => {
  it.each([
    ['x86-tdp', {}, 1024],
    ['x86-shadow', LEGACY, 128],
  ])('on %s %j everything goes each time it changes; 2 blocks are executed by %i faults with it on and by 2 with it off', (name, options, faults) => {
    const result = rounds('access_rounds -b 4M -s anonymous_hugetlb_2mb -p w,Xy,x,Xy,Xn,x', name, '6.12.117', options);
    expect(counted(result, '2_Xy')).toMatchObject({ pages_2m: 0, pages_4k: 0 });
    expect(counted(result, '3_x')).toMatchObject({ 'page_fault.fetch': faults, nx_lpage_splits: 2 });
    expect(counted(result, '4_Xy')).toMatchObject({ nx_lpage_splits: 2, 'table.zap': 0 });
    expect(counted(result, '5_Xn')).toMatchObject({ nx_lpage_splits: 0, pages_4k: 0 });
    expect(counted(result, '6_x')).toMatchObject({ 'page_fault.fetch': 2, pages_2m: 2 });
  });
});
