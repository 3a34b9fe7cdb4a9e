/**
 * The hardware's walk of a guest's tables that the guest writes while it runs: which table pages it comes by, where it ends, and with what rights.
 *
 * Only the frames matter: A and D bits that the hardware sets in the guest's own tables are seen by nobody here. Hot path.
 */
import type { GuestTables } from '@mmulab/api';
import { Access } from '../roots/role';
import { Gpte, MAX_LEVELS, entriesOf, entrySpans } from './guest-memory';
import type { GuestMemory } from './guest-memory';
import { accessOf } from './guest-walk';

/** Where nothing is. */
const NOWHERE = -1;

/** The last walk of one VM; made again where space, frame or tables differ. */
export class TableWalk {
  /** By level: frame of the table page on the way, or -1; at 0 the frame it ends at, or -1. */
  private readonly frames = new Float64Array(MAX_LEVELS + 1);
  /** Rights of all entries on the way together. */
  private rights = 0;
  private space: GuestTables | undefined = undefined;
  private vfn = NOWHERE;
  private stores = NOWHERE;

  constructor(private readonly memory: GuestMemory) {}

  /** The frame touched at a level on the way to a virtual frame, or -1. Level 0 is the frame itself. */
  frameAt(space: GuestTables, level: number, vfn: number): number {
    this.walk(space, vfn);
    return this.frames[level];
  }

  /** Rights that all entries on the way grant together. */
  rightsAt(space: GuestTables, vfn: number): number {
    this.walk(space, vfn);
    return this.rights;
  }

  private walk(space: GuestTables, vfn: number): void {
    if (vfn === this.vfn && space === this.space && this.stores === this.memory.stores) return;
    this.space = space;
    this.vfn = vfn;
    this.stores = this.memory.stores;
    this.frames.fill(NOWHERE);
    this.rights = Access.All;
    this.descend(space, vfn);
  }

  private descend(space: GuestTables, vfn: number): void {
    const { levels } = space;
    const entries = entriesOf(levels);
    const spans = entrySpans(levels);
    let frame = space.root;
    for (let level = levels; level >= 1; level--) {
      const number = Math.floor(vfn / spans[level]);
      this.frames[level] = frame;
      const page = this.memory.walked(space, frame, level, Math.floor(number / entries));
      const index = number & (entries - 1);
      const bits = page.bits[index];
      if ((bits & (Gpte.Present | Gpte.Reserved)) !== Gpte.Present) return;
      this.rights &= accessOf(bits, true);
      frame = page.gfns[index];
      if (level === 1 || (bits & Gpte.Large) !== 0) {
        this.frames[0] = frame + (vfn - number * spans[level]);
        return;
      }
    }
  }
}
