/**
 * The legacy MMU: direct roots, 32-bit and PAE guests, guests without paging, recycling, steps against runs. Counts derived by hand from the reference.
 */
import { ACCESS_DONE, AccessKind, type AccessRun, type GuestTables, type VmLayout } from '@mmulab/api';
import { testBacking } from '../fixtures/tdp-vm';
import { DATA, DATA_GFN, PLAIN_BACKING, ShadowVm, layoutOf, windowedSpace } from '../fixtures/shadow-vm';

const DIRECT = { npt: 'Y', tdp_mmu: 'N' };
const RIGHTS = { writable: true, user: false, executable: true, accessed: true, dirty: true };

/** First frame and virtual frame of a memslot of one 2 MiB page. */
const HUGE = 0x4000;

/** The guest of the fixture, and a memslot of a 2 MiB page that the guest maps with small entries. */
function hugeLayout(): VmLayout {
  const base = windowedSpace(16);
  const table = { level: 1 as const, first: HUGE / 512, count: 1, gfn: 0x110 };
  const space = {
    ...base,
    runs: [...base.runs, { vfn: HUGE, gfn: HUGE, npages: 512, level: 1 as const, ...RIGHTS }],
    tables: [...base.tables, table],
  };
  const layout = layoutOf(space);
  const backing = { ...testBacking(2), populated: 1 };
  const huge = { id: 1, baseGfn: HUGE, npages: 512, hvf: 2 ** 22, backing, readonly: false, populated: [{ gfn: HUGE, npages: 512 }] };
  return { ...layout, memslots: [...layout.memslots, huge] };
}

describe('direct roots', () => {
  it('map guest tables and data, with prefetch by eight below each', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(16)), '6.1.192', DIRECT);
    vm.write(...Array.from({ length: 16 }, (_, i) => DATA + i));
    // Tables 0x100-0x103 share a group; the data are two groups; root, two tables, one last-level table.
    expect(vm.since('page_fault', 'page_fault.guest_table', 'shadow.set_spte', 'mmu_cache_miss')).toEqual({
      page_fault: 3,
      'page_fault.guest_table': 1,
      'shadow.set_spte': 24,
      mmu_cache_miss: 5,
    });
  });

  it('5.10 never prefetches the run behind the faulting entry: ascending accesses fault one by one', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(16)), '5.10.262', DIRECT);
    vm.write(...Array.from({ length: 16 }, (_, i) => DATA + i));
    expect(vm.since('page_fault')).toEqual({ page_fault: 4 + 16 });
  });

  // Without A and D bits an EPT walk only reads the tables: one write fault, for the data.
  it('with EPT and without A and D bits see reads of guest tables, and prefetch nothing', () => {
    const host = { vendor: 'intel', ad_bits: 'N' };
    const vm = new ShadowVm(layoutOf(windowedSpace(16)), '6.1.192', DIRECT, host);
    vm.write(DATA, DATA + 1);
    expect(vm.since('page_fault', 'page_fault.guest_table', 'page_fault.write')).toEqual({
      page_fault: 6,
      'page_fault.guest_table': 4,
      'page_fault.write': 2,
    });
  });

  // 5.10 prefetches nothing for ascending pages (20 faults), later kernels eight at a time (3). Up to 5.18 EPT alone was taken for a sign that a page which is not there may be access-tracked.
  it.each([
    ['5.10.262', 'intel', 20],
    ['5.18', 'intel', 3],
    ['6.1.192', 'intel', 0],
    ['5.10.262', 'amd', 0],
  ])('try the lockless path on %s %s: %i times in the first pass', (kernel, vendor, tries) => {
    const vm = new ShadowVm(layoutOf(windowedSpace(16)), kernel, DIRECT, { vendor });
    vm.write(...Array.from({ length: 16 }, (_, i) => DATA + i));
    expect(vm.since('fast_page_fault', 'fast_page_fault.fixed')).toEqual({ fast_page_fault: tries, 'fast_page_fault.fixed': 0 });
  });

  it('never try it for the execution of a page that is there but not executable', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(16)), '5.10.262', { ...DIRECT, nx_huge_pages: 'Y' }, { vendor: 'intel' });
    vm.write(DATA);
    vm.since('fast_page_fault');
    vm.fetch(DATA);
    expect(vm.since('fast_page_fault')).toEqual({ fast_page_fault: 0 });
  });

  // Small pages, young each: a call per page and a flush per call; the four guest tables and the data.
  it('aged page by page ask for a flush per young page, at once for one', () => {
    const flushes = (pageByPage: boolean): number => {
      const vm = new ShadowVm(layoutOf(windowedSpace(512)), '6.1.192', { ...DIRECT }, { vendor: 'intel', ad_bits: 'N' });
      vm.write(...Array.from({ length: 512 }, (_, i) => DATA + i));
      vm.since('remote_tlb_flush_requests');
      vm.backend.host({ op: 'age', slot: 0, firstPage: DATA_GFN, npages: 512, pageByPage, flush: true });
      return vm.since('remote_tlb_flush_requests')['remote_tlb_flush_requests'] ?? NaN;
    };
    expect([flushes(true), flushes(false)]).toEqual([512, 1]);
  });

  it('of a log that stops collapse: small leaves of a 2 MiB page go one by one, and the next access maps it whole', () => {
    const vm = new ShadowVm(hugeLayout(), '6.1.192', { ...DIRECT, eager_page_split: 'N' });
    vm.write(HUGE);
    vm.backend.host({ op: 'set_dirty_log', slot: 1, on: true });
    vm.write(HUGE, HUGE + 1, HUGE + 300);
    expect(vm.backend.translate(HUGE + 300)?.level).toBe(1);
    vm.since('remote_tlb_flush_requests');
    vm.backend.host({ op: 'set_dirty_log', slot: 1, on: false });
    // Level 1 now, as written above; after the stop nothing translates until the next access.
    expect([HUGE, HUGE + 1, HUGE + 300].map(gfn => vm.backend.translate(gfn))).toEqual([undefined, undefined, undefined]);
    vm.write(HUGE + 300);
    expect([vm.backend.translate(HUGE)?.level, vm.counters.of('pages_2m')]).toEqual([2, 1]);
  });

  it('CR3 writes and INVLPG do not exit', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1)), '6.1.192', DIRECT);
    vm.backend.control(0, { register: 'cr3', space: 0 });
    vm.backend.control(0, { register: 'invlpg', vfn: DATA });
    expect(vm.since('exit', 'invlpg', 'mmu.new_pgd')).toEqual({ exit: 0, invlpg: 0, 'mmu.new_pgd': 0 });
  });

  it('5.10 keys them by WP: the second toggle finds the first root in the hash', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1)), '5.10.262', DIRECT);
    vm.write(DATA);
    for (let i = 0; i < 2; i++) vm.backend.control(0, { register: 'cr0', bit: 'wp', value: 'toggle' });
    vm.write(DATA);
    expect(vm.since('mmu.load', 'root_or_table.hash_hit', 'page_fault')).toEqual({ 'mmu.load': 3, 'root_or_table.hash_hit': 1, page_fault: 5 });
  });

  it('a write-protected page comes back without the lock', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1)), '6.1.192', DIRECT);
    vm.write(DATA);
    vm.backend.host({ op: 'set_dirty_log', slot: 0, on: true });
    vm.since('page_fault', 'fast_page_fault.fixed', 'dirty_bitmap.set');
    vm.write(DATA);
    // Four guest tables and the page.
    expect(vm.since('page_fault', 'fast_page_fault.fixed', 'dirty_bitmap.set')).toEqual({
      page_fault: 5,
      'fast_page_fault.fixed': 5,
      'dirty_bitmap.set': 5,
    });
  });
});

