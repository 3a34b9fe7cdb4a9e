/**
 * Faults one by one, against the reference's table of cache maintenance per fault: data (D) and instruction (I) maintenance in bytes.
 */
import { AccessKind, compareReleases, parseRelease } from '@mmulab/api';
import type { HostBacking } from '@mmulab/api';
import { BASE, Lab, plainBacking } from './fixtures/lab';
import { stage2Profiles } from './profiles';

const { Read, Write, Exec } = AccessKind;
const KERNELS = stage2Profiles.map(profile => profile.name);
const isBefore = (kernel: string): boolean => ['5.10.223', '5.13'].includes(kernel);
const PAGE = 4096;
const PMD = 2 ** 21;
const CMO = ['dcache_clean_inval_poc.bytes', 'icache_inval_pou.bytes'];

/** Anonymous memory: the zero page, copied when written. */
const anonymous: HostBacking = {
  ...plainBacking(1),
  states: [
    { name: 'none', present: false, writable: false, level: 1, thp: false },
    { name: 'own', present: true, writable: true, level: 1, thp: false },
    { name: 'zero', present: true, writable: false, level: 1, thp: false },
  ],
  faults: [
    { ok: true, state: 2, spanLevel: 1, writable: false, notifications: [] },
    { ok: true, state: 1, spanLevel: 1, writable: true, notifications: [] },
    { ok: true, state: 1, spanLevel: 1, writable: true, notifications: [] },
    { ok: true, state: 1, spanLevel: 1, writable: true, notifications: [] },
    { ok: true, state: 2, spanLevel: 1, writable: false, notifications: [] },
    { ok: true, state: 1, spanLevel: 1, writable: true, notifications: [{ level: 1, state: 1, changePte: true }] },
  ],
};

