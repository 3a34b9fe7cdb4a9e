/**
 * Faults of interleaving vCPUs by memory of what their stages do (FaultMemory).
 *
 * What a stage does hangs on what earlier ones have found, which the backend packs into a number; on the class of the access: its kind, and the likeness of its memslot; and on the
 * page: its entry, the host's page, its dirty bit. Each stage is performed once for each such situation and page, and the difference it makes is remembered: the situation
 * after it, what became of the page, what was counted. Where it did more than that, to the tables' structure or to other pages, it is performed each time.
 *
 * A vCPU works in one block of 2 MiB at a time; what holds for its accesses there is surveyed as for single accesses (known-touches.ts), and stands while the tables' version and the
 * notifier's sequence do. Counts are held back: an outcome is counted by one increment. Hot path: `lookOf`, `bring`.
 */
import { ACCESS_DONE, BEGINS, LOOK_BITS, PageLook, type AccessKind, type Counters, type FaultMemory } from '@mmulab/api';
import { UNREADABLE as UNREADABLE_CODE, type BlockEntries, type PageCache } from '@mmulab/pgtable';
import { Stretch } from './known-touches';
import type { Memslots } from './memslots';

const UNREADABLE: number = UNREADABLE_CODE;
const { Entry: ENTRY, Host: HOST, Dirty: DIRTY } = PageLook;

/** Attributes, host states and dirty bits get small numbers as they are met, from 1 on: 15 of the first, 7 of the second, 2 of the third. An input is the three side by side. */
const MAX_ATTRS = 16;
const MAX_STATES = 8;
const STATE_SHIFT = 4;
const DIRTY_SHIFT = 7;
const INPUT_BITS: number = LOOK_BITS;
/** The part of an input that each combination of `PageLook` stands for. */
const MASKS: readonly number[] = Array.from(
  { length: 8 },
  (_, looks) =>
    ((looks & ENTRY) === 0 ? 0 : MAX_ATTRS - 1) |
    ((looks & HOST) === 0 ? 0 : (MAX_STATES - 1) << STATE_SHIFT) |
    ((looks & DIRTY) === 0 ? 0 : 3 << DIRTY_SHIFT),
);
/** Places for an access's class in the key of a situation. */
const CLASSES = 2 ** 20;
const KINDS = 3;
/** How many bits of `PageLook` are set. */
const BITS: readonly number[] = [0, 1, 1, 2, 1, 2, 2, 3];
const MAX_OUTCOMES = 1024;
/** Pages whose input is kept. */
const CODES = 16;
const CODES_MASK = CODES - 1;
const NO_FRAME = -1;

/** A stage by stage way through a backend's faults, whose state can be packed into a number. */
export interface SituationKeeper {
  /** Bits of `PageLook`, by stage: what of its page the stage looks at or changes. */
  readonly looks: readonly number[];
  /** Counts up with every loss of rights (MmuBackend.losses). */
  readonly losses: number;
  /** Whether accesses of the vCPU around a virtual frame go by memory. Sets `from`, `end`, `shift` and `root` of the stretch. */
  surveyFaults(stretch: Stretch, vcpu: number, vfn: number): boolean;
  /** What the vCPU's fault carries, below 2^32; negative where that can not be said. */
  pack(vcpu: number): number;
  /** The stage that is due. */
  stageOf(packed: number): number;
  /** Makes the vCPU's fault one to a page. @param sequence of the notifier, where the fault has sampled it */
  unpack(vcpu: number, packed: number, vfn: number, gfn: number, kind: AccessKind, sequence: number): void;
  begin(vcpu: number, vfn: number, kind: AccessKind): number;
  advance(vcpu: number): number;
  /** Begins to record what a stage does beside the page and the counters, and ends: @returns whether it did nothing. */
  open(gfn: number): void;
  closePlain(): boolean;
}

/** What `perform` compares. */
class Look {
  attr = 0;
  host = 0;
  dirty = 0;
  writes = 0;
}