/** A guest of two or three levels that maps `pages` data frames at DATA. */
function smallSpace(levels: 2 | 3, pages: number, level = 1): GuestTables {
  const tables = levels === 3 ? [{ level: 2, first: 0, count: 1, gfn: 0x121 }] : [];
  const last = levels === 3 ? { level: 1, first: 2, count: 1, gfn: 0x122 } : { level: 1, first: 1, count: 1, gfn: 0x122 };
  return {
    name: 'small',
    levels,
    root: 0x120,
    runs: [{ vfn: DATA, gfn: level === 1 ? DATA_GFN : 0x400, npages: pages, level, ...RIGHTS }],
    tables: level === 1 ? [...tables, last] : tables,
  };
}

describe('guests that are not in long mode', () => {
  it('a PAE guest has one root page per present directory', () => {
    const vm = new ShadowVm(layoutOf(smallSpace(3, 16)));
    // One of four directories is present.
    expect(vm.since('mmu_cache_miss')).toEqual({ mmu_cache_miss: 1 });
    vm.write(...Array.from({ length: 16 }, (_, i) => DATA + i));
    expect(vm.since('mmu_cache_miss', 'page_fault', 'shadow.set_spte')).toEqual({ mmu_cache_miss: 1, page_fault: 2, 'shadow.set_spte': 16 });
  });

  it('a 32-bit guest has four root pages on its one directory, and two pages per table', () => {
    const vm = new ShadowVm(layoutOf(smallSpace(2, 1024)));
    expect(vm.since('mmu_cache_miss')).toEqual({ mmu_cache_miss: 4 });
    vm.write(DATA, DATA + 512);
    expect(vm.since('mmu_cache_miss', 'page_fault')).toEqual({ mmu_cache_miss: 2, page_fault: 2 });
    vm.read(DATA + 7, DATA + 519);
    expect(vm.since('page_fault')).toEqual({ page_fault: 0 });
  });

  it('a 4 MiB page of a 32-bit guest is mapped by small pages below two direct tables', () => {
    const vm = new ShadowVm(layoutOf(smallSpace(2, 1024, 2)));
    vm.since('mmu_cache_miss');
    vm.write(DATA, DATA + 512);
    expect(vm.since('mmu_cache_miss', 'page_fault', 'shadow.set_spte')).toEqual({ mmu_cache_miss: 2, page_fault: 2, 'shadow.set_spte': 16 });
  });

  it('never have their roots cached: a CR3 write frees the PAE root, and its pages are found in the hash', () => {
    const space = smallSpace(3, 1);
    const vm = new ShadowVm(layoutOf(space, { spaces: [space, { ...space, root: 0x123 }] }));
    vm.write(DATA);
    for (let i = 0; i < 4; i++) vm.backend.control(0, { register: 'cr3', space: (i + 1) % 2 });
    expect(vm.since('mmu.load', 'root.cache_hit', 'root_or_table.hash_hit', 'mmu_cache_miss')).toEqual({
      'mmu.load': 5,
      'root.cache_hit': 0,
      'root_or_table.hash_hit': 4,
      mmu_cache_miss: 2,
    });
  });

  it('without paging run on four direct root pages, frames being addresses', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1)));
    vm.since('mmu_cache_miss');
    vm.backend.control(0, { register: 'cr0', bit: 'pg', value: 0 });
    vm.write(DATA_GFN);
    expect(vm.since('mmu_cache_miss', 'page_fault', 'pf_fixed')).toEqual({ mmu_cache_miss: 5, page_fault: 1, pf_fixed: 1 });
    vm.backend.control(0, { register: 'cr0', bit: 'pg', value: 1 });
    vm.write(DATA);
    expect(vm.since('pf_fixed')).toEqual({ pf_fixed: 1 });
  });

  it('walking tables of another depth is an error that names the space', () => {
    const vm = new ShadowVm(layoutOf(windowedSpace(1)));
    vm.backend.control(0, { register: 'cr0', bit: 'pg', value: 0 });
    vm.backend.control(0, { register: 'efer', bit: 'lme', value: 0 });
    vm.backend.control(0, { register: 'cr0', bit: 'pg', value: 1 });
    expect(() => vm.read(DATA)).toThrow(/^GUEST_PAGING_MODE: address space windowed: its tables have 4 levels, the vCPU walks 3/);
  });
});

