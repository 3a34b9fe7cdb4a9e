/**
 * Runs of accesses under shadow paging, a stretch of one last-level guest table at a time: the first of its kind is performed access by access, later ones are taken from memory.
 *
 * Only where the stretch is all that counts: the way to its table is walked, marked and linked already, the guest maps neighbouring frames of one memslot, none of them holds a
 * shadowed table or is mapped elsewhere, the vCPU owes nothing, pages are left. Then the accesses depend on the entries of that table, on ours for them, on
 * their frames' host pages and dirty bits, and on a few facts; and change nothing else but counters and what the journal keeps. Whatever else happened while a stretch was
 * performed (a call of the MMU notifier, a host page larger than one frame, an entry that went) is a reason not to remember it.
 *
 * Hot path.
 */
import { ENTRIES_PER_TABLE as TABLE_ENTRIES } from '@mmulab/api';
import type { AccessRun, Counters, GuestTables } from '@mmulab/api';
import { accessKind } from '@mmulab/kvm';
import type { Memslot } from '@mmulab/kvm';
import type { FrameMap } from '@mmulab/pgtable';
import { hasGptes } from '../roots/role';
import { BlockMemory, Packed, movedRuns, movesEntries } from './block-memory';
import type { BlockOutcome } from './block-memory';
import { Gpte, entriesOf } from './guest-memory';
import type { TablePage } from './guest-memory';
import type { GuestWalk, WalkRules } from './guest-walk';
import type { ShadowMapper } from './shadow-mapper';
import type { ShadowMmu } from './shadow-mmu';
import { singleHead } from './pte-list';
import { CHUNK } from './rmap';
import { NO_PAGE } from './shadow-page';
import { isLeaf } from './shadow-spte';

// Bound here: a name that another package re-exports is a call of a getter.
const ENTRIES_PER_TABLE: number = TABLE_ENTRIES;

/** Shorter stretches are performed. */
const MIN_ACCESSES = 16;
/** Stretches of a run that were met for the first time, one after the other, before its other ones are performed without looking. */
const MAX_MISSES = 16;
/** A fault may be all that is missing for a stretch to begin: it is looked at again after each of so many accesses. */
const MAX_REFUSALS = 2;
const NO_BLOCK = -1;
const NO_HEADS = new Int32Array(CHUNK);
const PRESENT: number = Gpte.Present;

/** What stretches ask of the VM. */
export interface BlockVm {
  rootPage(vcpu: number, frame: number): number;
  walkedSpace(vcpu: number): GuestTables;
  rules(vcpu: number): WalkRules;
  /** Whether a vCPU has something to do when it enters the guest. */
  owes(vcpu: number): boolean;
  /** Performs one access. */
  access(vcpu: number, vfn: number, kind: number): void;
}

/** Stretches of accesses on one VM. */
export class ShadowBlocks {
  private readonly memory = new BlockMemory();
  private readonly before = new Int32Array(ENTRIES_PER_TABLE);
  private readonly after = new Int32Array(ENTRIES_PER_TABLE);
  private readonly facts = new Float64Array(13);
  private counted = new Float64Array(0);
  // The stretch: our page, the guest's, the frame that its entry 0 would map, the memslot, the entries that the accesses or prefetches for them look at.
  private page = NO_PAGE;
  private table: TablePage | undefined = undefined;
  private base = 0;
  private slot: Memslot | undefined = undefined;
  private from = 0;
  private to = 0;
  private misses = 0;
  private refusedBlock = NO_BLOCK;
  private refusals = 0;

  constructor(
    private readonly mmu: ShadowMmu,
    private readonly map: ShadowMapper,
    private readonly walk: GuestWalk,
    private readonly counters: Counters,
    private readonly vm: BlockVm,
  ) {}

  /** A run begins. */
  begin(): void {
    this.misses = 0;
    this.refusedBlock = NO_BLOCK;
  }

