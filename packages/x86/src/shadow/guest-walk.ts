/**
 * The guest page walk in software: which frame an address maps to, with what rights, and through which table pages.
 *
 * Rights are those of all entries on the way taken together. An allowed access sets A everywhere on its way and, for a write, D in the leaf; a read through a
 * leaf that is not dirty is granted no write, so the first write is seen.
 *
 * Models: Linux arch/x86/kvm/mmu/paging_tmpl.h FNAME(walk_addr_generic)(), FNAME(update_accessed_dirty_bits)(), FNAME(protect_clean_gpte)();
 * mmu.h permission_fault(). Hot path.
 */
import { AccessKind } from '@mmulab/api';
import type { GuestTables } from '@mmulab/api';
import { Access } from '../roots/role';
import { Gpte, MAX_LEVELS, entriesOf, entrySpans } from './guest-memory';
import type { GuestMemory, TablePage } from './guest-memory';

// Bound here: a name that another package re-exports is a call of a getter.
const { Read, Write, Exec } = AccessKind;

/** No last-level table. */
const NO_BLOCK = -1;

/** Entries of a walk as they were, for each vCPU's last one: what is mapped under the lock must be what was walked without it. */
export class WalkedEntries {
  private readonly pages: (TablePage | undefined)[];
  private readonly index: Int32Array;
  private readonly bits: Uint8Array;
  private readonly gfns: Float64Array;
  /** Changes of entries, by all, up to the walk. */
  private readonly version: Float64Array;

  constructor(vcpus: number) {
    const size = vcpus * (MAX_LEVELS + 1);
    this.pages = new Array<TablePage | undefined>(size).fill(undefined);
    this.index = new Int32Array(size);
    this.bits = new Uint8Array(size);
    this.gfns = new Float64Array(size);
    this.version = new Float64Array(vcpus);
  }

  /** Notes the walk that has just ended. */
  note(vcpu: number, { pages, index, level, levels }: GuestWalk, version: number): void {
    this.version[vcpu] = version;
    for (let at = 1; at <= MAX_LEVELS; at++) {
      const slot = vcpu * (MAX_LEVELS + 1) + at;
      const page = at >= level && at <= levels ? pages[at] : undefined;
      this.pages[slot] = page;
      if (page === undefined) continue;
      this.index[slot] = index[at];
      this.bits[slot] = page.bits[index[at]];
      this.gfns[slot] = page.gfns[index[at]];
    }
  }

  /** Whether an entry of the walk noted last has changed since. @param version changes of entries up to now */
  haveChanged(vcpu: number, version: number): boolean {
    if (version === this.version[vcpu]) return false;
    for (let at = 1; at <= MAX_LEVELS; at++) {
      const slot = vcpu * (MAX_LEVELS + 1) + at;
      const page = this.pages[slot];
      if (page !== undefined && (page.bits[this.index[slot]] !== this.bits[slot] || page.gfns[this.index[slot]] !== this.gfns[slot])) return true;
    }
    return false;
  }
}

/** How the guest's own rules judge an access. */
export interface WalkRules {
  /** From user mode; walks of second-stage tables count as such. */
  readonly user: boolean;
  /** Supervisor writes respect read-only pages. */
  readonly wp: boolean;
  /** Entries may deny execution. */
  readonly nx: boolean;
  readonly smep: boolean;
  readonly smap: boolean;
}

/** The last walk; one object per MMU, overwritten by each. */
export class GuestWalk {
  /** Frame of the table page at each level on the way. */
  readonly tableGfn = new Float64Array(MAX_LEVELS + 1);
  /** Index within it. */
  readonly index = new Int32Array(MAX_LEVELS + 1);
  /** Rights granted by the entries above a level. */
  readonly above = new Int32Array(MAX_LEVELS + 1);
  readonly pages: (TablePage | undefined)[] = new Array<TablePage | undefined>(MAX_LEVELS + 1).fill(undefined);
  /** Levels of the tables walked. */
  levels = 0;
  /** Level of the guest's leaf. */
  level = 0;
  /** Frame of the address itself. */
  gfn = 0;
  /** Rights of the leaf as it is to be shadowed. */
  access = 0;
  // What the last walk came by above a last-level table: which table's, whose, and what it hangs on. Above it only A bits change without a store of the guest.
  private block = NO_BLOCK;
  private space: GuestTables | undefined = undefined;
  private nx = false;
  private stores = 0;
  /** Number of that way: another one may lead elsewhere, or with other rights. */
  way = 0;
  /** Whether A is set on all of that way. */
  private isMarked = false;

  constructor(
    private readonly memory: GuestMemory,
    /** An entry was changed in a table page. */
    private readonly wrote: (tableGfn: number) => void,
  ) {}

  /** Walks to a frame. @param kind 0 read, 1 write, 2 execute; @returns whether the guest's tables allow the access */
  walk(space: GuestTables, vfn: number, kind: number, rules: WalkRules): boolean {
    if (!this.descend(space, vfn, rules) || !permits(this.access, kind, rules)) return false;
    this.markAccessed(space.levels, kind === Write);
    const leaf = this.pages[this.level] as TablePage;
    if (kind !== Write && (leaf.bits[this.index[this.level]] & Gpte.Dirty) === 0) this.access &= ~Access.Write;
    return true;
  }

