/**
 * What clearing a dirty log does word by word where one bit of a word is set: not to be had from a workload, whose bitmaps are full when pages are
 * still huge.
 */
import 'reflect-metadata';
import { AccessKind } from '@mmulab/api';
import type { OptionValues } from '@mmulab/api';
import { TEST, TdpVm, tdpLayout } from './fixtures/tdp-vm';

/** A VM whose 2 MiB are mapped by one leaf and logged, the bitmap full (initially set) and read. */
function loggedVm(kernel: string, options: OptionValues = {}): TdpVm {
  const vm = new TdpVm(tdpLayout(512, 2), kernel, options, { vendor: 'intel', pml: 'Y' });
  vm.host({ op: 'manual_protect', initiallySet: true });
  vm.backend.touch(0, TEST, AccessKind.Write);
  vm.host({ op: 'set_dirty_log', slot: 1, on: true }, { op: 'get_dirty_log', slot: 1 });
  return vm;
}

const clear = (firstPage: number, npages: number) => ({ op: 'clear_dirty_log', slot: 1, firstPage, npages }) as const;

describe('clearing one bit of a word under a huge leaf, initially set', () => {
  // 6.1 splits [first, last): nothing when they are the same page. The leaf then loses W and MMU-writable: one change, no 4 KiB leaf to clear.
  it('splits nothing on 6.1 and write-protects the huge leaf', () => {
    const vm = loggedVm('6.1.192');
    expect(vm.host(clear(0, 1))).toEqual({ 'spte.update.2m': 1, remote_tlb_flush_requests: 1 });
    expect(vm.backend.translate(0x200)).toMatchObject({ level: 2, writable: false });
  });

  // 6.12 splits [first, last + 1): the block becomes 512 leaves, of which one loses D.
  it('splits the block on 6.12 and clears D of the one page', () => {
    const vm = loggedVm('6.12.117');
    expect(vm.host(clear(0, 1))).toEqual({
      'spte.split.2m': 1,
      'huge_split.2m': 1,
      'table.alloc': 1,
      'spte.update.4k': 1,
      remote_tlb_flush_requests: 1,
    });
    expect(vm.backend.translate(0x200)).toMatchObject({ level: 1, writable: true, dirty: false });
    expect(vm.backend.translate(0x201)).toMatchObject({ level: 1, writable: true, dirty: true });
  });

  it('of two bits splits the block on 6.1, too', () => {
    const vm = loggedVm('6.1.192');
    expect(vm.host(clear(0, 2))).toEqual({
      'spte.split.2m': 1,
      'huge_split.2m': 1,
      'table.alloc': 1,
      'spte.update.4k': 2,
      remote_tlb_flush_requests: 1,
    });
  });

  // The huge leaf is W=0 and not MMU-writable; its parts inherit that, so the lockless path cannot help the next write.
  it('leads to a slow fault on 6.1: attempted without a lock, split, FIXED', () => {
    const vm = loggedVm('6.1.192', { huge_page_fault: 'split' });
    vm.host(clear(0, 1));
    vm.backend.enter(0);
    vm.since();
    vm.backend.touch(0, 0x200, AccessKind.Write);
    expect(vm.since()).toEqual({
      page_fault: 1,
      'page_fault.write': 1,
      'page_fault.present': 1,
      pf_taken: 1,
      pf_fixed: 1,
      fast_page_fault: 1,
      'spte.split.2m': 1,
      'huge_split.2m': 1,
      'table.alloc': 1,
      'spte.update.4k': 1,
      mark_page_dirty: 1,
      'dirty_bitmap.set': 1,
      exit: 1,
    });
  });

  it('asks for no flush when the bit was clear already', () => {
    const vm = loggedVm('6.12.117');
    vm.host(clear(0, 1));
    expect(vm.host(clear(0, 1))).toEqual({});
  });
});
