/**
 * Counters of work: how much there was to do under which lock, which the counters of what came of it do not tell. Every backend appends them to its own, in this order, and
 * cost models price them.
 *
 * They belong to the group `work`: outputs for readers show them when asked to.
 */
import type { EventDef } from './events';

type Row = readonly [name: string, unit: EventDef['unit'], doc: string, fold?: EventDef['fold']];

const rows = [
  ['guest_access.read', 'events', 'Accesses that guest programs make: reads. Counted for the vCPU as its program begins.'],
  ['guest_access.write', 'events', 'Accesses that guest programs make: writes; of accesses at random, as many as the percentage says.'],
  ['guest_access.exec', 'events', 'Accesses that guest programs make: instruction fetches.'],
  ['guest_access.pages', 'pages', 'Different pages that a vCPU’s programs touch in the phase.'],
  ['mmu_lock.read', 'events', 'Acquisitions of mmu_lock for reading, by faults and by operations of the host.'],
  ['mmu_lock.write', 'events', 'Acquisitions of mmu_lock for writing, or of the lock where it is a spinlock.'],
  [
    'mmu_lock.yield',
    'events',
    'Points within a hold of the host at which the kernel lets go of the lock if somebody waits: between the chunks of a range on arm64, at each leaf on x86.',
  ],
  ['dirty_log.get_calls', 'events', 'Dirty bitmaps handed out (KVM_GET_DIRTY_LOG).'],
  ['dirty_log.clear_calls', 'events', 'Calls that clear bits of a dirty bitmap (KVM_CLEAR_DIRTY_LOG).'],
  ['dirty_log.copied_words', 'events', 'Words of 64 pages of dirty bitmaps copied to user space or from it.'],
  ['dirty_log.words', 'events', 'Words of dirty bitmaps that had bits to take: their pages are protected again.'],
  ['dirty_log.bits', 'events', 'Bits of dirty bitmaps that were taken: read, or cleared by a call, and their pages protected again.'],
  [
    'leaves.visited',
    'events',
    'Leaves met by walks over a range or a word of a dirty bitmap (protecting, aging, unmapping, splitting, zapping), those in a table that goes among them.',
  ],
  ['leaves.changed', 'events', 'Of these: changed, split or taken away.'],
  [
    'tables.walked',
    'tables',
    'Table pages whose entries such walks went over, the root of each walk among them; the legacy MMU finds leaves without.',
  ],
  ['host_page.clear', 'pages', 'Small pages’ worth of memory that the host cleared for faults, in vain where another fault came first.'],
  ['host_page.copy', 'pages', 'Small pages that the host copied for faults (copy-on-write), the zero page among them.'],
  [
    'host_page.map_shared',
    'events',
    'Read faults of the host that mapped what is shared: the zero page, the huge zero page, a page of the page cache.',
  ],
  ['host_page.split_zero', 'events', 'Huge zero pages the host split into 4 KiB ones for a write, in vain where another fault came first.'],
  ['exchange.lost', 'events', 'Changes of an entry given up because another vCPU had changed it since it was read.'],
  ['exchange.frozen', 'events', 'Of these: met an entry that another walk had frozen or locked.'],
  ['table.rcu_free', 'tables', 'Tables that were freed after a grace period.'],
  ['remote_tlb_flush.running', 'events', 'Requests to flush the TLBs of all vCPUs that a vCPU made by its faults, while others run.'],
  [
    'remote_tlb_flush.ipi',
    'events',
    'vCPUs that these requests interrupt: all others that run in the phase. None where invalidations are broadcast.',
  ],
  ['host_call', 'events', 'Operations of the host on a range of a memslot.'],
  ['host_call.bytes', 'bytes', 'Bytes of guest memory these operations were asked for.'],
  ['host_call.bytes.min', 'bytes', 'Fewest of them in one operation.', 'min'],
  ['host_call.bytes.max', 'bytes', 'Most of them in one operation.', 'max'],
  ['host_call.words.min', 'events', 'Fewest words of a dirty bitmap taken by one operation that took any.', 'min'],
  ['host_call.words.max', 'events', 'Most words of a dirty bitmap taken by one operation.', 'max'],
  ['host_call.leaves.min', 'events', 'Fewest leaves met by one operation that met any.', 'min'],
  ['host_call.leaves.max', 'events', 'Most leaves met by one operation.', 'max'],
] as const satisfies readonly Row[];

/** Events of the group, in the order of their indices. */
export const workEvents: readonly EventDef[] = (rows as readonly Row[]).map(([name, unit, doc, fold]) => {
  return { name, unit, gauge: false, doc, group: 'work' as const, ...(fold === undefined ? {} : { fold }) };
});

/** Name of an event of the group. */
export type WorkEventName = (typeof rows)[number][0];
