/**
 * Guest writes to its own page tables. No kernel record judges these: every count is derived by hand from the reference (x86-shadow-mmu §6, §7), and the
 * derivation stands beside it.
 */
import { DATA, DATA_GFN, ShadowVm, TABLES, TABLE_FRAMES, USED, layoutOf, windowedSpace } from '../fixtures/shadow-vm';
import { Gpte } from './guest-memory';

const PAGES = 16;
/** Virtual frames by which the guest reaches its tables. */
const DIRECTORY = TABLES + (TABLE_FRAMES.directory - TABLE_FRAMES.top);
const TABLE = TABLES + (TABLE_FRAMES.data - TABLE_FRAMES.top);
const COUNTED = ['page_fault', 'pf_fixed', 'pf_emulate', 'mmu_pte_write', 'mmu_unsync', 'remote_tlb_flush_requests', 'mmu_flooded'] as const;

/** All data pages mapped, counters settled. */
function warm(kernel = '6.1.192'): ShadowVm {
  const vm = new ShadowVm(layoutOf(windowedSpace(PAGES)), kernel);
  vm.write(DATA, DATA + 8);
  vm.read(TABLES);
  vm.since(...COUNTED, 'mmu_cache_miss', 'pages_4k', 'invlpg', 'table.zap', 'mmu_pde_zapped', 'shadow.set_spte');
  return vm;
}

describe('a cold guest with used entries', () => {
  it('takes one fault per aligned group of eight: the other seven are prefetched', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(PAGES)));
    vm.write(...Array.from({ length: PAGES }, (_, i) => DATA + i));
    // Two groups; root and three tables below it.
    expect(vm.since('page_fault', 'shadow.set_spte', 'mmu_cache_miss', 'pages_4k')).toEqual({
      page_fault: 2,
      'shadow.set_spte': 16,
      mmu_cache_miss: 4,
      pages_4k: 16,
    });
  });

  it('takes one per page while the accessed bits are clear, and sets them', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(PAGES, { accessed: false, dirty: false })));
    vm.write(...Array.from({ length: PAGES }, (_, i) => DATA + i));
    expect(vm.since('page_fault')).toEqual({ page_fault: PAGES });
    // Each walk marks what it changed: the first the four tables of its way, the others the last one only.
    expect(vm.since('mark_page_dirty')).toEqual({ mark_page_dirty: 4 + (PAGES - 1) });
  });

  it('lets a read of a clean page be followed by a fault of the first write', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1, { dirty: false })));
    vm.read(DATA).write(DATA);
    expect(vm.since('page_fault', 'page_fault.present')).toEqual({ page_fault: 2, 'page_fault.present': 1 });
  });
});

