/**
 * What single releases do to the TDP MMU, on two blocks of 2 MiB. Counts derived by hand from the reference.
 */
import 'reflect-metadata';
import { AccessKind, type HostOp, type OptionValues } from '@mmulab/api';
import { TEST, TdpVm, tdpLayout, testBacking } from '../fixtures/tdp-vm';

const { Read, Write, Exec } = AccessKind;
const PAGES = 1024;
const INTEL = { vendor: 'intel', pml: 'Y' };

/** Two huge pages, written. */
function written(kernel: string, options: OptionValues = {}, host: OptionValues = {}, level = 2, hugetlb = level > 1): TdpVm {
  const vm = new TdpVm(tdpLayout(PAGES, level, testBacking(level, hugetlb)), kernel, options, host);
  vm.pass(Write);
  return vm;
}

const unmap = (firstPage: number, npages: number): HostOp => ({ op: 'unmap', slot: 1, firstPage, npages });
const manual = (initiallySet: boolean): HostOp => ({ op: 'manual_protect', initiallySet });

describe('starting a log that is set from the beginning', () => {
  // 5.10: all leaves of the TDP MMU lose W (with PML huge ones only); 5.12: huge ones; 5.14: none. Small leaves keep D for the log of the hardware.
  it.each([
    ['5.10.262', 2, {}, 2],
    ['5.10.262', 1, {}, 1024],
    ['5.10.262', 2, INTEL, 2],
    ['5.10.262', 1, INTEL, 0],
    ['5.17', 2, {}, 0],
    ['5.17', 1, {}, 0],
  ])('on %s with leaves of level %i and %j protects %i leaves', (kernel, level, host, leaves) => {
    const vm = written(kernel, {}, host, level);
    const counted = vm.host(manual(true), { op: 'set_dirty_log', slot: 1, on: true });
    expect(counted[level === 2 ? 'spte.update.2m' : 'spte.update.4k'] ?? 0).toBe(leaves);
    expect(counted['remote_tlb_flush_requests'] ?? 0).toBe(leaves > 0 ? 1 : 0);
  });

  it.each([
    ['huge', 2, 2],
    ['huge', 1, 0],
    ['all', 1, 1024],
    ['nothing', 2, 0],
  ])('with initially_set_protects=%s and leaves of level %i protects %i', (initially_set_protects, level, leaves) => {
    const vm = written('5.17', { initially_set_protects }, {}, level);
    const counted = vm.host(manual(true), { op: 'set_dirty_log', slot: 1, on: true });
    expect((counted['spte.update.2m'] ?? 0) + (counted['spte.update.4k'] ?? 0)).toBe(leaves);
  });

  it('leaves the words of a clear nothing huge to protect on 5.10: one bit, no change', () => {
    const vm = written('5.10.262');
    vm.host(manual(true), { op: 'set_dirty_log', slot: 1, on: true }, { op: 'get_dirty_log', slot: 1 });
    expect(vm.host({ op: 'clear_dirty_log', slot: 1, firstPage: 0, npages: 1 })).toEqual({ remote_tlb_flush_requests: 1 });
  });
});

describe('the flush of starting a log', () => {
  it.each([
    ['5.10.262', 0],
    ['5.17', 0],
    ['6.1', 1],
  ])('over memory nobody has touched: %s asks for %i', (kernel, requests) => {
    const vm = new TdpVm(tdpLayout(PAGES, 1), kernel);
    expect(vm.log(true)['remote_tlb_flush_requests'] ?? 0).toBe(requests);
  });

  // Leaves that are write-protected already: 5.10 sets them again and asks, 5.17 sees nothing to change.
  it.each([
    ['5.10.262', 1],
    ['5.17', 0],
    ['6.1', 1],
  ])('over leaves protected by an earlier log: %s asks for %i', (kernel, requests) => {
    const vm = written(kernel, {}, {}, 1);
    vm.log(true);
    vm.log(false);
    expect(vm.log(true)['remote_tlb_flush_requests'] ?? 0).toBe(requests);
  });

  // With PML the dirty bits are one step, the huge leaves another: each flushes before 6.0.
  it.each([
    ['5.10.262', 2],
    ['6.1', 1],
  ])('with PML and huge leaves: %s asks for %i', (kernel, requests) => {
    expect(written(kernel, { eager_page_split: 'N' }, INTEL).log(true)['remote_tlb_flush_requests']).toBe(requests);
  });
});

