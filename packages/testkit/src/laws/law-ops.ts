/**
 * What the host does in a step of a scenario, as the operation a backend is told; and which pages of a slot it is about.
 */
import type { HostOp } from '@mmulab/api';
import type { KnownSlot } from './known-slot';
import type { LawHostStep, LawRange } from './scenario';

/** What decides, beside the slot, whether the kernel would refuse a step. */
export interface LawVm {
  readonly manual: 'no' | 'yes' | 'initially-set';
  readonly pageBytes: number;
  /** Frames by which a slot may move up. */
  readonly roomFrames: number;
}

/** A stretch of pages: the first, and the first behind it. */
export type Pages = readonly [first: number, end: number];

/** The operation of a step on a slot; undefined where the kernel would refuse it. */
export function slotOpOf(step: Extract<LawHostStep, { slot: number }>, slot: KnownSlot, vm: LawVm): HostOp | undefined {
  const { spec } = slot.region;
  const { id } = spec;
  if (step.do === 'create')
    return slot.exists ? undefined : { op: 'create_memslot', spec: slot.specNow, memory: step.kept === true ? 'kept' : 'new' };
  if (!slot.exists) return undefined;
  switch (step.do) {
    case 'delete':
      return { op: 'delete_memslot', slot: id };
    case 'move':
      return slot.away === step.away ? undefined : { op: 'move_memslot', slot: id, baseGfn: slot.region.gfn + (step.away ? vm.roomFrames : 0) };
    case 'flags':
      return slot.readonly === step.readonly ? undefined : { op: 'set_memslot_flags', slot: id, readonly: step.readonly };
    case 'log':
      return slot.readonly || slot.logged === step.on ? undefined : { op: 'set_dirty_log', slot: id, on: step.on };
    case 'get':
      return slot.logged ? { op: 'get_dirty_log', slot: id } : undefined;
    case 'clear':
      return slot.logged && slot.wasRead && vm.manual !== 'no' ? { op: 'clear_dirty_log', slot: id, ...rangeOf(wordsOf(slot, step)) } : undefined;
    case 'age':
      return { op: 'age', slot: id, ...rangeOf(pagesOf(slot, step)), pageByPage: true, flush: true };
    default:
      return memoryOpOf(step, slot, vm);
  }
}

/** What the host does to the memory behind a slot. It does not write where it may not. */
function memoryOpOf(
  step: Extract<LawHostStep, { do: 'unmap' | 'free' | 'hostwrite' | 'protect' }>,
  slot: KnownSlot,
  { pageBytes }: LawVm,
): HostOp | undefined {
  const { id, backing } = slot.region.spec;
  const whole = wholePagesOf(slot, step, pageBytes);
  switch (step.do) {
    case 'unmap':
      if (backing.droppable === false || (step.stride !== undefined && backing.hugetlb)) return undefined;
      return { op: 'unmap', slot: id, ...rangeOf(whole), ...(step.stride === undefined ? {} : { stride: step.stride }) };
    case 'protect':
      return { op: 'protect', slot: id, ...rangeOf(whole), writable: step.writable };
    case 'free':
      return backing.changes?.freeable === true ? { op: 'madvise', advice: 'free', slot: id, ...rangeOf(whole) } : undefined;
    case 'hostwrite':
      return slot.isGuarded(...whole) ? undefined : { op: 'host_access', write: true, slot: id, ...rangeOf(whole) };
  }
}

/** Pages of a step, as far as the slot has them. */
export function pagesOf(slot: KnownSlot, { page, npages }: LawRange): Pages {
  const first = page % slot.npages;
  return [first, Math.min(slot.npages, first + npages)];
}

/** Pages of hugetlb memory go whole or not at all. */
export function wholePagesOf(slot: KnownSlot, range: LawRange, pageBytes: number): Pages {
  const [first, end] = pagesOf(slot, range);
  const { backing, hvf } = slot.region.spec;
  if (!backing.hugetlb) return [first, end];
  const span = (pageBytes / 8) ** (backing.pageLevel - 1) * (backing.contiguous ?? 1);
  return [Math.max(0, first - ((hvf + first) % span)), Math.min(slot.npages, end + ((span - ((hvf + end) % span)) % span))];
}

/** Whole words of the bitmap. */
export function wordsOf(slot: KnownSlot, range: LawRange): Pages {
  const [first, end] = pagesOf(slot, range);
  return [first - (first % 64), Math.min(slot.npages, Math.ceil(end / 64) * 64)];
}

function rangeOf([first, end]: Pages): { readonly firstPage: number; readonly npages: number } {
  return { firstPage: first, npages: end - first };
}