/** Faults of one VM. */
export class KnownFaults implements FaultMemory {
  stages = new Int32Array(64);
  looks = new Int32Array(64);
  readonly after = new Int32Array(MAX_OUTCOMES);
  readonly changes = new Int32Array(MAX_OUTCOMES);
  reached = 0;
  changed = 0;
  isMore = false;
  // By vCPU.
  private readonly stretches: readonly Stretch[];
  private readonly firsts: Float64Array;
  private readonly lasts: Int32Array;
  private readonly blocks: Float64Array;
  private readonly beginnings: Int32Array;
  private readonly kinds: Uint8Array;
  private readonly classes: Int32Array;
  private readonly versions: Float64Array;
  private readonly sequences: Float64Array;
  // What pages hold.
  private readonly entries: BlockEntries;
  private readonly states: BlockEntries;
  private readonly statesRoot: number;
  private readonly bits: BlockEntries;
  private readonly bitsRoot: number;
  private readonly attrCodes = new Uint8Array(256);
  private readonly stateCodes = new Uint8Array(256);
  private attrsMet = 1;
  private statesMet = 1;
  // Situations by key, their packed state, and outcomes by situation and input.
  private readonly situations = new Map<number, number>();
  private packed = new Float64Array(64);
  /** Those that change the page less than 0. */
  outcomes = new Int16Array(64 << INPUT_BITS);
  /** 1: not to be remembered. */
  private isNever = new Uint8Array(64 << INPUT_BITS);
  /** Inputs of pages looked at lately, and their frames: until one of them may have changed. */
  private readonly codes = new Int32Array(CODES);
  private readonly codesOf = new Float64Array(CODES).fill(NO_FRAME);
  private size = 1;
  // What outcomes make of a page, and the events they count.
  private outcomesMet = 1;
  private readonly newAttr = new Uint8Array(MAX_OUTCOMES);
  private readonly newState = new Uint8Array(MAX_OUTCOMES);
  private readonly newBit = new Uint8Array(MAX_OUTCOMES);
  private readonly events: (readonly (readonly [event: number, amount: number])[])[] = [[]];
  readonly counts: Float64Array;
  private before = new Float64Array(0);
  private readonly was = new Look();
  private readonly is = new Look();

  constructor(
    private readonly vcpus: number,
    private readonly pages: PageCache,
    private readonly slots: Memslots,
    private readonly counters: Counters,
    private readonly keeper: SituationKeeper,
  ) {
    this.stretches = Array.from({ length: vcpus }, () => new Stretch());
    this.firsts = new Float64Array(vcpus);
    this.lasts = new Int32Array(vcpus);
    this.blocks = new Float64Array(vcpus).fill(-1);
    this.beginnings = new Int32Array(vcpus);
    this.kinds = new Uint8Array(vcpus);
    this.classes = new Int32Array(vcpus);
    this.versions = new Float64Array(vcpus).fill(-1);
    this.sequences = new Float64Array(vcpus);
    this.counts = new Float64Array(vcpus * MAX_OUTCOMES);
    this.entries = pages.blockEntries(vcpus);
    const states = pages.blockValues(slots.hostStates, vcpus);
    const bits = pages.blockValues(slots.dirtyBits, vcpus);
    this.states = states.values;
    this.statesRoot = states.root;
    this.bits = bits.values;
    this.bitsRoot = bits.root;
    counters.holdBack?.(() => this.flushCounts());
  }

  get stamp(): number {
    const { ended, inProgress } = this.slots.invalidations;
    return this.pages.version.now + this.writes + this.keeper.losses + ended + inProgress;
  }

  enter(vcpu: number, vfn: number, kind: AccessKind): number {
    this.kinds[vcpu] = kind;
    this.sequences[vcpu] = this.slots.invalidations.ended;
    this.codesOf.fill(NO_FRAME);
    if (!this.survey(vcpu, vfn)) return 0;
    const packed = this.keeper.pack(vcpu);
    return packed < 0 ? 0 : this.situationOf(vcpu, packed);
  }

  renew(vcpu: number, vfn: number): boolean {
    this.codesOf.fill(NO_FRAME);
    if (this.holds(vcpu)) return true;
    const known = this.classes[vcpu];
    return this.sequences[vcpu] === this.slots.invalidations.ended && this.survey(vcpu, vfn) && this.classes[vcpu] === known;
  }

