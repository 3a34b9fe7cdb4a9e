/**
 * Checks a trace against break-before-make and locking, as Casemate's checker does; one of our own, so that the project's tests need no other.
 *
 * What is a table follows from the trace alone: pages that were initialised, the root that a thread loads, and the tables its entries point to. Every entry of a live
 * table is valid, invalid, or unclean: invalid, and some TLB may still hold what it said (casemate-unclean.ts). Only when it is clean may it become valid, and only then do
 * the tables below it stop being live. A valid leaf may change in place while its access flag is or becomes set: one that no TLB may keep has to be broken first.
 *
 * Some rules go further than Casemate's: a valid leaf changes its rights and its access flag in place, and nothing else; the level that an invalidation names has to be the
 * entry's; a page is freed once; threads store to and invalidate trees they have loaded, and a trace without any is said to be unchecked.
 *
 * Models: Arm ARM D8.16 (break-before-make); the rules as named in `CasemateRule`.
 */
import { TableForest, isReserved, isTable } from './casemate-forest';
import type { LiveTable, TreeStage } from './casemate-forest';
import { readCasemateTrace } from './casemate-reader';
import type { CasemateRecord } from './casemate-reader';
import { TranslationRegisters } from './casemate-registers';
import type { TreeBase } from './casemate-registers';
import { BrokenRule, CasemateRule, MAX_ROOTS, hex } from './casemate-rules';
import { UncleanEntries } from './casemate-unclean';
import type { Unclean } from './casemate-unclean';

/** The outcome of a check. A trace in which no thread loads a root is not checked, whatever it holds. */
export type CasemateVerdict =
  | { readonly verdict: 'accepted'; readonly checkedStores: number }
  | { readonly verdict: 'unchecked' }
  | { readonly verdict: 'rejected'; readonly rule: CasemateRule; readonly line: number; readonly problem: string };

interface HeldLock {
  readonly tid: number;
  plainAllowed: boolean;
}

const VALID = 1n;
const ACCESS_FLAG = 1n << 10n;
const SOFTWARE = 15n << 55n;
/** Rights, access flag, dirty modifier and software bits: what may change in a valid leaf. */
const CHANGEABLE = (3n << 6n) | ACCESS_FLAG | (1n << 51n) | (3n << 53n) | SOFTWARE;
const LAST_LEVEL = 3;
const BYTES = 0x0101_0101_0101_0101n;

/**
 * Checks a trace.
 * @throws CASEMATE_SYNTAX for text that is none, CASEMATE_ADDRESS for entries and pages that do not lie where such things lie
 */
export function checkCasemateTrace(text: string): CasemateVerdict {
  const records = readCasemateTrace(text);
  const machine = new CheckedMachine();
  for (const record of records) {
    try {
      machine.step(record);
    } catch (error) {
      if (!(error instanceof BrokenRule)) throw error;
      return { verdict: 'rejected', rule: error.rule, line: record.line, problem: error.message };
    }
  }
  return machine.hasRoot ? { verdict: 'accepted', checkedStores: machine.checkedStores } : { verdict: 'unchecked' };
}

class CheckedMachine {
  hasRoot = false;
  checkedStores = 0;
  private readonly forest = new TableForest();
  private readonly registers = new TranslationRegisters();
  /** Known roots by address. */
  private readonly roots = new Map<number, { readonly stage: TreeStage; readonly id: number }>();
  /** Root that each thread translates with, by stage. */
  private readonly loaded = { 1: new Map<number, number>(), 2: new Map<number, number>() };
  private readonly lockOfRoot = new Map<number, bigint>();
  private readonly held = new Map<bigint, HeldLock>();
  /** Threads that pages' entries were given to, by the entry's address. */
  private readonly owners = new Map<number, number>();
  private readonly unclean = new UncleanEntries((tid, entry) => this.isHeld(tid, entry));

  step(record: CasemateRecord): void {
    switch (record.kind) {
      case 'sysreg-write':
        return this.writeRegister(record.tid, record.register, record.value);
      case 'mem-init':
        return this.forest.initialise(record.address, record.size);
      case 'mem-free':
        return this.forest.free(record.address, record.size);
      case 'mem-set':
        for (let at = record.address; at < record.address + record.size; at += 8) this.store(record.tid, at, record.value * BYTES, false);
        return;
      case 'mem-write':
        return this.store(record.tid, record.address, record.value, record.release);
      case 'dsb':
        return this.dsb(record.tid, record.domain);
      case 'isb':
      case 'mem-read':
        return;
      case 'tlbi':
        return this.unclean.invalidate(record.tid, record, UncleanEntries.needsTree(record) ? this.loadedBy(record.tid) : undefined);
      case 'hint':
        return this.hint(record.hint, record.location, record.value);
      case 'lock':
        return this.lock(record.tid, record.address);
      case 'unlock':
        return this.unlock(record.tid, record.address);
    }
  }