  /** Whether the walk ended at a large page that may be written and that one of the tables on the way lies in. @param respectsReadOnly no write of the kernel goes round the rights */
  isSelfMap(respectsReadOnly: boolean): boolean {
    if (this.level === 1 || (respectsReadOnly && (this.access & Access.Write) === 0)) return false;
    const span = entrySpans(this.levels)[this.level];
    const block = Math.floor(this.gfn / span);
    for (let level = this.level; level <= this.levels; level++) if (Math.floor(this.tableGfn[level] / span) === block) return true;
    return false;
  }

  /** Whether a walk to a frame would come to a last-level table along entries that are all marked already. Then it is the last way. */
  prime(space: GuestTables, vfn: number, rules: WalkRules): boolean {
    if (!this.descend(space, vfn, rules) || this.level > 1) return false;
    if (this.isMarked) return true;
    for (let level = space.levels; level > 1; level--) {
      if (((this.pages[level] as TablePage).bits[this.index[level]] & Gpte.Accessed) === 0) return false;
    }
    this.isMarked = true;
    return true;
  }

  private descend(space: GuestTables, vfn: number, rules: WalkRules): boolean {
    const entries = entriesOf(space.levels);
    const block = Math.floor(vfn / entries);
    const isKnown = block === this.block && space === this.space && rules.nx === this.nx && this.stores === this.memory.stores;
    if (isKnown) return this.lookUp(this.pages[1] as TablePage, 1, vfn & (entries - 1), this.above[1], 0, rules);
    this.block = NO_BLOCK;
    this.way++;
    this.isMarked = false;
    if (!this.descendAll(space, vfn, entries, rules)) return false;
    if (this.level > 1) return true;
    this.block = block;
    this.space = space;
    this.nx = rules.nx;
    this.stores = this.memory.stores;
    return true;
  }

  /** From the top table down. */
  private descendAll(space: GuestTables, vfn: number, entries: number, rules: WalkRules): boolean {
    const { levels } = space;
    this.levels = levels;
    const spans = entrySpans(levels);
    let access: number = Access.All;
    let frame = space.root;
    for (let level = levels; level >= 1; level--) {
      const span = spans[level];
      const number = Math.floor(vfn / span);
      // A power of two: the low bits of a number of any size.
      const index = number & (entries - 1);
      const page = this.memory.walked(space, frame, level, Math.floor(number / entries));
      this.tableGfn[level] = frame;
      this.above[level] = access;
      this.pages[level] = page;
      if (!this.lookUp(page, level, index, access, vfn - number * span, rules)) return false;
      if (this.level === level) return true;
      access = this.access;
      frame = this.gfn;
    }
    return false;
  }

  /** One entry on the way. @param offset of the frame wanted within what the entry spans; @returns whether it is present */
  private lookUp(page: TablePage, level: number, index: number, access: number, offset: number, rules: WalkRules): boolean {
    const bits = page.bits[index];
    this.index[level] = index;
    if ((bits & (Gpte.Present | Gpte.Reserved)) !== Gpte.Present) return false;
    const isLeaf = level === 1 || (bits & Gpte.Large) !== 0;
    this.level = isLeaf ? level : 0;
    this.access = access & accessOf(bits, rules.nx);
    this.gfn = page.gfns[index] + (isLeaf ? offset : 0);
    return true;
  }

  /** Sets A on the way, D in the leaf of a write. */
  private markAccessed(levels: number, write: boolean): void {
    for (let level = this.isMarked ? this.level : levels; level >= this.level; level--) {
      const page = this.pages[level] as TablePage;
      const index = this.index[level];
      const old = page.bits[index];
      const next = old | Gpte.Accessed | (write && level === this.level ? Gpte.Dirty : 0);
      if (next === old) continue;
      page.bits[index] = next;
      this.memory.version++;
      this.wrote(page.frame);
    }
    this.isMarked = true;
  }
}

/** Three access bits of an entry. */
export function accessOf(bits: number, nx: boolean): number {
  let access = 0;
  if (!nx || (bits & Gpte.Executable) !== 0) access |= Access.Exec;
  if ((bits & Gpte.Writable) !== 0) access |= Access.Write;
  if ((bits & Gpte.User) !== 0) access |= Access.User;
  return access;
}

/** Whether rights allow an access by the guest's rules. @param kind 0 read, 1 write, 2 execute */
export function permits(access: number, kind: number, rules: WalkRules): boolean {
  const isUserPage = (access & Access.User) !== 0;
  if (rules.user && !isUserPage) return false;
  if (!rules.user && isUserPage && (kind === Exec ? rules.smep : rules.smap)) return false;
  if (kind === Exec) return (access & Access.Exec) !== 0;
  return kind === Read || (access & Access.Write) !== 0 || (!rules.wp && !rules.user);
}