  first(vcpu: number): number {
    return this.firsts[vcpu];
  }

  last(vcpu: number): number {
    return this.lasts[vcpu];
  }

  block(vcpu: number): number {
    return this.blocks[vcpu];
  }

  beginning(vcpu: number): number {
    return this.beginnings[vcpu];
  }

  lookOf(vcpu: number, page: number): number {
    const place = page & CODES_MASK;
    if (this.codesOf[place] !== this.blocks[vcpu] + page) {
      this.codes[place] = this.codeAt(vcpu, page);
      this.codesOf[place] = this.blocks[vcpu] + page;
    }
    return this.codes[place];
  }

  bring(vcpu: number, outcome: number, page: number): boolean {
    const changes = this.changes[outcome];
    this.codesOf[page & CODES_MASK] = NO_FRAME;
    if ((changes & ENTRY) !== 0 && !this.entries.mayTake(vcpu, page, this.newAttr[outcome])) return false;
    if ((changes & HOST) !== 0 && !this.states.mayTake(vcpu, page, this.newState[outcome])) return false;
    if ((changes & DIRTY) !== 0 && !this.bits.mayTake(vcpu, page, this.newBit[outcome])) return false;
    if ((changes & ENTRY) !== 0) this.entries.take(vcpu, page);
    if ((changes & HOST) !== 0) this.states.take(vcpu, page);
    if ((changes & DIRTY) !== 0) this.bits.take(vcpu, page);
    return true;
  }

  restore(vcpu: number, situation: number, page: number): void {
    if (this.stages[situation] === BEGINS) return;
    const vfn = this.firsts[vcpu] + page;
    const kind = this.kinds[vcpu] as AccessKind;
    this.keeper.unpack(vcpu, this.packed[situation], vfn, vfn + this.stretches[vcpu].shift, kind, this.sequences[vcpu]);
  }

  perform(vcpu: number, situation: number, page: number): number {
    const input = this.inputAt(vcpu, situation, page);
    this.codesOf.fill(NO_FRAME);
    const outcome = input < 0 ? 0 : this.outcomes[input];
    if (input < 0 || outcome > 0 || this.isNever[input] !== 0) return this.performOnly(vcpu, situation, page);
    return outcome < 0 ? this.performKnown(vcpu, situation, page, -outcome) : this.learn(vcpu, situation, page, input);
  }

  /** What an access of one kind does is something else from now on. */
  forget(): void {
    this.outcomes.fill(0);
    this.isNever.fill(0);
  }

  /** Performs what is known, but can not be brought about: its table is shared, has more than two attributes, or becomes one of a single one. */
  private performKnown(vcpu: number, situation: number, page: number, outcome: number): number {
    const version = this.pages.version.now;
    const { writes } = this;
    const next = this.performOnly(vcpu, situation, page);
    const changes = this.changes[outcome];
    if (this.pages.version.now !== version || this.writes - writes !== BITS[changes]) return next;
    this.isMore = false;
    this.changed = changes;
    return next;
  }

  /** Performs, and remembers what that did. */
  private learn(vcpu: number, situation: number, page: number, input: number): number {
    const { keeper, slots, pages, was, is } = this;
    const { now } = this.counters;
    if (this.before.length !== now.length) this.before = new Float64Array(now.length);
    this.before.set(now);
    this.lookAt(was, vcpu, page);
    const version = pages.version.now;
    const { losses } = keeper;
    const { ended } = slots.invalidations;
    keeper.open(this.firsts[vcpu] + page + this.stretches[vcpu].shift);
    const next = this.performOnly(vcpu, situation, page);
    const isPlain = keeper.closePlain() && this.counters.now === now;
    if (pages.version.now !== version || keeper.losses !== losses || slots.invalidations.ended !== ended) return next;
    this.lookAt(is, vcpu, page);
    const changed = (is.attr === was.attr ? 0 : ENTRY) | (is.host === was.host ? 0 : HOST) | (is.dirty === was.dirty ? 0 : DIRTY);
    if (is.writes - was.writes !== BITS[changed]) return next;
    this.changed = changed;
    this.isMore = false;
    if (isPlain && this.reached >= 0 && this.outcomesMet < MAX_OUTCOMES) this.remember(input, now);
    else this.isNever[input] = 1;
    return next;
  }

