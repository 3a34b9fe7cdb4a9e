/**
 * The engine: runs rules over page tables, one page at a time (step) or over whole slots (range).
 *
 * A page walk goes down from the root to the lowest entry at or above its goal, asks the rule, carries the verdict's protocol out and asks again
 * until a verdict ends it. A range walk visits entries in pre-order like KVM's TDP iterator: a parent before its children, and the children of
 * a table that a verdict has just put there. Where entries below a slot are equal and the operation's surroundings are the same for all of
 * them, one visit stands for all: the change is made once and counted as often as there are entries. Both ways run the same protocol steps and
 * meet in one bookkeeping point.
 *
 * `makeEngine` returns a fresh class per backend, so that each backend's rules get their own inline caches. Hot path.
 */
import { Action, Effect, EntryKind, InvariantError, Step, verdictAttr, verdictTableAttr } from '@mmulab/api';
import type { Entry, Protocol, Rule } from '@mmulab/api';
import type { AttrTable } from './attr-table';
import type { Engine, EngineClass, EngineParts, RangeOptions } from './engine';
import type { Geometry } from './geometry';
import { RunLifter } from './lift';
import type { RunProgram } from './lift';
import type { Bookkeeper, MmOps } from './mm-ops';
import { PageReplayer } from './page-memo';
import type { PagePlane } from './page-plane';
import {
  EMPTY_SLOT,
  INDEX_MASK,
  KIND_MASK,
  LEAF_TABLE,
  NODE,
  UNIFORM,
  childSlot,
  foldSlot,
  leafSlot,
  slotAttr,
  slotMapLevel,
  slotTableAttr,
  uniformSlot,
} from './slot';
import { TableTree } from './table-tree';

const { Empty, Leaf, Table, Special } = EntryKind;
const { Descend, LowerGoal, FirstProtocol } = Action;
const { FlushNow, Track, MarkDirty, Final } = Effect;

/** Protocols of one step that most faults end with are told by a number, so that no list is gone through. */
const STEPS = 0;
const LEAF_ONLY = 1;
const QUIET_ONLY = 2;

/** The short form of a protocol, by action. */
function shortForms(protocols: readonly Protocol[]): Uint8Array {
  const forms = new Uint8Array(FirstProtocol + protocols.length);
  protocols.forEach(({ steps: [first, ...others] }, i) => {
    if (others.length > 0) return;
    if (first === Step.CasQuiet) forms[FirstProtocol + i] = QUIET_ONLY;
    else if (first === Step.CasLeaf || first === Step.WriteLeaf) forms[FirstProtocol + i] = LEAF_ONLY;
  });
  return forms;
}