describe('stopping a log', () => {
  // Leaves go one by one; the empty tables stay until a fault puts the huge leaf in their place, which is a flush per block.
  it.each([
    ['5.10.262', 1],
    ['5.17', 1024],
    ['5.18', 1024],
  ])('on %s zaps 1,024 leaves, no table, with %i flush requests', (kernel, requests) => {
    const vm = written(kernel, { eager_page_split: 'N' });
    vm.log(true);
    vm.pass(Write);
    expect(vm.log(false)).toEqual({ 'spte.zap.4k': 1024, remote_tlb_flush_requests: requests });
    const after = vm.pass(Write);
    expect(after).toMatchObject({ page_fault: 2, 'table.zap': 2, 'spte.table_to_leaf': 2, remote_tlb_flush_requests: 2 });
  });

  it.each([
    ['6.1', { 'table.zap': 2, 'spte.zap.4k': 1024, 'spte.zap.table': 2, remote_tlb_flush_requests: 2 }],
    ['6.12.117', { 'table.zap': 2, 'spte.zap.4k': 1024, 'spte.zap.table': 2, remote_tlb_flush_requests: 2 }],
    ['6.13', { 'table.zap': 2, 'spte.zap.4k': 1024, 'spte.table_to_leaf': 2, remote_tlb_flush_requests: 1 }],
  ])('on %s is %j', (kernel, expected) => {
    const vm = written(kernel);
    vm.log(true);
    vm.pass(Write);
    expect(vm.log(false)).toEqual(expected);
  });

  it('leaf by leaf keeps leaves that cannot be larger, and what lies outside the slot', () => {
    const vm = written('5.17', {}, {}, 1);
    vm.log(true);
    expect(vm.log(false)).toEqual({});
  });

  // With the workaround any table keeps huge pages away before 6.2, an empty one too.
  it('leaf by leaf with NX huge pages leaves tables that are filled again page by page', () => {
    const vm = written('5.17', { nx_huge_pages: 'Y' });
    vm.log(true);
    vm.pass(Write);
    vm.log(false);
    expect(vm.pass(Read)).toMatchObject({ page_fault: 1024, 'spte.install.4k': 1024 });
  });
});

describe('memory the host takes away', () => {
  const split = (kernel: string): TdpVm => {
    const vm = written(kernel, { eager_page_split: 'N' }, {}, 2, false);
    vm.log(true);
    vm.pass(Write);
    return vm;
  };

  it.each([
    ['5.10.262', 0, 1024, { 'table.zap': 2, 'spte.zap.table': 2, 'spte.zap.4k': 1024, remote_tlb_flush_requests: 3 }],
    ['5.17', 0, 1024, { 'table.zap': 2, 'spte.zap.table': 2, 'spte.zap.4k': 1024, remote_tlb_flush_requests: 1 }],
    ['5.18', 0, 1024, { 'spte.zap.4k': 1024, remote_tlb_flush_requests: 1 }],
    // The first table lies wholly inside the range, the second does not.
    ['5.17', 0, 600, { 'table.zap': 1, 'spte.zap.table': 1, 'spte.zap.4k': 600, remote_tlb_flush_requests: 1 }],
    ['5.17', 1, 511, { 'spte.zap.4k': 511, remote_tlb_flush_requests: 1 }],
    ['5.18', 0, 600, { 'spte.zap.4k': 600, remote_tlb_flush_requests: 1 }],
  ])('on %s, pages %i and %i more: %j', (kernel, first, npages, expected) => {
    expect(split(kernel).host(unmap(first, npages))).toEqual(expected);
  });

  it('takes a huge leaf that the range covers in part', () => {
    expect(written('5.17', {}, {}, 2, false).host(unmap(1, 1))).toEqual({ 'spte.zap.2m': 1, remote_tlb_flush_requests: 1 });
  });

  it('of hugetlb goes by whole pages: 1 of 600 small ones, none of 1', () => {
    expect(written('5.18').host(unmap(0, 600))).toEqual({ 'spte.zap.2m': 1, remote_tlb_flush_requests: 1 });
    expect(written('5.18').host(unmap(0, 1))).toEqual({});
  });

  it('has its tables built again where they went along', () => {
    const vm = split('5.17');
    vm.host(unmap(0, 1024));
    expect(vm.pass(Write)).toMatchObject({ page_fault: 1024, 'table.alloc': 2 });
  });
});