  /** Performs, and tells where that led. */
  private performOnly(vcpu: number, situation: number, page: number): number {
    const { keeper } = this;
    const isBeginning = this.stages[situation] === BEGINS;
    const next = isBeginning ? keeper.begin(vcpu, this.firsts[vcpu] + page, this.kinds[vcpu] as AccessKind) : keeper.advance(vcpu);
    this.isMore = true;
    this.changed = 0;
    if (isBeginning) this.sequences[vcpu] = this.slots.invalidations.ended;
    this.reached = next === ACCESS_DONE ? 0 : this.reach(vcpu);
    return next;
  }

  private reach(vcpu: number): number {
    const packed = this.keeper.pack(vcpu);
    return packed < 0 ? -1 : this.situationOf(vcpu, packed);
  }

  /** Entries written so far, but for those brought about here. */
  private get writes(): number {
    return this.entries.writes + this.states.writes + this.bits.writes;
  }

  private holds(vcpu: number): boolean {
    const { ended, inProgress } = this.slots.invalidations;
    return this.versions[vcpu] === this.pages.version.now && this.sequences[vcpu] === ended && inProgress === 0;
  }

  /** Finds what holds for a vCPU's accesses to the block around a frame. @returns false where nothing does */
  private survey(vcpu: number, vfn: number): boolean {
    const { pages, slots } = this;
    const stretch = this.stretches[vcpu];
    const { ended, inProgress } = slots.invalidations;
    this.versions[vcpu] = -1;
    if (this.sequences[vcpu] !== ended || inProgress !== 0 || !this.keeper.surveyFaults(stretch, vcpu, vfn)) return false;
    const { blockPages } = pages;
    const gfn = vfn + stretch.shift;
    const slot = slots.find(gfn);
    if (slot === undefined || !(slot.isSmall || (slot.logged && slot.spec.backing.edgeFaults === undefined))) return false;
    // Pages count from the block of guest frames; the hardware has walked to the block of virtual ones.
    const first = vfn - (gfn % blockPages);
    const walkedEnd = vfn - (vfn % blockPages) + blockPages;
    this.firsts[vcpu] = first;
    this.lasts[vcpu] = Math.min(blockPages, stretch.end - first, walkedEnd - first) - 1;
    this.blocks[vcpu] = gfn - (gfn % blockPages);
    this.entries.open(vcpu, stretch.root, gfn);
    // Without a table of small entries every stage would have to be performed.
    if (this.entries.get(vcpu, gfn % blockPages) === UNREADABLE) return false;
    this.states.open(vcpu, this.statesRoot, gfn);
    this.bits.open(vcpu, this.bitsRoot, gfn);
    this.classes[vcpu] = (slot.likeness * 2 + (slot.logged ? 1 : 0)) * KINDS + this.kinds[vcpu];
    this.versions[vcpu] = pages.version.now;
    this.beginnings[vcpu] = this.situationOf(vcpu, -1);
    return true;
  }

  /** The number of a situation of the vCPU's class. @param packed −1: an access is about to begin */
  private situationOf(vcpu: number, packed: number): number {
    const key = (packed + 1) * CLASSES + this.classes[vcpu];
    const known = this.situations.get(key);
    if (known !== undefined) return known;
    const number = this.size++;
    if (number === this.stages.length) this.grow();
    const stage = packed < 0 ? BEGINS : this.keeper.stageOf(packed);
    this.situations.set(key, number);
    this.packed[number] = packed;
    this.stages[number] = stage;
    const looks = stage === BEGINS ? ENTRY : this.keeper.looks[stage];
    this.looks[number] = looks;
    return number;
  }