describe.each(KERNELS)('a fault on %s', kernel => {
  const before = isBefore(kernel);

  it('translation, read, write or fetch: D for the page, I for a fetch', () => {
    const lab = new Lab({ kernel });
    lab.touch(0, Read);
    expect(lab.counts(...CMO)).toEqual([PAGE, 0]);
    lab.touch(1, Write);
    expect(lab.counts(...CMO)).toEqual([2 * PAGE, 0]);
    lab.touch(2, Exec);
    expect(lab.counts(...CMO)).toEqual([3 * PAGE, PAGE]);
    expect(lab.counts('guest_abort.translation.read', 'guest_abort.translation.write', 'guest_abort.translation.exec')).toEqual([1, 1, 1]);
    // The first fault found a start level of its own, or the table that slot 0 needed: level 1; the others the page's.
    expect(lab.count('guest_abort.translation.level3')).toBe(2);
  });

  it('permission, fetch: I, no D; the leaf stays readable and writable', () => {
    const lab = new Lab({ kernel });
    lab.touch(0, Write);
    lab.mark();
    lab.touch(0, Exec);
    expect(lab.counts(...CMO, 'stage2.relax_perms', 'guest_abort.permission.exec', 'guest_abort.permission.level3')).toEqual([0, PAGE, 1, 1, 1]);
    expect(lab.mmu.translate(BASE)).toMatchObject({ readable: true, writable: true, executable: true });
  });

  it('permission, write to a logged page: neither, one invalidation', () => {
    const lab = new Lab({ kernel });
    lab.touch(0, Write);
    lab.log(true);
    lab.mark();
    lab.touch(0, Write);
    expect(lab.counts(...CMO, 'stage2.relax_perms', 'stage2.map', 'tlbi.ipa', 'mark_page_dirty', 'dirty_bitmap.set')).toEqual([0, 0, 1, 0, 1, 1, 1]);
  });

  it('permission, write to a logged block: split; the page is cleaned by the walker only', () => {
    const lab = new Lab({ kernel, backing: plainBacking(2) });
    lab.touch(0, Write);
    lab.log(true);
    lab.mark();
    lab.touch(3, Write);
    expect(lab.counts(...CMO, 'split.2m', 'leaf.install.4k', 'tlbi.ipa', 'table.alloc')).toEqual([before ? 0 : PAGE, 0, 1, 1, 1, 1]);
    expect(lab.mmu.translate(BASE + 4)).toBeUndefined();
  });

  it('translation on an unmapped page of a split block, logging off: the block is rebuilt', () => {
    const lab = new Lab({ kernel, backing: plainBacking(2) });
    lab.touch(0, Write);
    lab.log(true);
    lab.touch(3, Write);
    lab.log(false);
    lab.mark();
    lab.touch(4, Read);
    expect(lab.counts(...CMO, 'coalesce.2m', 'leaf.install.2m', 'tlbi.vmid', 'mark_page_dirty')).toEqual([PMD, 0, 1, 0, 1, 1]);
    expect(lab.mmu.translate(BASE + 5)).toMatchObject({ level: 2, writable: true });
  });

  it('on a device: no D, no I, not executable; a fetch is the guest’s own error', () => {
    const lab = new Lab({ kernel, backing: plainBacking(1, true) });
    lab.touch(0, Write);
    expect(lab.counts(...CMO, 'leaf.install.4k')).toEqual([0, 0, 1]);
    expect(lab.mmu.translate(BASE)?.descriptor).toMatch(/c7$/);
    lab.touch(1, Exec);
    expect(lab.counts('guest_abort.injected', 'leaf.install.4k')).toEqual([1, 1]);
  });

  it('with DIC: walkers call for instruction-cache maintenance of every leaf, which does nothing line by line', () => {
    const lab = new Lab({ kernel, host: { dic: 'Y' } });
    lab.touch(0, Write);
    lab.touch(0, Exec);
    expect(lab.counts('guest_abort', 'mm_ops.icache_inval_pou', 'icache_inval_pou.lines')).toEqual([1, before ? 0 : 1, 0]);
  });

  it('an access flag that was cleared: set by the hardware, or by a fault without maintenance or invalidation', () => {
    for (const hafdbs of ['Y', 'N']) {
      const lab = new Lab({ kernel, host: { hafdbs } });
      lab.touch(0, Write);
      lab.mmu.host({ op: 'age', slot: 1, pageByPage: false, flush: true });
      expect(lab.counts('stage2.age', 'tlbi.vmid')).toEqual([1, 1]);
      lab.mark();
      lab.touch(0, Write);
      const faults = hafdbs === 'Y' ? 0 : 1;
      expect(lab.counts('guest_abort.access_flag', 'stage2.mkyoung', 'stage2.map', 'tlbi.ipa', ...CMO)).toEqual([faults, faults, 0, 0, 0, 0]);
      expect(lab.mmu.translate(BASE)?.accessed).toBe(true);
    }
  });

  it('copy-on-write of the zero page: the writer’s own fault is dropped, then its page is relaxed or mapped', () => {
    const lab = new Lab({ kernel, backing: { ...anonymous, populated: 2 } });
    // A neighbour keeps the table: without one change_pte would find none, and has no memory cache.
    for (const page of [0, 1]) lab.touch(page, Read);
    lab.mark();
    lab.touch(0, Write);
    const handsOver = compareReleases(parseRelease(kernel) ?? [0, 0, 0], [6, 10, 0]) < 0;
    const counts = ['notifier.invalidate', 'guest_abort.dropped', 'change_pte', 'stage2.relax_perms', 'stage2.map', 'dcache_clean_inval_poc.unmap'];
    expect(lab.counts(...counts)).toEqual([1, 1, handsOver ? 1 : 0, handsOver ? 1 : 0, handsOver ? 0 : 1, 1]);
    expect(lab.count('change_pte.dcache_clean_inval_poc')).toBe(handsOver ? 1 : 0);
    expect(lab.mmu.translate(BASE)).toMatchObject({ writable: true });
  });
});