describe('marking pages dirty', () => {
  // Up to 5.15 small leaves that become writable mark their page, logged or not; guest table pages (5) are such leaves, huge ones are not.
  it.each([
    ['5.10.262', 1, 5 + 1024],
    ['5.10.262', 2, 5],
    ['5.17', 1, 0],
  ])('on %s with leaves of level %i a first pass calls for it %i times, and sets no bit', (kernel, level, calls) => {
    const counted = new TdpVm(tdpLayout(PAGES, level), kernel).pass(Write);
    expect([counted['mark_page_dirty'] ?? 0, counted['dirty_bitmap.set'] ?? 0]).toEqual([calls, 0]);
  });

  it('is called for again by the write after a log was stopped, on 5.10', () => {
    const vm = written('5.10.262', {}, {}, 1);
    vm.log(true);
    vm.log(false);
    expect(vm.pass(Write)).toMatchObject({ page_fault: 1024, mark_page_dirty: 1024 });
  });
});

describe('a fault whose leaf allows the access already', () => {
  // Log stop makes read-only huge leaves in place; a fetch splits one, and the small leaf it needs is executable by then.
  const recovered = (kernel: string): TdpVm => {
    const vm = written(kernel, { nx_huge_pages: 'Y' });
    vm.log(true);
    vm.log(false);
    return vm;
  };

  it('is spurious from 6.13 on, and the page stays read-only', () => {
    const vm = recovered('6.13');
    expect(vm.pass(Exec, 512)).toMatchObject({ page_fault: 2, pf_spurious: 2, 'spte.split.2m': 2 });
    expect(vm.pass(Write)).toMatchObject({ page_fault: 1024 });
  });

  it('rewrote the leaf before, which made it writable', () => {
    const vm = new TdpVm(tdpLayout(PAGES, 2), '6.13', { nx_huge_pages: 'Y', spurious_if_allowed: 'N' });
    vm.pass(Write);
    vm.log(true);
    vm.log(false);
    expect(vm.pass(Exec, 512)).toMatchObject({ page_fault: 2, pf_fixed: 2, 'spte.update.4k': 2 });
    expect(vm.pass(Write)).toMatchObject({ page_fault: 1022 });
  });
});

describe('tries of the lockless path', () => {
  // Up to 5.18 EPT alone called for one, on every fault but those of execution on a present entry.
  it.each([
    ['5.10.262', {}, INTEL, 0],
    ['5.17', {}, INTEL, 7],
    ['5.17', {}, {}, 0],
    ['6.1', {}, INTEL, 0],
    ['6.1', {}, { vendor: 'intel', ad_bits: 'N' }, 7],
  ])('%s %j on %j: %i in a first pass of 7 faults', (kernel, options, host, tries) => {
    const counted = new TdpVm(tdpLayout(PAGES, 2), kernel, options, host).pass(Write);
    expect([counted['page_fault'], counted['fast_page_fault'] ?? 0]).toEqual([7, tries]);
  });

  it('are not made for executing a page that is there and not executable', () => {
    const vm = written('5.17', { nx_huge_pages: 'Y' }, INTEL);
    expect(vm.pass(Exec, 512)['fast_page_fault']).toBeUndefined();
  });
});