  private writeRegister(tid: number, register: string, value: bigint): void {
    const stage = this.registers.write(tid, register, value);
    if (stage === undefined) return;
    const tree = this.registers.tree(tid, stage);
    if (tree === undefined) this.loaded[stage].delete(tid);
    else this.load(tid, stage, tree);
  }

  private load(tid: number, stage: TreeStage, { root, id }: TreeBase): void {
    const [what, known] = [stage === 1 ? 'ASID' : 'VMID', this.roots.get(root)];
    if (stage === 1 && id !== 0) throw new BrokenRule(CasemateRule.Vttbr, `ASID ${id}: expected 0, the only one of the hypervisor's own tree`);
    if (known !== undefined && (known.stage !== stage || known.id !== id))
      throw new BrokenRule(CasemateRule.Vttbr, `root ${hex(root)} is known by number ${known.id} of stage ${known.stage}, not ${what} ${id}`);
    if (known === undefined) {
      for (const other of this.roots.values())
        if (other.stage === stage && other.id === id) throw new BrokenRule(CasemateRule.Vttbr, `${what} ${id} belongs to another root`);
      if (this.roots.size >= MAX_ROOTS) throw new BrokenRule(CasemateRule.Limit, `more than ${MAX_ROOTS} roots`);
      this.forest.addRoot(root, this.registers.startLevel(tid, stage), stage);
      this.roots.set(root, { stage, id });
    }
    this.loaded[stage].set(tid, root);
    this.hasRoot = true;
  }

  private store(tid: number, address: number, value: bigint, release: boolean): void {
    const table = this.forest.tableAt(address);
    if (table === undefined) {
      this.forest.write(address, value);
      return;
    }
    this.checkedStores++;
    const index = (address - table.address) / 8;
    const old = table.values[index];
    this.checkRight(tid, table, address, !release && ((old | value) & VALID) !== 0n);
    if (table.detached && old !== value && ((old | value) & VALID) !== 0n)
      throw new BrokenRule(CasemateRule.BrokenParent, `store to ${hex(address)}, whose parent is broken`);
    this.change(tid, table, index, old, value);
  }

  /** @throws BrokenRule Vttbr, Lock, PlainStore when the thread may not store to the entry now */
  private checkRight(tid: number, table: LiveTable, address: number, plain: boolean): void {
    const owner = this.owners.get(address);
    if (owner === tid) return;
    if (owner !== undefined) throw new BrokenRule(CasemateRule.Lock, `thread ${tid} stores to ${hex(address)}, which was given to thread ${owner}`);
    if (this.loaded[table.stage].get(tid) !== table.root)
      throw new BrokenRule(CasemateRule.Vttbr, `thread ${tid} stores to a tree it has not loaded`);
    const lock = this.lockOf(table.root);
    if (lock?.tid !== tid) throw new BrokenRule(CasemateRule.Lock, `thread ${tid} stores without the lock of ${hex(table.root)}`);
    if (!lock.plainAllowed && plain) throw new BrokenRule(CasemateRule.PlainStore, `plain store to ${hex(address)} after another store`);
    lock.plainAllowed = false;
  }

  private change(tid: number, table: LiveTable, index: number, old: bigint, value: bigint): void {
    const address = table.address + index * 8;
    if ((value & VALID) === 0n) {
      if ((old & VALID) !== 0n) this.break(tid, table, index);
    } else if (this.unclean.has(address)) {
      throw new BrokenRule(CasemateRule.UncleanToValid, `${hex(address)} becomes valid before the TLBs forgot it`);
    } else if ((old & VALID) !== 0n) {
      checkInPlace(table.level, address, old, value);
    } else {
      this.forest.link(table, index, value);
    }
    table.values[index] = value;
  }

  private break(tid: number, table: LiveTable, index: number): void {
    const [address, child] = [table.address + index * 8, table.children[index]];
    for (const below of child === undefined ? [] : this.forest.below(child)) {
      if (this.unclean.some(one => one.table === below))
        throw new BrokenRule(CasemateRule.BrokenParent, `${hex(address)} is broken above unclean entries`);
      if ([...this.owners.keys()].some(owned => this.forest.tableAt(owned) === below))
        throw new BrokenRule(CasemateRule.BrokenParent, `${hex(address)} is broken above an entry that was given to a thread`);
      below.detached = true;
    }
    this.unclean.add(tid, table, index);
  }