  /** Makes accesses of a run from number `first` on, as far as one last-level table goes. @returns how many; 0: the next one is to be performed by itself */
  take(vcpu: number, run: AccessRun, first: number): number {
    const vfn = run.vfn + first * run.stride;
    const block = Math.floor(vfn / ENTRIES_PER_TABLE);
    const count = Math.min(run.count - first, Math.ceil(((block + 1) * ENTRIES_PER_TABLE - vfn) / run.stride));
    if (count < MIN_ACCESSES || this.misses > MAX_MISSES) return 0;
    if (block !== this.refusedBlock) this.refusals = 0;
    else if (this.refusals > MAX_REFUSALS) return 0;
    const index = vfn - block * ENTRIES_PER_TABLE;
    if (this.isReady(vcpu, vfn) && this.isPlain(index, index + (count - 1) * run.stride) && this.pack(this.before)) {
      this.setFacts(vcpu, run, first, index, count);
      this.make(vcpu, run, first, count);
      return count;
    }
    this.refusedBlock = block;
    this.refusals++;
    return 0;
  }

  /** Whether a fault of the next access would find its way as it stands: walked, marked and linked. */
  private isReady(vcpu: number, vfn: number): boolean {
    const { mmu, vm, walk } = this;
    const { pages } = mmu;
    const space = vm.walkedSpace(vcpu);
    // What a ring takes has an order, and may end in an exit.
    if (entriesOf(space.levels) !== ENTRIES_PER_TABLE || mmu.slots.rings !== undefined || vm.owes(vcpu)) return false;
    const root = vm.rootPage(vcpu, vfn);
    if (root === NO_PAGE) return false;
    const page = pages.lowest(root, vfn);
    if (pages.level(page) > 1 || !hasGptes(pages.role[page]) || !mmu.hasFreePages) return false;
    if (!walk.prime(space, vfn, vm.rules(vcpu)) || !this.map.prime(root, vfn, walk)) return false;
    const table = walk.pages[1] as TablePage;
    this.page = page;
    this.table = table;
    return table.frame === pages.gfn[page];
  }

  /** Whether frames of one slot lie behind the entries from `first` to `last`, and no shadowed table among them. */
  private isPlain(first: number, last: number): boolean {
    const { slots, track } = this.mmu;
    const table = this.table as TablePage;
    this.from = first & -8;
    this.to = (last | 7) + 1;
    this.base = table.gfns[first] - first;
    const slot = slots.find(table.gfns[first]);
    this.slot = slot;
    if (slot === undefined || slot.spec.readonly) return false;
    const low = Math.max(slot.base, this.base + this.from);
    const high = Math.min(slot.end, this.base + this.to) - 1;
    const { edgeFaults, pageLevel } = slot.spec.backing;
    const isEven = edgeFaults === undefined || slot.maxLevel(low) < pageLevel === slot.maxLevel(high) < pageLevel;
    return isEven && track.isClear(low) && track.isClear(high);
  }

  /** Puts what the accesses meet into words. @returns false where some entry is none of the plain kind */
  private pack(into: Int32Array): boolean {
    const { rmap, slots } = this.mmu;
    const { base, from, to } = this;
    for (let first = from; first < to;) {
      const gfn = base + first;
      const end = Math.min(to, first + CHUNK - (gfn % CHUNK));
      if (!this.packEntries(into, first, end, rmap.smallHeads(gfn) ?? NO_HEADS)) return false;
      first = end;
    }
    return this.packMap(into, slots.hostStates, Packed.HostShift, Packed.HostMask) && this.packMap(into, slots.dirtyBits, Packed.DirtyShift, 1);
  }

  /** Puts entries [first, end) into words. @param heads of the reverse maps of their frames */
  private packEntries(into: Int32Array, first: number, end: number, heads: Int32Array): boolean {
    const { pages } = this.mmu;
    const { page, base, from } = this;
    const { bits, gfns } = this.table as TablePage;
    const slot = this.slot as Memslot;
    const entries = pages.tables[page] as Int32Array;
    const translations = pages.translations[page] as Float64Array;
    const low = slot.base - base;
    const high = slot.end - base;
    // The leaf met last, in its place in a word: most are alike.
    let leaf = 0;
    let leafBits = 0;
    for (let i = first, at = (base + first) % CHUNK; i < end; i++, at++) {
      const entry = entries[i];
      const guest = bits[i];
      let word = guest;
      if (entry !== 0) {
        if (entry !== leaf && !isLeaf(entry)) return false;
        if (entry !== leaf) [leaf, leafBits] = [entry, entry << Packed.EntryShift];
        const access = translations[i] - (base + i) * 8;
        if (access < 0 || access > Packed.AccessMask || (guest & PRESENT) === 0) return false;
        word |= leafBits | (access << Packed.AccessShift);
        if (heads[at] !== singleHead(page * ENTRIES_PER_TABLE + i)) return false;
      } else if ((guest & PRESENT) !== 0 && heads[at] !== 0) {
        return false;
      }
      if ((guest & PRESENT) !== 0 && (gfns[i] !== base + i || i < low || i >= high)) return false;
      into[i - from] = word;
    }
    return true;
  }

