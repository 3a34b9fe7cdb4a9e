/**
 * Accesses of all vCPUs to the same memory, as a program the engine may lift: one round per block.
 *
 * The rounds themselves are simulated in virtual time by whoever drives the backend; this is how the engine repeats them. What happens in a round hangs on the block's
 * entries, host pages and dirty bits, on which accesses fall into it, and on chance; counters of all vCPUs are recorded and replayed by the driver, because the engine
 * knows one vector only. Lest one throw decide all, a round is performed several times, on neighbouring blocks, before it is repeated: the more often the cheaper it is.
 *
 * Models nothing of its own.
 */
import type { SharedPart, SharedRounds } from '@mmulab/api';
import { NOT_LIFTED } from '@mmulab/pgtable';
import type { FrameMap, Journal, RunProgram } from '@mmulab/pgtable';
import type { Stage2Attrs } from './descriptor';
import type { GuestLayout } from '@mmulab/kvm';
import type { Memslot, Memslots } from '@mmulab/kvm';
import type { CountingMmOps } from './mm-ops';

/** Accesses that the rounds of equal blocks may come to before they are repeated. */
const VARIED_ACCESSES = 2 ** 17;
/** Most rounds on equal blocks that are performed. */
const MAX_VARIANTS = 256;

/** A stretch of shared accesses in guest frames, and the virtual frame its addresses came from. */
export interface SharedStretch {
  readonly part: SharedPart;
  /** What to add to a virtual frame to get the guest's physical one. */
  readonly offset: number;
}

/** Cuts the parts at the borders of guest mappings and memslots, and calls once for each sequence of stretches in one slot. */
export function eachSharedStretch(
  parts: readonly SharedPart[],
  layout: GuestLayout,
  slots: Memslots,
  call: (stretches: readonly SharedStretch[], slot: Memslot | undefined) => void,
): void {
  let pending: SharedStretch[] = [];
  let current: Memslot | undefined;
  let offset = 0;
  const flush = (): void => {
    if (pending.length > 0) call(pending, current);
    pending = [];
  };
  for (const part of parts) {
    for (let index = 0; index < part.count;) {
      const vfn = part.vfn + index * part.stride;
      const guest = layout.runAt(vfn);
      const shift = guest.gfn - guest.vfn;
      const slot = slots.find(vfn + shift);
      const end = Math.min(guest.vfn + guest.npages, slot === undefined ? vfn + 1 : slot.end - shift);
      const count = Math.min(part.count - index, Math.ceil((end - vfn) / part.stride));
      if (slot !== current || shift !== offset) flush();
      current = slot;
      offset = shift;
      pending.push({ part: { ...part, vfn, count }, offset: shift });
      index += count;
    }
  }
  flush();
}

/** Shared accesses within one memslot. */
export class SharedProgram implements RunProgram, Journal {
  readonly constants: string;
  readonly origin: number;
  readonly period = 1;
  readonly stride = 1;
  readonly frameMaps: readonly FrameMap[];
  readonly journal = this;
  /** Frames from the first access to behind the last. */
  readonly first: number;
  readonly end: number;
  private readonly offset: number;
  private readonly kinds: readonly number[];
  private hint = 0;

  constructor(
    private readonly rounds: SharedRounds,
    private readonly stretches: readonly SharedStretch[],
    private readonly slot: Memslot | undefined,
    private readonly slots: Memslots,
    private readonly attrs: Stage2Attrs,
    private readonly mm: CountingMmOps,
  ) {
    const [begin] = stretches;
    const last = stretches.at(-1);
    this.offset = begin?.offset ?? 0;
    this.first = (begin?.part.vfn ?? 0) + this.offset;
    this.end = last === undefined ? this.first : last.part.vfn + (last.part.count - 1) * last.part.stride + this.offset + 1;
    this.origin = this.first;
    this.kinds = [...new Set(stretches.flatMap(({ part }) => part.kinds))];
    this.constants = `shared/${slot?.index ?? -1}/${String(slot?.logged)}/${begin?.part.kinds.length ?? 0}`;
    this.frameMaps = slots.pageMaps;
  }

  block(from: number, to: number): void {
    this.rounds.simulate(from - this.offset, to - this.offset);
    this.mm.endGracePeriod();
  }

  isStable(attr: number): boolean {
    return this.kinds.every(kind => this.attrs.isStable(attr, kind));
  }

  context(gfn: number, level: number): number {
    const { slot } = this;
    // When a dirty ring is full hangs on what it holds.
    if (slot === undefined || (slot.logged && this.slots.rings !== undefined)) return NOT_LIFTED;
    if (slot.hostReach > level && !this.slots.isHostStable(slot, gfn, level, true)) return NOT_LIFTED;
    return slot.maxLevel(gfn);
  }

  /** Accesses that fall into a block, relative to it, and which throw of the dice it takes. */
  phase(base: number, level: number): string {
    const span = this.slots.geometry.pagesAt(level);
    const end = base + span;
    const { stretches, offset } = this;
    if (lastOf(stretches[this.hint], offset) >= base && this.hint > 0 && lastOf(stretches[this.hint - 1], offset) >= base) this.hint = 0;
    while (this.hint < stretches.length - 1 && lastOf(stretches[this.hint], offset) < base) this.hint++;
    let text = 'phase';
    let accesses = 0;
    for (let i = this.hint; i < stretches.length; i++) {
      const { part } = stretches[i];
      const begin = part.vfn + offset;
      if (begin >= end) break;
      const first = Math.max(0, Math.ceil((base - begin) / part.stride));
      const behind = Math.min(part.count, Math.ceil((end - begin) / part.stride));
      if (first >= behind) continue;
      text += `/${begin + first * part.stride - base}+${behind - first}*${part.stride}:${part.kinds.join('')}`;
      accesses += (behind - first) * part.kinds.length;
    }
    return `${text}#${Math.floor(base / span) % variantsOf(accesses)}`;
  }

  open(): void {
    this.rounds.open();
  }

  close(): unknown {
    return this.rounds.close();
  }

  replay(effects: unknown): void {
    this.rounds.replay(effects);
  }
}

function lastOf({ part }: SharedStretch, offset: number): number {
  return part.vfn + (part.count - 1) * part.stride + offset;
}

/** How many rounds of so many accesses are performed on equal blocks: a power of two, so that blocks of a higher level are alike again. */
function variantsOf(accesses: number): number {
  let variants = 1;
  while (variants < MAX_VARIANTS && variants * 2 * accesses <= VARIED_ACCESSES) variants *= 2;
  return variants;
}