describe('the limit on shadow pages', () => {
  it('recycles the oldest pages that are no roots, twenty-five at a time less those free', () => {
    const slot = { id: 0, baseGfn: 0, npages: 2048, hvf: 2 ** 20, backing: PLAIN_BACKING, readonly: false, populated: [{ gfn: 0, npages: 2048 }] };
    // 2048 / 50 is less than the least limit of 64 pages. One table per 2 MiB of 100: more than that.
    const tables = [
      { level: 3, first: 0, count: 1, gfn: 1 },
      { level: 2, first: 0, count: 1, gfn: 2 },
      { level: 1, first: 0, count: 100, gfn: 100 },
    ];
    const runs = Array.from({ length: 100 }, (_, i) => ({ vfn: i * 512, gfn: 1000 + i * 8, npages: 1, level: 1, ...RIGHTS }));
    const vm = new ShadowVm(layoutOf({ name: 'wide', levels: 4, root: 0, runs, tables }, { memslots: [slot] }));
    for (let i = 0; i < 57; i++) vm.write(i * 512);
    // Root, two tables, 57 last-level ones: 60 of 64; the fault that finds fewer than five free recycles up to 25.
    expect(vm.since('mmu_recycled')).toEqual({ mmu_recycled: 0 });
    vm.write(57 * 512);
    expect(vm.since('mmu_recycled', 'remote_tlb_flush_requests')).toEqual({ mmu_recycled: 21, remote_tlb_flush_requests: 1 });
  });
});

describe('runs, single accesses and stages', () => {
  it.each([
    ['npt=N', {}],
    ['direct', DIRECT],
  ])('count the same (%s)', (_name, options) => {
    const runs: readonly AccessRun[] = [
      { vfn: DATA, count: 40, stride: 1, kind: AccessKind.Read, writeEvery: 7 },
      { vfn: DATA, count: 13, stride: 3, kind: AccessKind.Exec, writeEvery: 0 },
      { vfn: DATA, count: 40, stride: 1, kind: AccessKind.Write, writeEvery: 0 },
    ];
    const space = windowedSpace(64, { dirty: false });
    const kindOf = (run: AccessRun, i: number): AccessKind => (run.writeEvery > 0 && i % run.writeEvery === 0 ? AccessKind.Write : run.kind);
    const counted = (perform: (vm: ShadowVm, run: AccessRun) => void): Float64Array => {
      const vm = new ShadowVm(layoutOf(space), '6.1.192', options);
      for (const run of runs) {
        perform(vm, run);
        vm.backend.host({ op: 'set_dirty_log', slot: 0, on: true });
        vm.backend.enter(0);
      }
      return vm.counters.now;
    };
    const whole = counted((vm, run) => vm.backend.run(0, run));
    const single = counted((vm, run) => {
      for (let i = 0; i < run.count; i++) vm.backend.touch(0, run.vfn + i * run.stride, kindOf(run, i));
    });
    const staged = counted((vm, run) => {
      for (let i = 0; i < run.count; i++) {
        let stage = vm.backend.begin(0, run.vfn + i * run.stride, kindOf(run, i));
        while (stage !== ACCESS_DONE) stage = vm.backend.advance(0);
      }
    });
    expect(single).toEqual(whole);
    expect(staged).toEqual(whole);
  });
});