  /** Adds what a frame map says of each frame. @returns false where a value does not fit */
  private packMap(into: Int32Array, map: FrameMap, shift: number, mask: number): boolean {
    const { base, from, to } = this;
    for (let i = from; i < to;) {
      const gfn = base + i;
      const inBlock = gfn % ENTRIES_PER_TABLE;
      const end = Math.min(to, i + ENTRIES_PER_TABLE - inBlock);
      const uniform = map.uniformValue(2, gfn - inBlock);
      if (uniform > mask) return false;
      for (; i < end; i++) {
        const value = uniform >= 0 ? uniform : map.get(base + i);
        if (value > mask) return false;
        into[i - from] |= value << shift;
      }
    }
    return true;
  }

  /** What else the accesses depend on. */
  private setFacts(vcpu: number, run: AccessRun, first: number, index: number, count: number): void {
    const { facts, mmu, slot } = this;
    const { user, wp, nx, smep, smap } = this.vm.rules(vcpu);
    const { edgeFaults, pageLevel } = (slot as Memslot).spec.backing;
    const firstWrite = run.writeEvery === 0 ? count : (run.writeEvery - (first % run.writeEvery)) % run.writeEvery;
    facts[0] = index;
    facts[1] = count;
    facts[2] = run.stride;
    facts[3] = run.kind;
    facts[4] = Math.min(firstWrite, count);
    facts[5] = firstWrite < count ? run.writeEvery : 0;
    facts[6] = mmu.pages.role[this.page];
    facts[7] = this.walk.above[1];
    facts[8] = (slot as Memslot).index;
    facts[9] = (slot as Memslot).logged ? 1 : 0;
    facts[10] = edgeFaults !== undefined && (slot as Memslot).maxLevel(this.base + index) < pageLevel ? 1 : 0;
    facts[11] = (user ? 1 : 0) | (wp ? 2 : 0) | (nx ? 4 : 0) | (smep ? 8 : 0) | (smap ? 16 : 0);
    facts[12] = this.tableState();
  }

  /** Of the frame of the guest's table: not in a slot, not logged, clean, dirty. */
  private tableState(): number {
    const { slots } = this.mmu;
    const { frame } = this.table as TablePage;
    const slot = slots.find(frame);
    if (slot === undefined) return 0;
    return slot.logged ? 2 + slots.dirtyBits.get(frame) : 1;
  }

  private make(vcpu: number, run: AccessRun, first: number, count: number): void {
    const known = this.memory.find(this.facts, this.before, this.to - this.from);
    if (known === undefined) {
      this.misses++;
      this.perform(vcpu, run, first, count);
    } else {
      this.misses = 0;
      this.apply(known);
    }
  }