/** Makes an engine class of the caller's own. */
export function makeEngine(): EngineClass {
  return class TableEngine implements Engine {
    private readonly tree: TableTree;
    private readonly geometry: Geometry;
    private readonly attrs: AttrTable;
    private readonly protocols: readonly Protocol[];
    private readonly book: Bookkeeper;
    private readonly mm: MmOps;
    private readonly forms: Uint8Array;
    private readonly lifter: RunLifter;
    readonly pageMemory: PageReplayer | undefined;
    private readonly histogram = new Int32Array(256);
    private readonly attrMap = new Uint8Array(256);
    private pending = 0;

    constructor(parts: EngineParts) {
      this.tree = new TableTree(parts.geometry, parts.attrs);
      this.geometry = parts.geometry;
      this.attrs = parts.attrs;
      this.protocols = parts.protocols;
      this.forms = shortForms(parts.protocols);
      this.book = parts.book;
      this.mm = parts.mmOps;
      const [first, second] = parts.planes as readonly PagePlane[];
      this.pageMemory = first === undefined || second === undefined ? undefined : new PageReplayer(this.tree, first, second, parts.counters);
      this.lifter = new RunLifter(this.tree, parts.planes as readonly PagePlane[], parts.counters);
    }

    createRoot(): number {
      return this.tree.createRoot();
    }

    freeRoot(root: number): void {
      this.tree.freeRoot(root);
    }

    lookup(root: number, gfn: number, goal: number): Entry {
      this.tree.locate(root, gfn, goal);
      return this.tree;
    }

    setTableAttr(root: number, gfn: number, level: number, tableAttr: number): void {
      this.tree.locate(root, gfn, level);
      if (this.tree.level === level && this.tree.kind === Table) this.tree.setTableAttr(tableAttr);
    }

    tableCount(root: number): number {
      let count = this.geometry.rootTables;
      for (let table = 0; table < this.geometry.rootTables; table++) count += this.tree.tablesInNode(root + table, this.geometry.levels);
      return count;
    }

    run(program: RunProgram, root: number, start: number, end: number): void {
      this.lifter.run(program, root, start, end);
    }

    page<Op>(rule: Rule<Op>, op: Op, root: number, gfn: number, goal: number): number {
      const tree = this.tree;
      tree.goal = goal;
      for (;;) {
        tree.locate(root, gfn, tree.goal);
        tree.start = gfn;
        tree.end = gfn + 1;
        const verdict = rule.visit(tree, op);
        const action = verdict & 63;
        if (action >= FirstProtocol) {
          this.carryOut(action, verdict, gfn);
          if (((verdict >> 18) & Final) !== 0) return verdict >> 24;
        } else if (action === LowerGoal) {
          tree.goal--;
        } else {
          const effects = (verdict >> 18) & 63;
          if (effects !== 0) this.applyEffects(effects, gfn, tree.level, 1);
          return verdict >> 24;
        }
      }
    }

    range<Op>(rule: Rule<Op>, op: Op, root: number, start: number, end: number, options: RangeOptions<Op>): number {
      const g = this.geometry;
      this.pending = 0;
      this.tree.goal = options.minLevel;
      for (let table = 0; table < g.rootTables; table++) {
        this.walkNode(rule, op, root + table, g.levels, table * g.pagesAt(g.levels) * g.entries, start, end, options);
      }
      return this.pending;
    }

    clearRoot(root: number): void {
      const g = this.geometry;
      for (let table = 0; table < g.rootTables; table++) {
        const node = root + table;
        for (let i = 0; i < g.entries; i++) {
          const pos = node * g.entries + i;
          const word = this.tree.nodes.slots[pos];
          if (word === EMPTY_SLOT) continue;
          const base = (table * g.entries + i) * g.pagesAt(g.levels);
          this.tree.place(g.levels, word, base);
          const { kind, attr, tableAttr } = this.tree;
          if (kind === Table) this.removeSubtree(word, g.levels, base, 1);
          this.book.changed(base, g.levels, kind, kind === Table ? tableAttr : attr, Empty, 0, 1);
          this.tree.nodes.set(pos, EMPTY_SLOT);
          this.tree.releaseWord(word);
        }
      }
    }

    /** Carries a protocol out at the tree's cursor, its steps back to back: nobody comes between, so no exchange is lost. */
    private carryOut(action: number, verdict: number, gfn: number): void {
      const tree = this.tree;
      const level = tree.level;
      const form = this.forms[action];
      const kind = tree.kind;
      if (form === STEPS || kind === Table) {
        this.carryOutSteps(this.protocols[action - FirstProtocol], verdict, gfn);
      } else {
        const old = tree.attr;
        const attr = (verdict >> 6) & 255;
        tree.writeAttr(attr);
        if (form === LEAF_ONLY) this.book.changed(gfn, level, kind, old, tree.kind, attr, 1);
      }
      const effects = (verdict >> 18) & 63;
      if (effects !== 0) this.applyEffects(effects, gfn, level, 1);
    }

    private carryOutSteps(protocol: Protocol, verdict: number, gfn: number): void {
      const tree = this.tree;
      const level = tree.level;
      const oldKind = tree.kind;
      // What the next store replaces: the entry read, then what the protocol's own earlier stores left.
      let fromKind: EntryKind = oldKind;
      let fromAttr = oldKind === Table ? tree.tableAttr : tree.attr;
      const attr = verdictAttr(verdict);
      const tableAttr = verdictTableAttr(verdict);
      const steps = protocol.steps;
      let filled = 0;
      for (let i = 0; i < steps.length; i++) {
        switch (steps[i]) {
          case Step.AllocTable:
            this.mm.zallocPage?.(gfn, level, 1);
            break;
          case Step.FillTable:
            filled = attr;
            break;
          case Step.CasLeaf:
          case Step.WriteLeaf:
            if (fromKind === Table) this.removeSubtree(tree.cursorWord(), level, tree.gfn, 1);
            tree.writeAttr(attr);
            this.book.changed(gfn, level, fromKind, fromAttr, tree.kind, attr, 1);
            fromKind = tree.kind;
            fromAttr = attr;
            break;
          case Step.CasQuiet:
            tree.writeAttr(attr);
            break;
          case Step.CasTable:
          case Step.WriteTable:
            tree.writeTable(filled, tableAttr);
            this.book.changed(gfn, level, fromKind, fromAttr, Table, tableAttr, 1);
            break;
          case Step.WriteEmpty:
            if (fromKind === Table) this.removeSubtree(tree.cursorWord(), level, tree.gfn, 1);
            tree.writeAttr(0);
            this.book.changed(gfn, level, fromKind, fromAttr, Empty, 0, 1);
            fromKind = Empty;
            fromAttr = 0;
            break;
          case Step.CasFreeze:
          case Step.RemoveSubtree:
            // With nobody in between, freezing shows nowhere, and a subtree is accounted for when its entry goes.
            break;
          case Step.FreeSubtree:
          case Step.DeferFree:
            if (oldKind === Table) this.callOut(steps[i], gfn, level, 1);
            break;
          default:
            this.callOut(steps[i], gfn, level, 1);
        }
      }
    }

    /** Steps that are calls into the surrounding world. */
    private callOut(step: Step, gfn: number, level: number, count: number): void {
      const mm = this.mm;
      switch (step) {
        case Step.Flush:
          mm.flushRemoteTlbs?.(gfn, level, count);
          break;
        case Step.Tlbi:
          mm.tlbi?.(gfn, level, count);
          break;
        case Step.DcacheClean:
          mm.dcacheCleanInvalPoc?.(gfn, level, count);
          break;
        case Step.IcacheInval:
          mm.icacheInvalPou?.(gfn, level, count);
          break;
        case Step.GetPage:
          mm.getPage?.(gfn, level, count);
          break;
        case Step.PutPage:
          mm.putPage?.(gfn, level, count);
          break;
        case Step.FreeSubtree:
          mm.freePage?.(gfn, level, count);
          break;
        case Step.DeferFree:
          mm.deferFree?.(gfn, level, count);
          break;
        default:
          throw new InvariantError('ENGINE_STEP', `no such protocol step: ${step}`, gfn, level, '');
      }
    }

    private applyEffects(effects: number, gfn: number, level: number, count: number): void {
      if ((effects & FlushNow) !== 0) this.mm.flushRemoteTlbs?.(gfn, level, count);
      if ((effects & Track) !== 0) this.book.track?.(gfn, level, count);
      if ((effects & MarkDirty) !== 0) this.book.markDirty?.(gfn);
      this.pending |= effects;
    }

    /**
     * Accounts for the removal of everything below `count` equal table entries of `level`: the entries of each table, tables before what
     * they hold.
     */
    private removeSubtree(word: number, level: number, gfn: number, count: number): void {
      this.book.subtreeRemoved?.(gfn, level, count);
      this.accountTable(word, level, gfn, count);
    }

    private accountTable(word: number, level: number, gfn: number, count: number): void {
      const g = this.geometry;
      const kind = word & KIND_MASK;
      this.mm.freePage?.(gfn, level, count);
      if (kind === NODE) {
        const first = (word & INDEX_MASK) * g.entries;
        const span = g.pagesAt(level - 1);
        for (let i = 0; i < g.entries; i++) {
          const child = this.tree.nodes.slots[first + i];
          if (child !== EMPTY_SLOT) this.accountEntry(child, level - 1, gfn + i * span, count);
        }
      } else if (kind === LEAF_TABLE) {
        const histogram = this.histogram.fill(0);
        this.tree.leaves.histogram(word & INDEX_MASK, histogram);
        for (let attr = 1; attr < this.attrs.count; attr++) {
          const n = histogram[attr];
          if (n !== 0) this.accountLeaf(attr, 1, gfn, n * count);
        }
      } else {
        const child = childSlot(word, level);
        if (child !== EMPTY_SLOT) this.accountEntry(child, level - 1, gfn, count * g.entries);
      }
    }

    private accountEntry(word: number, level: number, gfn: number, count: number): void {
      if ((word & KIND_MASK) === UNIFORM && slotMapLevel(word) === level) {
        this.accountLeaf(slotAttr(word), level, gfn, count);
        return;
      }
      this.accountTable(word, level, gfn, count);
      // The cursor stays: the entry above is yet to be written.
      this.book.changed(gfn, level, Table, this.tree.tableAttrOf(word), Empty, 0, count);
    }

    private accountLeaf(attr: number, level: number, gfn: number, count: number): void {
      this.book.changed(gfn, level, this.leafKind(attr), attr, Empty, 0, count);
    }

    private leafKind(attr: number): EntryKind {
      return this.attrs.special[attr] === 0 ? Leaf : Special;
    }

    /** Visits the entries of an owned table of `level` that overlap [start, end). */
    private walkNode<Op>(
      rule: Rule<Op>,
      op: Op,
      node: number,
      level: number,
      base: number,
      start: number,
      end: number,
      options: RangeOptions<Op>,
    ): void {
      const g = this.geometry;
      const span = g.pagesAt(level);
      const from = start <= base ? 0 : Math.floor((start - base) / span);
      const to = end >= base + span * g.entries ? g.entries : Math.ceil((end - base) / span);
      for (let i = from; i < to; i++) {
        const word = this.tree.nodes.slots[node * g.entries + i];
        if (word === EMPTY_SLOT) continue;
        this.walkSlot(rule, op, node * g.entries + i, level, base + i * span, start, end, options);
        // A fold may have taken this table's place: its entries were all visited or are equal to those that were.
      }
    }

    private walkSlot<Op>(
      rule: Rule<Op>,
      op: Op,
      pos: number,
      level: number,
      base: number,
      start: number,
      end: number,
      options: RangeOptions<Op>,
    ): void {
      const tree = this.tree;
      const span = this.geometry.pagesAt(level);
      const whole = start <= base && end >= base + span;
      let word = tree.nodes.slots[pos];
      if (whole && (word & KIND_MASK) === UNIFORM && this.isUniform(op, base, span, level, word, options)) {
        const after = this.lift(rule, op, word, level, base, 1, options);
        if (after !== word) tree.replace(pos, after);
        return;
      }
      const isTable = (word & KIND_MASK) !== UNIFORM || slotMapLevel(word) < level;
      if (!isTable || options.tables) {
        word = this.visitOne(rule, op, pos, level, base, start, end, options);
        if (word === SKIPPED || word === EMPTY_SLOT) return;
      }
      if (level <= options.minLevel || ((word & KIND_MASK) === UNIFORM && slotMapLevel(word) === level)) return;
      this.walkTable(rule, op, pos, level, base, start, end, options);
      if (options.post === true) this.visitOne(rule, op, pos, level, base, start, end, options);
    }

    /** Goes into the table below a slot: owned, or virtual and expanded because it is covered in part. */
    private walkTable<Op>(
      rule: Rule<Op>,
      op: Op,
      pos: number,
      level: number,
      base: number,
      start: number,
      end: number,
      options: RangeOptions<Op>,
    ): void {
      const tree = this.tree;
      const word = tree.nodes.slots[pos];
      const whole = start <= base && end >= base + this.geometry.pagesAt(level);
      if ((word & KIND_MASK) === UNIFORM && slotMapLevel(word) < level && childSlot(word, level) === EMPTY_SLOT) return;
      if (level > 2) {
        const node = tree.pinTable(pos, level);
        this.walkNode(rule, op, node, level - 1, base, start, end, options);
        tree.unpin(node);
        return;
      }
      const kind = word & KIND_MASK;
      if (whole && kind === LEAF_TABLE && (options.uniform === undefined || options.uniform(op, base, this.geometry.entries, 1)))
        this.mapLeafTable(rule, op, pos, base, options);
      else this.walkLeaves(rule, op, pos, base, start, end, options);
    }

    /** Visits one entry of level 2 or above. @returns the word after it, or SKIPPED when the walk is not to go below */
    private visitOne<Op>(
      rule: Rule<Op>,
      op: Op,
      pos: number,
      level: number,
      base: number,
      start: number,
      end: number,
      options: RangeOptions<Op>,
    ): number {
      const tree = this.tree;
      const word = tree.nodes.slots[pos];
      tree.placeAt(pos, level, base);
      if (tree.kind === Special && !options.specials) return SKIPPED;
      tree.start = Math.max(start, base);
      tree.end = Math.min(end, base + this.geometry.pagesAt(level));
      const wasTable = tree.kind === Table;
      const verdict = rule.visit(tree, op);
      const action = verdict & 63;
      if (action === Descend) return word;
      if (action < FirstProtocol) return SKIPPED;
      const after = this.changed(this.protocols[action - FirstProtocol], verdict, word, level, base, 1);
      tree.replace(pos, after);
      return wasTable || after === EMPTY_SLOT ? SKIPPED : after;
    }

    /** One visit for `count` equal uniform words of `level` from `gfn` on. @returns the word all of them become */
    private lift<Op>(rule: Rule<Op>, op: Op, word: number, level: number, gfn: number, count: number, options: RangeOptions<Op>): number {
      const tree = this.tree;
      const isTable = word !== EMPTY_SLOT && slotMapLevel(word) < level;
      let now = word;
      if (!isTable || options.tables) {
        tree.place(level, word, gfn);
        if (tree.kind === Empty || (tree.kind === Special && !options.specials)) return word;
        tree.start = gfn;
        tree.end = gfn + this.geometry.pagesAt(level);
        const verdict = rule.visit(tree, op);
        const action = verdict & 63;
        if (action >= FirstProtocol) {
          now = this.changed(this.protocols[action - FirstProtocol], verdict, word, level, gfn, count);
          if (isTable) return now;
        } else if (action !== Descend) {
          return word;
        }
      }
      if (level <= options.minLevel || now === EMPTY_SLOT || slotMapLevel(now) === level) return now;
      const child = childSlot(now, level);
      const after = child === EMPTY_SLOT ? child : this.lift(rule, op, child, level - 1, gfn, count * this.geometry.entries, options);
      const tableAttr = slotTableAttr(now);
      if (after !== child) {
        const folded = foldSlot(after, level, tableAttr);
        now = folded === -1 ? NODE | tree.nodeOf(after, level - 1, tableAttr) : folded;
      }
      return options.post === true ? this.liftPost(rule, op, now, level, gfn, count) : now;
    }

    /** One visit for `count` equal tables, after what they hold. @returns the word all of them become */
    private liftPost<Op>(rule: Rule<Op>, op: Op, word: number, level: number, gfn: number, count: number): number {
      const tree = this.tree;
      tree.place(level, word, gfn);
      tree.start = gfn;
      tree.end = gfn + this.geometry.pagesAt(level);
      const verdict = rule.visit(tree, op);
      const action = verdict & 63;
      if (action < FirstProtocol) return word;
      const after = this.changed(this.protocols[action - FirstProtocol], verdict, word, level, gfn, count);
      if ((word & KIND_MASK) !== UNIFORM) tree.releaseWord(word);
      return after;
    }

    /** Accounts a protocol for `count` equal entries without storing anything. @returns the word they become */
    private changed(protocol: Protocol, verdict: number, word: number, level: number, gfn: number, count: number): number {
      const tree = this.tree;
      const oldKind = tree.kind;
      // What the next store replaces: the entry read, then what the protocol's own earlier stores left.
      let fromKind: EntryKind = oldKind;
      let fromAttr = oldKind === Table ? tree.tableAttr : tree.attr;
      const attr = verdictAttr(verdict);
      const tableAttr = verdictTableAttr(verdict);
      let after = word;
      let filled = 0;
      for (const step of protocol.steps) {
        switch (step) {
          case Step.AllocTable:
            this.mm.zallocPage?.(gfn, level, count);
            break;
          case Step.FillTable:
            filled = attr;
            break;
          case Step.CasLeaf:
          case Step.WriteLeaf:
            if (fromKind === Table) this.removeSubtree(word, level, gfn, count);
            after = leafSlot(level, attr);
            this.book.changed(gfn, level, fromKind, fromAttr, this.leafKind(attr), attr, count);
            fromKind = this.leafKind(attr);
            fromAttr = attr;
            break;
          case Step.CasQuiet:
            after = leafSlot(level, attr);
            break;
          case Step.CasTable:
          case Step.WriteTable:
            after = uniformSlot(level - 1, filled, tableAttr);
            this.book.changed(gfn, level, fromKind, fromAttr, Table, tableAttr, count);
            break;
          case Step.WriteEmpty:
            if (fromKind === Table) this.removeSubtree(word, level, gfn, count);
            after = EMPTY_SLOT;
            this.book.changed(gfn, level, fromKind, fromAttr, Empty, 0, count);
            fromKind = Empty;
            fromAttr = 0;
            break;
          case Step.CasFreeze:
          case Step.RemoveSubtree:
            break;
          case Step.FreeSubtree:
          case Step.DeferFree:
            if (oldKind === Table) this.callOut(step, gfn, level, count);
            break;
          default:
            this.callOut(step, gfn, level, count);
        }
      }
      const effects = (verdict >> 18) & 63;
      if (effects !== 0) this.applyEffects(effects, gfn, level, count);
      return after;
    }

    /** A fully covered leaf table whose entries see the same surroundings: one visit per attribute. */
    private mapLeafTable<Op>(rule: Rule<Op>, op: Op, pos: number, base: number, options: RangeOptions<Op>): void {
      const tree = this.tree;
      const leaves = tree.leaves;
      const record = tree.nodes.slots[pos] & INDEX_MASK;
      const histogram = this.histogram.fill(0);
      leaves.histogram(record, histogram);
      let differs = false;
      for (let attr = 0; attr < this.attrs.count; attr++) {
        this.attrMap[attr] = attr;
        const n = histogram[attr];
        if (attr === 0 || n === 0) continue;
        const after = this.lift(rule, op, leafSlot(1, attr), 1, base, n, options);
        this.attrMap[attr] = slotAttr(after);
        if (slotAttr(after) !== attr) differs = true;
      }
      if (differs) tree.mapLeaves(pos, this.attrMap);
    }

    /** Visits the level-1 entries of one table one by one. */
    private walkLeaves<Op>(rule: Rule<Op>, op: Op, pos: number, base: number, start: number, end: number, options: RangeOptions<Op>): void {
      const tree = this.tree;
      const from = Math.max(start, base);
      const to = Math.min(end, base + this.geometry.entries);
      for (let gfn = from; gfn < to; gfn++) {
        tree.locateBelow(pos, gfn);
        if (tree.kind === Empty || (tree.kind === Special && !options.specials)) continue;
        tree.start = gfn;
        tree.end = gfn + 1;
        const verdict = rule.visit(tree, op);
        const action = verdict & 63;
        if (action < FirstProtocol) continue;
        const protocol = this.protocols[action - FirstProtocol];
        const old = tree.attr;
        const after = slotAttr(this.changed(protocol, verdict, leafSlot(1, old), 1, gfn, 1));
        if (after !== old) tree.writeAttr(after);
      }
    }

    /** Whether one visit may stand for all entries below a uniform slot. */
    private isUniform<Op>(op: Op, base: number, span: number, level: number, word: number, options: RangeOptions<Op>): boolean {
      if (options.uniform === undefined) return true;
      const lowest = Math.max(options.minLevel, slotMapLevel(word));
      return options.uniform(op, base, span, lowest < level ? lowest : level);
    }
  };
}

/** The walk does not go below the entry just visited. */
const SKIPPED = -2;