  private dsb(tid: number, domain: string): void {
    for (const { table, index } of this.unclean.barrier(tid, domain)) this.forest.unlink(table, index);
    for (const lock of this.held.values()) if (lock.tid === tid) lock.plainAllowed = true;
  }

  private hint(hint: string, location: number, value: bigint): void {
    if (hint === 'set_root_lock') this.setLock(location, value);
    if (hint === 'release_table') this.release(location);
    if (hint === 'set_pte_thread_owner') this.giveTo(location, Number(value));
  }

  private setLock(root: number, lock: bigint): void {
    if (this.lockOfRoot.size >= MAX_ROOTS && !this.lockOfRoot.has(root)) throw new BrokenRule(CasemateRule.Limit, `more than ${MAX_ROOTS} locks`);
    this.lockOfRoot.set(root, lock);
  }

  /** An entry of the last level is a thread's own from now on. */
  private giveTo(address: number, tid: number): void {
    if (this.forest.tableAt(address)?.level !== LAST_LEVEL)
      throw new BrokenRule(CasemateRule.Lock, `${hex(address)} is given to thread ${tid} and no entry of the last level`);
    this.owners.set(address, tid);
  }

  /** A tree is let go of; the hint may also name a table that never was one. */
  private release(root: number): void {
    this.lockOfRoot.delete(root);
    if (this.forest.tableAt(root) === undefined) return;
    const known = this.roots.get(root);
    if (known === undefined) throw new BrokenRule(CasemateRule.Release, `${hex(root)} is a table and no root`);
    const user = [...this.loaded[known.stage]].find(([, loaded]) => loaded === root);
    if (user !== undefined) throw new BrokenRule(CasemateRule.Release, `thread ${user[0]} uses ${hex(root)}`);
    if (this.unclean.some(({ table }) => table.root === root)) throw new BrokenRule(CasemateRule.Release, `entries below ${hex(root)} are unclean`);
    this.forest.removeRoot(root);
    this.roots.delete(root);
    for (const owned of this.owners.keys()) if (this.forest.tableAt(owned) === undefined) this.owners.delete(owned);
  }

  private lock(tid: number, address: bigint): void {
    const holder = this.held.get(address);
    if (holder !== undefined) throw new BrokenRule(CasemateRule.Lock, `thread ${tid} takes a lock that thread ${holder.tid} holds`);
    if (address === 0n) throw new BrokenRule(CasemateRule.Lock, 'a lock at address 0');
    if (this.held.size >= MAX_ROOTS) throw new BrokenRule(CasemateRule.Limit, `more than ${MAX_ROOTS} locks are held`);
    this.held.set(address, { tid, plainAllowed: true });
  }

  private unlock(tid: number, address: bigint): void {
    if (this.held.get(address)?.tid !== tid) throw new BrokenRule(CasemateRule.Lock, `thread ${tid} gives back a lock it does not hold`);
    this.held.delete(address);
  }

  private loadedBy(tid: number): number {
    const root = this.loaded[2].get(tid);
    if (root === undefined) throw new BrokenRule(CasemateRule.Vttbr, `thread ${tid} invalidates, having loaded no root`);
    return root;
  }

  private lockOf(root: number): HeldLock | undefined {
    return this.held.get(this.lockOfRoot.get(root) ?? 0n);
  }

  private isHeld(tid: number, { address, table }: Unclean): boolean {
    const owner = this.owners.get(address);
    return owner === undefined ? this.lockOf(table.root)?.tid === tid : owner === tid;
  }
}

/** A valid entry says something else and stays valid. @throws BrokenRule Encoding, ValidToValid, LeafForLeaf */
function checkInPlace(level: number, address: number, old: bigint, value: bigint): void {
  const change = `${hex(address)}: ${hex(old)} to ${hex(value)}`;
  if (isReserved(level, value)) throw new BrokenRule(CasemateRule.Encoding, `${change}: no descriptor of level ${level}`);
  if (isTable(level, old) || isTable(level, value)) throw new BrokenRule(CasemateRule.ValidToValid, change);
  if (((old ^ value) & ~SOFTWARE) === 0n) return;
  if (((old | value) & ACCESS_FLAG) === 0n) throw new BrokenRule(CasemateRule.ValidToValid, `${change}: neither has the access flag`);
  if (((old ^ value) & ~CHANGEABLE) !== 0n) throw new BrokenRule(CasemateRule.LeafForLeaf, change);
}