  /** Performs the accesses, and remembers what they did if that is all they did. */
  private perform(vcpu: number, run: AccessRun, first: number, count: number): void {
    const { mmu, before, after } = this;
    const { memory, slots, pages, journal } = mmu;
    const { now } = this.counters;
    if (this.counted.length !== now.length) this.counted = new Float64Array(now.length);
    this.counted.set(now);
    const { version, stores } = memory;
    const { hostChanges, invalidations } = slots;
    const { ended } = invalidations;
    const { links } = pages;
    journal.open(this.base);
    for (let i = first; i < first + count; i++) this.vm.access(vcpu, run.vfn + i * run.stride, accessKind(run, i));
    const effects = journal.close();
    const isHostPlain = (this.slot as Memslot).isSmall || hostChanges === slots.hostChanges;
    const isPlain = isHostPlain && stores === memory.stores && ended === invalidations.ended && links === pages.links && !this.vm.owes(vcpu);
    if (!isPlain || !this.pack(after) || this.hasLostEntry()) return;
    const moved = Array.from(now.keys()).filter(i => now[i] !== this.counted[i]);
    const length = this.to - this.from;
    this.memory.add(this.facts, before, length, {
      after: after.slice(0, length),
      movesEntries: movesEntries(before, after, length),
      hostRuns: movedRuns(before, after, length, Packed.HostShift, Packed.HostMask),
      dirtyRuns: movedRuns(before, after, length, Packed.DirtyShift, 1),
      counters: Int32Array.from(moved),
      amounts: Float64Array.from(moved, i => now[i] - this.counted[i]),
      guestChanges: memory.version - version,
      hostChanges: slots.hostChanges - hostChanges,
      effects,
    });
  }

  private hasLostEntry(): boolean {
    const { before, after, from, to } = this;
    for (let i = 0; i < to - from; i++) if (entryOf(after[i]) === 0 && entryOf(before[i]) !== 0) return true;
    return false;
  }

  /** Brings about what accesses did that met the same. */
  private apply(outcome: BlockOutcome): void {
    const { counters, amounts, guestChanges, hostChanges, effects } = outcome;
    const { mmu } = this;
    const { now } = this.counters;
    for (let i = 0; i < counters.length; i++) now[counters[i]] = now[counters[i]] + amounts[i];
    if (outcome.movesEntries) this.applyEntries(outcome.after);
    this.applyRuns(outcome.hostRuns, mmu.slots.hostStates);
    this.applyRuns(outcome.dirtyRuns, mmu.slots.dirtyBits);
    if (guestChanges > 0 && this.facts[12] === 2) mmu.slots.dirtyBits.set((this.table as TablePage).frame, 1);
    mmu.memory.version += guestChanges;
    mmu.slots.hostChanges += hostChanges;
    if (effects !== undefined) mmu.journal.replay(effects, this.base);
  }

  private applyEntries(after: Int32Array): void {
    const { pages, rmap } = this.mmu;
    const { page, base, from } = this;
    let added = 0;
    for (let first = 0; first < after.length;) {
      const gfn = base + from + first;
      const end = Math.min(after.length, first + CHUNK - (gfn % CHUNK));
      added += this.storeEntries(after, first, end, rmap.makeSmallHeads(gfn));
      first = end;
    }
    pages.used[page] = pages.used[page] + added;
  }

  /** Stores the entries of words [first, end). @returns entries of ours that were empty before */
  private storeEntries(after: Int32Array, first: number, end: number, heads: Int32Array): number {
    const { pages } = this.mmu;
    const { before, page, base, from } = this;
    const { bits } = this.table as TablePage;
    const entries = pages.tables[page] as Int32Array;
    const translations = pages.translations[page] as Float64Array;
    let added = 0;
    for (let i = first, at = (base + from + first) % CHUNK; i < end; i++, at++) {
      const word = after[i];
      const old = before[i];
      if (word === old) continue;
      const index = from + i;
      const entry = entryOf(word);
      bits[index] = word & Packed.GuestMask;
      if (entry === 0) continue;
      entries[index] = entry;
      const wasEmpty = entryOf(old) === 0;
      const access = (word >> Packed.AccessShift) & Packed.AccessMask;
      if (!wasEmpty && access === ((old >> Packed.AccessShift) & Packed.AccessMask)) continue;
      translations[index] = (base + index) * 8 + access;
      if (!wasEmpty) continue;
      added++;
      // It had none: see `pack`.
      heads[at] = singleHead(page * ENTRIES_PER_TABLE + index);
    }
    return added;
  }

  private applyRuns(runs: Int32Array, map: FrameMap): void {
    const first = this.base + this.from;
    for (let i = 0; i < runs.length; i += 3) map.setRange(first + runs[i], runs[i + 1], runs[i + 2]);
  }
}

/** Our entry in a word. */
function entryOf(word: number): number {
  return (word >> Packed.EntryShift) & Packed.EntryMask;
}