describe('what recovery takes of NX huge pages', () => {
  /** Tables taken by each of the passes. */
  const taken = (options: OptionValues, passes: number, blocks: number): readonly number[] => {
    const vm = new TdpVm(tdpLayout(blocks * 512, 2), '6.13', { nx_huge_pages: 'Y', ...options });
    vm.pass(Write);
    vm.pass(Exec, 512);
    return Array.from({ length: passes }, () => vm.host({ op: 'nx_recovery' })['table.zap'] ?? 0);
  };

  it.each([
    ['Y', 4, [2, 2, 2, 2, 0]],
    ['N', 4, [2, 2, 1, 1, 1]],
    ['Y', 2, [4, 4, 0, 0, 0]],
    ['N', 2, [4, 2, 1, 1, 0]],
    ['Y', 60, [1, 1, 1, 1, 1]],
  ])('counted per MMU=%s, ratio %i, of 8 tables: %j', (nx_recovery_per_mmu, nx_huge_pages_recovery_ratio, expected) => {
    expect(taken({ nx_recovery_per_mmu, nx_huge_pages_recovery_ratio }, 5, 8)).toEqual(expected);
  });

  it('is counted on when tables are listed again: 4 of 4 + 2 recovered, at ratio 2, are 3', () => {
    const vm = new TdpVm(tdpLayout(4 * 512, 2), '6.13', { nx_huge_pages: 'Y', nx_huge_pages_recovery_ratio: 2, nx_recovery_per_mmu: 'Y' });
    vm.pass(Write);
    vm.pass(Exec, 512);
    expect(vm.host({ op: 'nx_recovery' })['table.zap']).toBe(2);
    vm.pass(Read, 512);
    vm.pass(Exec, 512);
    expect(vm.host({ op: 'nx_recovery' })['table.zap']).toBe(3);
  });

  it('of slots under dirty logging is charged, too, but zaps nothing', () => {
    const vm = new TdpVm(tdpLayout(4 * 512, 2), '6.13', { nx_huge_pages: 'Y', nx_huge_pages_recovery_ratio: 4, nx_recovery_per_mmu: 'Y' });
    vm.pass(Write);
    vm.pass(Exec, 512);
    vm.log(true);
    expect(vm.host({ op: 'nx_recovery' })).toEqual({});
    expect(vm.counters.of('nx_lpage_splits')).toBe(3);
    vm.log(false);
    expect(vm.backend.translate(TEST)).toMatchObject({ level: 2 });
  });
});

describe('pages aged one by one with a flush each', () => {
  it('ask for one per young leaf: 1,024 small ones, 2 huge ones, one for a range', () => {
    const flushes = (level: number, pageByPage: boolean): number =>
      written('6.1', {}, {}, level).host({ op: 'age', slot: 1, pageByPage, flush: true })['remote_tlb_flush_requests'] ?? 0;
    expect([flushes(1, true), flushes(2, true), flushes(1, false)]).toEqual([1024, 2, 1]);
  });

  it('ask for one per page, not per leaf, where two roots map it', () => {
    const vm = written('6.4', { tdp_role_has_wp: 'Y', wp_shortcut: 'N' }, {}, 1);
    vm.backend.control(0, { register: 'cr0', bit: 'wp', value: 'toggle' });
    expect(vm.pass(Write)).toMatchObject({ 'spte.install.4k': 5 + 1024 });
    expect(vm.host({ op: 'age', slot: 1, pageByPage: true, flush: true })).toEqual({ 'spte.update.4k': 2048, remote_tlb_flush_requests: 1024 });
  });
});