  private grow(): void {
    const { stages, looks, packed, outcomes, isNever } = this;
    const length = 2 * stages.length;
    this.stages = new Int32Array(length);
    this.stages.set(stages);
    this.looks = new Int32Array(length);
    this.looks.set(looks);
    this.packed = new Float64Array(length);
    this.packed.set(packed);
    this.outcomes = new Int16Array(length << INPUT_BITS);
    this.outcomes.set(outcomes);
    this.isNever = new Uint8Array(length << INPUT_BITS);
    this.isNever.set(isNever);
  }

  /** The input of a page for a situation, new values numbered; −1 where it can not be read, or there are too many values. */
  private inputAt(vcpu: number, situation: number, page: number): number {
    const looks = this.looks[situation];
    this.meet(vcpu, page);
    const look = this.codeAt(vcpu, page);
    const isMissing = (what: number): boolean => (looks & what) !== 0 && (look & MASKS[what]) === 0;
    return isMissing(ENTRY) || isMissing(HOST) || isMissing(DIRTY) ? -1 : (situation << INPUT_BITS) | (look & MASKS[looks]);
  }

  /** Numbers what a page holds, if that is new and there are numbers left. */
  private meet(vcpu: number, page: number): void {
    const { attrCodes, stateCodes } = this;
    const [attr, state] = [this.entries.get(vcpu, page), this.states.get(vcpu, page)];
    if (attr !== UNREADABLE && attrCodes[attr] === 0 && this.attrsMet < MAX_ATTRS) attrCodes[attr] = this.attrsMet++;
    if (state !== UNREADABLE && stateCodes[state] === 0 && this.statesMet < MAX_STATES) stateCodes[state] = this.statesMet++;
  }

  /** How a page looks; what can not be read, or has no number, is 0 in it, for which there are no outcomes. */
  private codeAt(vcpu: number, page: number): number {
    const attr = this.entries.get(vcpu, page);
    const state = this.states.get(vcpu, page);
    const attrCode = attr === UNREADABLE ? 0 : this.attrCodes[attr];
    const stateCode = state === UNREADABLE ? 0 : this.stateCodes[state];
    return attrCode | (stateCode << STATE_SHIFT) | ((this.bits.get(vcpu, page) + 1) << DIRTY_SHIFT);
  }

  private lookAt(look: Look, vcpu: number, page: number): void {
    look.attr = this.entries.get(vcpu, page);
    look.host = this.states.get(vcpu, page);
    look.dirty = this.bits.get(vcpu, page);
    look.writes = this.writes;
  }

  /** Remembers what was performed. */
  private remember(input: number, now: Float64Array): void {
    const events: [event: number, amount: number][] = [];
    for (let event = 0; event < now.length; event++) {
      const amount = now[event] - this.before[event];
      if (amount !== 0) events.push([event, amount]);
    }
    const outcome = this.outcomesMet++;
    this.events.push(events);
    this.after[outcome] = this.reached;
    this.changes[outcome] = this.changed;
    this.newAttr[outcome] = this.is.attr;
    this.newState[outcome] = this.is.host;
    this.newBit[outcome] = this.is.dirty;
    this.setOutcome(input, this.changed === 0 ? outcome : -outcome);
  }

  /** An outcome is that of all pages that look the same as far as it matters. */
  private setOutcome(input: number, outcome: number): void {
    const situation = input >> INPUT_BITS;
    const mask = MASKS[this.looks[situation]];
    const first = situation << INPUT_BITS;
    const look = input & mask;
    for (let other = 0; other < 1 << INPUT_BITS; other++) if ((other & mask) === look) this.outcomes[first + other] = outcome;
  }

  /** Counts what was held back. Called before counters are read. */
  private flushCounts(): void {
    const { counters, counts } = this;
    const { now } = counters;
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
      for (let outcome = 1; outcome < this.outcomesMet; outcome++) {
        const at = outcome * this.vcpus + vcpu;
        const times = counts[at];
        if (times === 0) continue;
        counts[at] = 0;
        counters.select(vcpu);
        for (const [event, amount] of this.events[outcome]) counters.now[event] += times * amount;
      }
    }
    counters.now = now;
  }
}