describe('a write to a last-level table', () => {
  it('faults once, unsyncs the table, and then goes unseen', () => {
    const vm = warm();
    vm.store(TABLE, 3, USED, DATA_GFN + 100);
    // The window on the tables was prefetched read-only: the write faults on a present entry and is let through.
    expect(vm.since(...COUNTED)).toEqual({
      page_fault: 1,
      pf_fixed: 1,
      pf_emulate: 0,
      mmu_pte_write: 0,
      mmu_unsync: 1,
      remote_tlb_flush_requests: 0,
      mmu_flooded: 0,
    });
    vm.store(TABLE, 4, USED, DATA_GFN + 101);
    expect(vm.since('page_fault', 'mmu_unsync')).toEqual({ page_fault: 0, mmu_unsync: 0 });
    // Until the guest flushes, the old translation may serve.
    vm.read(DATA + 3);
    expect(vm.since('page_fault')).toEqual({ page_fault: 0 });
  });

  // An entry that was used loses its right to execute: a changed entry is written anew. Up to 6.12 that costs it A, which asks for a flush of its own beside
  // the one for protecting the frame; from 6.13 on A stays.
  it.each([
    ['6.12.117', 2],
    ['6.13', 1],
  ])('whose entry only loses a right, on %s: %i flushes when it shows', (kernel, requests) => {
    const vm = warm(kernel);
    vm.store(TABLE, 0, USED & ~Gpte.Executable, DATA_GFN);
    vm.since(...COUNTED, 'pages_4k');
    vm.backend.control(0, { register: 'cr3', space: 0 });
    expect(vm.since('remote_tlb_flush_requests', 'pages_4k')).toEqual({ remote_tlb_flush_requests: requests, pages_4k: 0 });
  });

  it('shows after CR3 is reloaded: the frame is protected, changed entries go, and the others lose A (6.1)', () => {
    const vm = warm();
    vm.store(TABLE, 3, USED, DATA_GFN + 100);
    vm.since(...COUNTED, 'pages_4k');
    vm.backend.control(0, { register: 'cr3', space: 0 });
    // One flush for protecting the frame, one because an entry went and others lost A.
    expect(vm.since('remote_tlb_flush_requests', 'pages_4k')).toEqual({ remote_tlb_flush_requests: 2, pages_4k: -1 });
    vm.read(DATA + 3);
    // In step again: the gauge falls.
    expect(vm.since('page_fault', 'mmu_unsync')).toEqual({ page_fault: 1, mmu_unsync: -1 });
    vm.store(TABLE, 3, USED, DATA_GFN + 102);
    expect(vm.since('page_fault', 'mmu_unsync')).toEqual({ page_fault: 1, mmu_unsync: 1 });
  });

  it('leaves entries with unchanged rights alone in 6.12: one flush where nothing of the guest changed', () => {
    for (const [kernel, flushes] of [
      ['6.1.192', 2],
      ['6.12.117', 1],
    ] as const) {
      const vm = warm(kernel);
      vm.store(TABLE, 3, USED, DATA_GFN + 3);
      vm.since('remote_tlb_flush_requests');
      vm.backend.control(0, { register: 'cr3', space: 0 });
      expect(vm.since('remote_tlb_flush_requests')).toEqual({ remote_tlb_flush_requests: flushes });
    }
  });

  it('shows for one page after INVLPG, the others stay as they were', () => {
    const vm = warm();
    vm.store(TABLE, 3, USED, DATA_GFN + 100);
    vm.store(TABLE, 4, USED, DATA_GFN + 101);
    vm.since(...COUNTED, 'shadow.set_spte', 'invlpg');
    vm.backend.control(0, { register: 'invlpg', vfn: DATA + 3 });
    // 6.1: the entry is zapped (one flush) and the new one prefetched.
    expect(vm.since('invlpg', 'remote_tlb_flush_requests', 'shadow.set_spte')).toEqual({
      invlpg: 1,
      remote_tlb_flush_requests: 1,
      'shadow.set_spte': 1,
    });
    vm.read(DATA + 3, DATA + 4);
    expect(vm.since('page_fault')).toEqual({ page_fault: 0 });
    expect(vm.backend.translate(DATA_GFN + 3)?.descriptor.slice(-6, -3)).toBe((DATA_GFN + 100).toString(16));
  });

  it('INVLPG of a table in step does nothing but count', () => {
    const vm = warm();
    vm.backend.control(0, { register: 'invlpg', vfn: DATA });
    expect(vm.since('invlpg', 'remote_tlb_flush_requests')).toEqual({ invlpg: 1, remote_tlb_flush_requests: 0 });
  });

  it('that the guest’s own tables refuse changes nothing', () => {
    const vm = new ShadowVm(
      layoutOf({ ...windowedSpace(PAGES), runs: windowedSpace(PAGES).runs.map(run => ({ ...run, writable: run.vfn !== TABLES })) }),
    );
    vm.read(DATA + 3);
    vm.store(TABLE, 3, 0, 0);
    vm.backend.control(0, { register: 'cr3', space: 0 });
    vm.read(DATA + 3);
    expect(vm.since('pf_guest', 'mmu_unsync')).toEqual({ pf_guest: 1, mmu_unsync: 0 });
  });

  it('takes an entry away: the next access is the guest’s own fault', () => {
    const vm = warm();
    vm.store(TABLE, 3, 0, 0);
    vm.backend.control(0, { register: 'cr3', space: 0 });
    vm.read(DATA + 3);
    expect(vm.since('pf_guest')).toEqual({ pf_guest: 1 });
  });
});

