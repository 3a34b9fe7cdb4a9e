/**
 * What the backend counts. Everything but the flushes of the whole VM is counted for the memslot it concerns: faults by their guest physical address, fences by
 * the address they are for.
 */
import type { EventDef } from '@mmulab/api';
import { CommonEvents, RING_EVENTS, ringEvents, workEvents } from '@mmulab/kvm';

/** Leaf sizes by level from 1 on. */
const SIZES = ['4k', '2m', '1g'] as const;

type Row = readonly [name: string, doc: string, unit?: EventDef['unit']];

const bySize = (name: string, doc: string): Row[] => SIZES.map(size => [`${name}.${size}`, doc.replace('%', size.toUpperCase())]);

const rows: readonly Row[] = [
  ['exit', 'Guest exits the MMU caused.'],
  ['guest_abort', 'Guest page faults of the G-stage (scause 20, 21, 23).'],
  ['guest_abort.load', 'Guest page faults of loads.'],
  ['guest_abort.store', 'Guest page faults of stores; those of a walk through the guest’s tables on behalf of a store among them.'],
  ['guest_abort.fetch', 'Guest page faults of instruction fetches.'],
  ['guest_abort.vs_walk', 'Guest page faults on pages of the guest’s own tables.'],
  ['mmio', 'Faults handed to user space: no memslot, or a store to a read-only one.'],
  ['injected', 'Faults given back to the guest as its own access faults.'],
  ['gstage.map', 'Calls of the fault path’s mapper.'],
  ['gstage.map.retry', 'Of these: given up because an MMU notifier ran in between.'],
  ['gstage.map.error', 'Of these: failed, so that KVM_RUN returns an error.'],
  ['fast_fault', 'Attempts to give a logged page its write permission back without resolving the host page.'],
  ['fast_fault.fixed', 'Of these: successful.'],
  ...bySize('leaf.install', 'Leaves of % where no leaf was; also over a table.'),
  ...bySize('leaf.update', 'Leaves of % that got another value.'),
  ...bySize('leaf.same', 'Leaves of % found, or written again, with the value they had.'),
  ...bySize('leaf.zap', 'Leaves of % taken away.'),
  ...bySize('leaf.wrprotect', 'Leaves of % that the write-protect walk visited.'),
  ['leaf.wrprotect.changed', 'Of all leaves that walk visited: those that were writable.'],
  ['split.2m', 'Leaves of 2M split into a table.'],
  ['split.1g', 'Leaves of 1G split into a table.'],
  ['table.alloc', 'Tables linked; the root is not among them.', 'tables'],
  ['table.overwritten', 'Leaves written over a table, which is never freed.', 'tables'],
  ['mark_page_dirty', 'Calls of mark_page_dirty_in_slot, whether or not the memslot is logged.'],
  ['dirty_bitmap.new', 'Bits of dirty bitmaps that went from clear to set.'],
  ['dirty_bitmap.set', 'Bits that are set in the bitmap user space gets.', 'pages'],
  ['wrprotect', 'Calls of the write-protect walk.'],
  ['wrprotect.bytes', 'Spans these calls were asked for.', 'bytes'],
  ['notifier.unmap', 'MMU notifier calls that unmap a range of a memslot.'],
  ['notifier.unmap.pages', 'Pages of these ranges.', 'pages'],
  ['hfence.gpa', 'Fence requests with an address range.'],
  ['hfence.gpa.bytes', 'Spans of these ranges.', 'bytes'],
  ['hfence.gpa.queued', 'Of these requests: put into the rings of all vCPUs.'],
  ['hfence.gpa.overflow', 'Of these requests: made for the whole VMID because some ring was full.'],
  ['hfence.ipi', 'vCPUs in the guest that requests interrupted.'],
  ['hfence.all', 'Requests to flush everything.'],
  ['hfence.local.gpa', 'Ring items served at vCPU entry.'],
  ['hfence.local.gpa.steps', 'HFENCE instructions these items took.'],
  ['hfence.local.gpa.widened', 'Of these items: so long that one fence of the whole VMID was cheaper.'],
  ['tlb_flush', 'Requests for the whole VMID served at vCPU entry.'],
];

/** Flushes that concern no memslot in particular. */
const OF_THE_VM = ['hfence.all', 'tlb_flush'];

/** All events, in the order of their indices. */
export const events: readonly EventDef[] = [
  ...rows.map(([name, doc, unit = 'events']): EventDef => {
    return { name, doc, unit, gauge: false, ...(OF_THE_VM.includes(name) ? { scope: 'vm' as const } : {}) };
  }),
  CommonEvents.notifierInvalidate,
  ...workEvents,
  ...RING_EVENTS,
];

/** Index of an event; of those by size, that of 4K: the index of level l is l - 1 more. */
const at = (name: string): number => events.findIndex(event => event.name === name);

/** Indices. */
export const Ev = {
  exit: at('exit'),
  abort: at('guest_abort'),
  /** Plus an AccessKind. */
  abortKind: at('guest_abort.load'),
  vsWalk: at('guest_abort.vs_walk'),
  mmio: at('mmio'),
  injected: at('injected'),
  map: at('gstage.map'),
  retry: at('gstage.map.retry'),
  error: at('gstage.map.error'),
  fast: at('fast_fault'),
  fixed: at('fast_fault.fixed'),
  install: at('leaf.install.4k') - 1,
  update: at('leaf.update.4k') - 1,
  same: at('leaf.same.4k') - 1,
  zap: at('leaf.zap.4k') - 1,
  protect: at('leaf.wrprotect.4k') - 1,
  protectChanged: at('leaf.wrprotect.changed'),
  split: at('split.2m') - 2,
  tableAlloc: at('table.alloc'),
  overwritten: at('table.overwritten'),
  markDirty: at('mark_page_dirty'),
  dirtyRings: ringEvents(at),
  bitsNew: at('dirty_bitmap.new'),
  bitsRead: at('dirty_bitmap.set'),
  wrprotect: at('wrprotect'),
  wrprotectBytes: at('wrprotect.bytes'),
  unmap: at('notifier.unmap'),
  unmapPages: at('notifier.unmap.pages'),
  hfence: at('hfence.gpa'),
  hfenceBytes: at('hfence.gpa.bytes'),
  queued: at('hfence.gpa.queued'),
  overflow: at('hfence.gpa.overflow'),
  ipi: at('hfence.ipi'),
  hfenceAll: at('hfence.all'),
  local: at('hfence.local.gpa'),
  localSteps: at('hfence.local.gpa.steps'),
  widened: at('hfence.local.gpa.widened'),
  flush: at('tlb_flush'),
  notifierInvalidate: at(CommonEvents.notifierInvalidate.name),
  /** The first of the group that every backend counts. */
  work: at(workEvents[0]?.name ?? ''),
} as const;