describe('the memory cache', () => {
  it('is filled to 40 pages when it holds fewer than a walk may need', () => {
    // 40-bit addresses: 2 tables at most. Each of these pages lies in a 1 GiB region of its own: 2 tables per fault.
    const lab = new Lab({ npages: 2 ** 18 * 24 });
    for (let region = 0; region < 24; region++) lab.touch(region * 2 ** 18, Write);
    expect(lab.count('table.alloc')).toBe(2 * 24);
    // Start-up left 38 of 40; 19 faults take them, the 20th fills.
    expect(lab.counts('memcache.topup', 'memcache.topup.pages')).toEqual([1, 40]);
  });

  it('is left alone by a permission fault that cannot need a table', () => {
    const lab = new Lab();
    lab.touch(0, Write);
    lab.mark();
    lab.touch(0, Exec);
    expect(lab.count('memcache.topup')).toBe(0);
  });
});

describe('accesses outside memslots', () => {
  it('go to user space, and abort again each time', () => {
    const lab = new Lab();
    lab.mmu.host({ op: 'delete_memslot', slot: 1 });
    lab.mark();
    lab.touch(0, Read);
    lab.touch(0, Write);
    lab.touch(0, Exec);
    expect(lab.counts('guest_abort', 'guest_abort.mmio', 'guest_abort.injected', 'stage2.map', 'exit')).toEqual([3, 2, 1, 0, 3]);
  });
});

describe('unmapping', () => {
  it('cleans and invalidates leaf by leaf, and tables when they are empty', () => {
    const lab = new Lab({ kernel: '6.1.176' });
    for (let page = 0; page < 600; page++) lab.touch(page, Write);
    lab.mark();
    lab.mmu.host({ op: 'unmap', slot: 1 });
    expect(lab.counts('dcache_clean_inval_poc.unmap', 'tlbi.ipa', 'table.free')).toEqual([600, 603, 3]);
  });

  it('with FWB and range invalidation of 6.12: one range per chunk, tables one by one', () => {
    const lab = new Lab({ host: { cpu: 'max' } });
    for (let page = 0; page < 600; page++) lab.touch(page, Write);
    lab.mark();
    lab.mmu.host({ op: 'unmap', slot: 1 });
    expect(lab.counts('dcache_clean_inval_poc.unmap', 'tlbi.ipa', 'tlbi.range', 'table.free')).toEqual([0, 3, 1, 3]);
  });

  it('takes a block whole that is covered in part', () => {
    const lab = new Lab({ kernel: '6.1.176', backing: { ...plainBacking(2), hugetlb: false } });
    lab.touch(0, Write);
    lab.mmu.host({ op: 'unmap', slot: 1, firstPage: 7, npages: 1 });
    expect(lab.count('dcache_clean_inval_poc.unmap.bytes')).toBe(PMD);
    expect(lab.mmu.translate(BASE)).toBeUndefined();
  });
});

describe('reading the dirty log', () => {
  it('protects the span from the first to the last bit of each word', () => {
    const lab = new Lab();
    for (let page = 0; page < 256; page++) lab.touch(page, Write);
    lab.log(true);
    for (const page of [3, 10, 64, 200]) lab.touch(page, Write);
    lab.mark();
    lab.mmu.host({ op: 'get_dirty_log', slot: 1 });
    expect(lab.counts('stage2.wrprotect', 'stage2.wrprotect.bytes', 'tlbi.vmid')).toEqual([3, (8 + 1 + 1) * PAGE, 1]);
    lab.mark();
    lab.mmu.host({ op: 'get_dirty_log', slot: 1 });
    expect(lab.counts('stage2.wrprotect', 'tlbi.vmid')).toEqual([0, 0]);
  });

  it('write-protects a slot chunk by chunk: start-level entries before 6.1, largest blocks since', () => {
    const npages = 2 ** 18 * 3;
    for (const kernel of KERNELS) {
      // 48-bit addresses start at level 0: one entry is 512 GiB.
      const lab = new Lab({ kernel, npages, physBits: 48 });
      lab.log(true);
      expect([kernel, lab.count('stage2.wrprotect')]).toEqual([kernel, ['5.10.223', '5.13', '5.14'].includes(kernel) ? 1 : 3]);
    }
  });
});