describe('a write to an upper-level table', () => {
  it('is emulated each time: the entry it concerns is unlinked, with one flush', () => {
    const vm = warm();
    // The directory's entry 2 leads to the table of the data.
    vm.store(DIRECTORY, 2, USED, TABLE_FRAMES.data);
    expect(vm.since(...COUNTED, 'mmu_pde_zapped')).toEqual({
      page_fault: 1,
      pf_fixed: 0,
      pf_emulate: 1,
      mmu_pte_write: 1,
      mmu_unsync: 0,
      remote_tlb_flush_requests: 1,
      mmu_flooded: 0,
      mmu_pde_zapped: 1,
    });
    // The table's page is still in the hash with all its leaves: the next access links it again. The leaf it finds there is writable, so the one built lacks D
    // (before 6.13): that is a change, and one flush.
    vm.read(DATA);
    expect(vm.since('page_fault', 'pf_fixed', 'root_or_table.hash_hit', 'mmu_cache_miss', 'remote_tlb_flush_requests')).toEqual({
      page_fault: 1,
      pf_fixed: 1,
      'root_or_table.hash_hit': 1,
      mmu_cache_miss: 0,
      remote_tlb_flush_requests: 1,
    });
  });

  it('takes an empty entry away without a flush and without counting a dropped one', () => {
    const vm = warm();
    vm.store(DIRECTORY, 9, 0, 0);
    expect(vm.since('mmu_pte_write', 'remote_tlb_flush_requests', 'mmu_pde_zapped')).toEqual({
      mmu_pte_write: 1,
      remote_tlb_flush_requests: 0,
      mmu_pde_zapped: 0,
    });
  });

  it('three times without a walk in between is flooding: the page goes, and the fourth write needs no emulation', () => {
    // Data and window lie in different gigabytes: the way to the window does not lead through the directory of the data.
    const FAR = 2 ** 18;
    const directory = 0x110;
    const near = windowedSpace(1);
    const space = {
      ...near,
      runs: [
        ...near.runs,
        { vfn: FAR, gfn: DATA_GFN, npages: 8, level: 1, writable: true, user: false, executable: true, accessed: true, dirty: true },
        { vfn: TABLES + 16, gfn: directory, npages: 1, level: 1, writable: true, user: false, executable: true, accessed: true, dirty: true },
      ].sort((a, b) => a.vfn - b.vfn),
      tables: [...near.tables, { level: 2, first: 1, count: 1, gfn: directory }, { level: 1, first: 512, count: 1, gfn: 0x111 }],
    };
    const vm = new ShadowVm(layoutOf(space));
    vm.write(FAR);
    vm.read(TABLES + 16);
    vm.since(...COUNTED, 'table.zap');
    for (let i = 0; i < 2; i++) vm.store(TABLES + 16, 100 + i, 0, 0);
    expect(vm.since('pf_emulate', 'mmu_flooded', 'table.zap')).toEqual({ pf_emulate: 2, mmu_flooded: 0, 'table.zap': 0 });
    vm.store(TABLES + 16, 102, 0, 0);
    expect(vm.since('pf_emulate', 'mmu_flooded', 'table.zap', 'remote_tlb_flush_requests')).toEqual({
      pf_emulate: 1,
      mmu_flooded: 1,
      'table.zap': 1,
      remote_tlb_flush_requests: 1,
    });
    vm.store(TABLES + 16, 103, 0, 0);
    expect(vm.since('page_fault', 'pf_fixed', 'pf_emulate')).toEqual({ page_fault: 4, pf_fixed: 1, pf_emulate: 0 });
    // A walk through the directory shadows it again: the table below is found in the hash, and its frame is protected.
    vm.read(FAR);
    expect(vm.since('mmu_cache_miss', 'remote_tlb_flush_requests')).toMatchObject({ remote_tlb_flush_requests: 2 });
  });

  it('counts start over when the table is walked through', () => {
    const vm = warm();
    // The way to the window leads through this very directory: each fault takes the count back.
    for (let i = 0; i < 9; i++) vm.store(DIRECTORY, 100 + i, 0, 0);
    expect(vm.since('pf_emulate', 'mmu_flooded')).toEqual({ pf_emulate: 9, mmu_flooded: 0 });
  });
});

describe('rights of the guest', () => {
  it('a write to a read-only page with WP=1 is its own fault, with WP=0 it is let through', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1, { writable: false })));
    vm.write(DATA);
    expect(vm.since('pf_guest', 'pf_fixed')).toEqual({ pf_guest: 1, pf_fixed: 0 });
    vm.backend.control(0, { register: 'cr0', bit: 'wp', value: 0 });
    vm.write(DATA);
    expect(vm.since('pf_guest', 'pf_fixed')).toEqual({ pf_guest: 0, pf_fixed: 1 });
  });

  it('with WP=0 the tree of WP=1 stays read-only: each state has its own root, and after one cycle no fault is left', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1, { writable: false })));
    const cycle = (): void => {
      vm.backend.control(0, { register: 'cr0', bit: 'wp', value: 0 });
      vm.write(DATA);
      vm.backend.control(0, { register: 'cr0', bit: 'wp', value: 1 });
      vm.read(DATA);
    };
    cycle();
    expect(vm.since('page_fault', 'mmu_cache_miss')).toEqual({ page_fault: 2, mmu_cache_miss: 8 });
    cycle();
    expect(vm.since('page_fault', 'mmu_cache_miss', 'mmu.load')).toEqual({ page_fault: 0, mmu_cache_miss: 0, 'mmu.load': 5 });
  });

  it('user pages are closed to the kernel by SMAP for data and by SMEP for code', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(2, { user: true })));
    vm.read(DATA).fetch(DATA);
    expect(vm.since('pf_guest')).toEqual({ pf_guest: 0 });
    vm.backend.control(0, { register: 'cr4', bit: 'smap', value: 1 });
    vm.read(DATA).fetch(DATA);
    expect(vm.since('pf_guest')).toEqual({ pf_guest: 1 });
    vm.backend.control(0, { register: 'cr4', bit: 'smep', value: 1 });
    vm.fetch(DATA);
    expect(vm.since('pf_guest')).toEqual({ pf_guest: 1 });
  });

  it('an entry without the execute right stops a fetch while EFER.NX is on', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1, { executable: false })));
    vm.fetch(DATA);
    expect(vm.since('pf_guest')).toEqual({ pf_guest: 1 });
    vm.backend.control(0, { register: 'efer', bit: 'nx', value: 0 });
    vm.fetch(DATA);
    expect(vm.since('pf_guest', 'pf_fixed')).toEqual({ pf_guest: 0, pf_fixed: 1 });
    expect(Gpte.Executable).toBe(8);
  });
});
