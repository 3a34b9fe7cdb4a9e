/**
 * Events of the arm64 stage-2 backend, and their indices.
 *
 * Names with sizes exist for the leaf sizes of all three granules; a run counts those of its own. Levels are in the architecture's numbering.
 */
import type { EventDef } from '@mmulab/api';
import { CommonEvents, RING_EVENTS, Work, counted, eventIndices, ringEvents, workEvents } from '@mmulab/kvm';

const event = counted('events');
const bytes = counted('bytes');
const tables = counted('tables');

/** Leaf sizes by granule in bytes, from the page up. */
const LEAF_SIZES: Readonly<Record<number, readonly string[]>> = {
  4096: ['4k', '2m', '1g'],
  16384: ['16k', '32m'],
  65536: ['64k', '512m'],
};
const SIZES = Object.values(LEAF_SIZES).flat();
const BLOCK_SIZES = Object.values(LEAF_SIZES).flatMap(sizes => sizes.slice(1));
const ACCESSES = ['read', 'write', 'exec'];
const LEVELS = [0, 1, 2, 3];

/** All events, in the order of their indices. */
export const stage2Events: readonly EventDef[] = [
  event('guest_abort', 'Stage-2 aborts of the guest, those that map nothing included (kvm_guest_fault).'),
  ...ACCESSES.map(access => event(`guest_abort.translation.${access}`, `Translation faults: ${access}; stage-1 walks count as reads.`)),
  ...ACCESSES.map(access => event(`guest_abort.permission.${access}`, `Permission faults: ${access}.`)),
  ...LEVELS.map(level => event(`guest_abort.translation.level${level}`, `Translation faults whose walk ended at an entry of level ${level}.`)),
  ...LEVELS.map(level => event(`guest_abort.permission.level${level}`, `Permission faults on a leaf of level ${level}.`)),
  event('guest_abort.access_flag', 'Access-flag faults: leaves that were aged, on hardware that does not set the flag itself.'),
  event('guest_abort.s1ptw', 'Aborts of the guest’s own page-table walks (stage 1), translation faults all.'),
  event('guest_abort.mmio', 'Aborts on frames without memslot, and writes to read-only slots: exits to user space.'),
  event('guest_abort.injected', 'Aborts handed on to the guest: fetches and table walks outside memory, fetches from devices.'),
  event('guest_abort.dropped', 'Aborts that ended without a map or relax call: the notifier sequence had moved, or the host page had gone.'),
  event('stage2.map', 'Calls of the map walker by faults.'),
  event('stage2.map.eagain', 'Of these: returned -EAGAIN.'),
  event('stage2.map.on_translation', 'Of the calls of the map walker: on translation faults.'),
  event('stage2.map.on_permission', 'Of the calls of the map walker: on permission faults.'),
  event('stage2.relax_perms', 'Calls of the attribute walker that add rights.'),
  event('stage2.relax_perms.eagain', 'Of these: returned -EAGAIN.'),
  event('stage2.mkyoung', 'Calls of the attribute walker that set the access flag.'),
  event('stage2.wrprotect', 'Calls of the write-protect walker: per chunk of a slot, per 64-page word of a bitmap.'),
  bytes('stage2.wrprotect.bytes', 'Spans these calls were asked for.'),
  event('stage2.age', 'Leaves whose access flag aging cleared.'),
  event(
    'stage2.age.calls',
    'Calls of the aging walker that clear access flags: per notifier call and memslot, per page where the host ages page by page.',
  ),
  bytes('stage2.age.bytes', 'Spans these calls were asked for.'),
  event('stage2.age.test', 'Calls of the aging walker that only look (test_young).'),
  event('stage2.unmap', 'Calls of the unmap walker: per chunk of what an MMU notifier or the deletion of a memslot takes away.'),
  bytes('stage2.unmap.bytes', 'Spans these calls were asked for.'),
  event('eager_split', 'Calls of the split walker, one per chunk.'),
  bytes('eager_split.bytes', 'Spans these calls were asked for.'),
  ...SIZES.map(size => event(`leaf.install.${size}`, `Map walker: invalid to a leaf of ${size}, below a block just broken too.`)),
  ...BLOCK_SIZES.map(size => event(`split.${size}`, `Map walker: blocks of ${size} replaced by a table.`)),
  ...BLOCK_SIZES.map(size => event(`coalesce.${size}`, `Map walker: tables replaced by a block of ${size}.`)),
  event('leaf.replace', 'Map walker: leaves replaced by another leaf, break-before-make.'),
  event('leaf.same', 'Map walker: calls that found just that leaf and returned 0 (before 5.12).'),
  event('dcache_clean_inval_poc', 'Data-cache maintenance done for mappings.'),
  bytes('dcache_clean_inval_poc.bytes', 'Bytes of it.'),
  event('dcache_clean_inval_poc.lines', 'Cache lines of it.'),
  event('dcache_clean_inval_poc.unmap', 'Data-cache maintenance done for leaves that go away.'),
  bytes('dcache_clean_inval_poc.unmap.bytes', 'Bytes of it.'),
  event('icache_inval_pou', 'Instruction-cache invalidations done.'),
  bytes('icache_inval_pou.bytes', 'Bytes of them.'),
  event('icache_inval_pou.lines', 'Cache lines of them: none with DIC, one for a whole-cache invalidation.'),
  event('tlbi.ipa', 'TLB invalidations by IPA, broadcast and local.'),
  event('tlbi.ipa_local', 'Of these: local to the CPU.'),
  event('tlbi.vmid', 'TLB invalidations of the whole VMID.'),
  event('tlbi.range', 'TLB invalidations of a range, one per piece of up to 8 GiB (with 4 KiB granules).'),
  CommonEvents.remoteTlbFlushRequests,
  tables('table.alloc', 'Table pages taken from a memory cache; those of the start level never.'),
  tables('table.free', 'Table pages whose reference count reached 0, when that happens.'),
  event('memcache.topup', 'Memory caches of vCPUs filled up because they held too little for a fault.'),
  tables('memcache.topup.pages', 'Pages allocated for that.'),
  event('mm_ops.zalloc_page', 'Calls of the callback zalloc_page.'),
  event('mm_ops.get_page', 'Calls of the callback get_page.'),
  event('mm_ops.put_page', 'Calls of the callback put_page.'),
  event('mm_ops.dcache_clean_inval_poc', 'Calls of the callback dcache_clean_inval_poc, with FWB too, where it does nothing.'),
  event('mm_ops.icache_inval_pou', 'Calls of the callback icache_inval_pou.'),
  event('mm_ops.free_unlinked_table', 'Calls of the callback free_unlinked_table: subtrees whose pages are freed after a grace period.'),
  CommonEvents.markPageDirty,
  CommonEvents.dirtyBitmapSet,
  ...RING_EVENTS,
  CommonEvents.notifierInvalidate,
  event('change_pte', 'MMU notifier change_pte: maps of a copied page (before 6.10); their leaves and maintenance count here alone.'),
  event('change_pte.failed', 'Of these: found no table to write to and had no memory cache.'),
  event('change_pte.dcache_clean_inval_poc', 'Data-cache maintenance of change_pte.'),
  bytes('change_pte.dcache_clean_inval_poc.bytes', 'Bytes of it.'),
  CommonEvents.exit,
  ...workEvents,
];

/** Index of an event by its name, checked at load time. */
export const eventIndex = eventIndices(stage2Events);

const work = eventIndex(workEvents[0].name);

/** Indices of the events by what they count. `translation` and `permission` are followed by those for read, write, exec. */
export const Ev = {
  guestAbort: eventIndex('guest_abort'),
  translation: eventIndex('guest_abort.translation.read'),
  permission: eventIndex('guest_abort.permission.read'),
  translationLevel: eventIndex('guest_abort.translation.level0'),
  permissionLevel: eventIndex('guest_abort.permission.level0'),
  accessFlag: eventIndex('guest_abort.access_flag'),
  s1ptw: eventIndex('guest_abort.s1ptw'),
  mmio: eventIndex('guest_abort.mmio'),
  injected: eventIndex('guest_abort.injected'),
  dropped: eventIndex('guest_abort.dropped'),
  map: eventIndex('stage2.map'),
  mapEagain: eventIndex('stage2.map.eagain'),
  mapOnTranslation: eventIndex('stage2.map.on_translation'),
  mapOnPermission: eventIndex('stage2.map.on_permission'),
  relax: eventIndex('stage2.relax_perms'),
  relaxEagain: eventIndex('stage2.relax_perms.eagain'),
  mkyoung: eventIndex('stage2.mkyoung'),
  wrprotect: eventIndex('stage2.wrprotect'),
  wrprotectBytes: eventIndex('stage2.wrprotect.bytes'),
  age: eventIndex('stage2.age'),
  ageCalls: eventIndex('stage2.age.calls'),
  ageBytes: eventIndex('stage2.age.bytes'),
  ageTest: eventIndex('stage2.age.test'),
  unmap: eventIndex('stage2.unmap'),
  unmapBytes: eventIndex('stage2.unmap.bytes'),
  eagerSplit: eventIndex('eager_split'),
  eagerSplitBytes: eventIndex('eager_split.bytes'),
  leafReplace: eventIndex('leaf.replace'),
  leafSame: eventIndex('leaf.same'),
  dcache: eventIndex('dcache_clean_inval_poc'),
  dcacheBytes: eventIndex('dcache_clean_inval_poc.bytes'),
  dcacheLines: eventIndex('dcache_clean_inval_poc.lines'),
  dcacheUnmap: eventIndex('dcache_clean_inval_poc.unmap'),
  dcacheUnmapBytes: eventIndex('dcache_clean_inval_poc.unmap.bytes'),
  icache: eventIndex('icache_inval_pou'),
  icacheBytes: eventIndex('icache_inval_pou.bytes'),
  icacheLines: eventIndex('icache_inval_pou.lines'),
  tlbiIpa: eventIndex('tlbi.ipa'),
  tlbiIpaLocal: eventIndex('tlbi.ipa_local'),
  tlbiVmid: eventIndex('tlbi.vmid'),
  tlbiRange: eventIndex('tlbi.range'),
  remoteTlbFlushRequests: eventIndex(CommonEvents.remoteTlbFlushRequests.name),
  tableAlloc: eventIndex('table.alloc'),
  tableFree: eventIndex('table.free'),
  memcacheTopup: eventIndex('memcache.topup'),
  memcachePages: eventIndex('memcache.topup.pages'),
  zallocPage: eventIndex('mm_ops.zalloc_page'),
  getPage: eventIndex('mm_ops.get_page'),
  putPage: eventIndex('mm_ops.put_page'),
  dcacheCallback: eventIndex('mm_ops.dcache_clean_inval_poc'),
  icacheCallback: eventIndex('mm_ops.icache_inval_pou'),
  freeUnlinkedTable: eventIndex('mm_ops.free_unlinked_table'),
  markPageDirty: eventIndex(CommonEvents.markPageDirty.name),
  dirtyBitmapSet: eventIndex(CommonEvents.dirtyBitmapSet.name),
  rings: ringEvents(eventIndex),
  notifierInvalidate: eventIndex('notifier.invalidate'),
  changePte: eventIndex('change_pte'),
  changePteFailed: eventIndex('change_pte.failed'),
  changePteDcache: eventIndex('change_pte.dcache_clean_inval_poc'),
  changePteDcacheBytes: eventIndex('change_pte.dcache_clean_inval_poc.bytes'),
  exit: eventIndex(CommonEvents.exit.name),
  /** The first of the group. */
  work,
  exchangeLost: work + Work.lost,
  exchangeFrozen: work + Work.frozen,
  rcuFree: work + Work.rcuFree,
} as const;

/** Events whose names carry a leaf size, by level counted from 1 (index 0 unused; 1 unused where only blocks count). */
export interface SizedEvents {
  readonly install: readonly number[];
  readonly split: readonly number[];
  readonly coalesce: readonly number[];
}

/** Indices of the sized events of a granule in bytes. */
export function sizedEvents(granuleBytes: number): SizedEvents {
  const sizes = LEAF_SIZES[granuleBytes] ?? [];
  const blocks = (prefix: string): readonly number[] => [-1, -1, ...sizes.slice(1).map(size => eventIndex(`${prefix}.${size}`))];
  return { install: [-1, ...sizes.map(size => eventIndex(`leaf.install.${size}`))], split: blocks('split'), coalesce: blocks('coalesce') };
}
