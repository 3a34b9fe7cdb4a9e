/**
 * Checks a trace against break-before-make and locking, as Casemate's checker does; one of our own, so that the project's tests need no other.
 *
 * What is a table follows from the trace alone: pages that were initialised, the root that a thread loads, and the tables its entries point to. Every entry of a live
 * table is valid, invalid, or unclean: invalid, and some TLB may still hold what it said. An unclean entry becomes clean by the thread that broke it, in its
 * section of the tree's lock, by DSB · TLBI · DSB, where an invalidation by IPA takes one of stage 1 and another DSB on top and reaches no table. Only
 * then may it become valid, and only then do the tables below it stop being live.
 *
 * One rule goes further than Casemate's: a valid leaf may change its rights and its access flag in place, and nothing else.
 *
 * Models: Arm ARM D8.16 (break-before-make); the rules as numbered in `CasemateRule`.
 */
import { TableForest } from './casemate-forest';
import type { LiveTable } from './casemate-forest';
import { readCasemateTrace } from './casemate-reader';
import type { CasemateRecord } from './casemate-reader';

/** What a trace can break. */
export const CasemateRule = {
  /** A thread touches a tree it has not loaded, or loads one that is known under another VMID. */
  Vttbr: 'vttbr',
  /** A start table that is not a single one of level 0 to 2. */
  StartTable: 'start-table',
  /** A store to a live entry, or the taking of a lock, that the lock forbids. */
  Lock: 'lock',
  /** A plain store after another store with no DSB in between. */
  PlainStore: 'plain-store',
  /** An entry becomes valid while it is unclean. */
  UncleanToValid: 'unclean-to-valid',
  /** A table comes and goes, or the table above it, without the entry being broken. */
  ValidToValid: 'valid-to-valid',
  /** A leaf takes another leaf's place without the entry being broken. */
  LeafForLeaf: 'leaf-for-leaf',
  /** A store below an entry that is broken and not clean, or a break above entries that are unclean. */
  BrokenParent: 'broken-parent',
  /** A page that was not initialised since it was last free, is a table already, or is freed while it is one. */
  TablePage: 'table-page',
  /** A tree let go of while a thread uses it. */
  Release: 'release',
} as const;
export type CasemateRule = (typeof CasemateRule)[keyof typeof CasemateRule];

/** The outcome of a check. A trace in which no thread loads a root is not checked, whatever it holds. */
export type CasemateVerdict =
  | { readonly verdict: 'accepted'; readonly checkedStores: number }
  | { readonly verdict: 'unchecked' }
  | { readonly verdict: 'rejected'; readonly rule: CasemateRule; readonly line: number; readonly problem: string };

/** How far an unclean entry is on its way to being clean. */
const Progress = { Broken: 0, Dsb: 1, IpaTlbi: 2, IpaTlbiDsb: 3, Tlbi: 4 } as const;

interface Unclean {
  readonly table: LiveTable;
  readonly index: number;
  readonly tid: number;
  readonly wasTable: boolean;
  progress: number;
}

interface HeldLock {
  readonly tid: number;
  plainAllowed: boolean;
}

const VALID = 1n;
/** Rights, access flag, dirty modifier and software bits: what may change in a valid leaf. */
const CHANGEABLE = (3n << 6n) | (1n << 10n) | (1n << 51n) | (3n << 53n) | (15n << 55n);
const ADDRESS_BITS = (1n << 48n) - 1n;
const FRAME_BITS = (1n << 44n) - 1n;
const DEFAULT_T0SZ = 16;

/** Thrown by a rule that is broken; caught where the check began. */
class Broken extends Error {
  constructor(
    readonly rule: CasemateRule,
    message: string,
  ) {
    super(message);
  }
}

/**
 * Checks a trace.
 * @throws CASEMATE_SYNTAX for text that is none
 */
export function checkCasemateTrace(text: string): CasemateVerdict {
  const records = readCasemateTrace(text);
  const machine = new CheckedMachine();
  for (const record of records) {
    try {
      machine.step(record);
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      return { verdict: 'rejected', rule: error.rule, line: record.line, problem: error.message };
    }
  }
  return machine.hasRoot ? { verdict: 'accepted', checkedStores: machine.checkedStores } : { verdict: 'unchecked' };
}

class CheckedMachine {
  hasRoot = false;
  checkedStores = 0;
  private readonly forest = new TableForest(problem => {
    throw new Broken(CasemateRule.TablePage, problem);
  });
  private readonly vmids = new Map<number, number>();
  private readonly loaded = new Map<number, number>();
  private readonly t0sz = new Map<number, number>();
  private readonly lockOfRoot = new Map<number, number>();
  private readonly held = new Map<number, HeldLock>();
  private readonly unclean = new Map<number, Unclean>();

  step(record: CasemateRecord): void {
    switch (record.kind) {
      case 'sysreg-write':
        return this.writeRegister(record.tid, record.register, record.value);
      case 'mem-init':
        return this.forest.initialise(record.address, record.size);
      case 'mem-free':
        return this.forest.free(record.address, record.size);
      case 'mem-write':
        return this.store(record.tid, record.address, record.value, record.release);
      case 'dsb':
        return this.dsb(record.tid, record.inner);
      case 'isb':
        return;
      case 'tlbi':
        return this.tlbi(record.tid, record.operation, record.value);
      case 'hint':
        return this.hint(record.hint, record.location, record.value);
      case 'lock':
        return this.lock(record.tid, record.address);
      case 'unlock':
        return this.unlock(record.tid, record.address);
    }
  }

  private writeRegister(tid: number, register: string, value: bigint): void {
    if (register === 'vtcr_el2') this.t0sz.set(tid, Number(value & 63n));
    if (register === 'vttbr_el2') this.load(tid, Number(value & ADDRESS_BITS), Number(value >> 48n));
  }

  private load(tid: number, root: number, vmid: number): void {
    const known = this.vmids.get(root);
    if (known !== undefined && known !== vmid) throw new Broken(CasemateRule.Vttbr, `root ${hex(root)} has VMID ${known}, not ${vmid}`);
    if (known === undefined) {
      if ([...this.vmids.values()].includes(vmid)) throw new Broken(CasemateRule.Vttbr, `VMID ${vmid} belongs to another root`);
      this.forest.addRoot(root, this.startLevel(tid));
      this.vmids.set(root, vmid);
    }
    this.loaded.set(tid, root);
    this.hasRoot = true;
  }

  private startLevel(tid: number): number {
    const t0sz = this.t0sz.get(tid) ?? DEFAULT_T0SZ;
    // One start table covers 39 to 48 bits at level 0, 30 to 39 at level 1; narrower ones are concatenated from the level below.
    if (t0sz >= 16 && t0sz <= 20) return 0;
    if (t0sz >= 25 && t0sz <= 29) return 1;
    throw new Broken(CasemateRule.StartTable, `T0SZ ${t0sz}: concatenated start tables`);
  }

  private store(tid: number, address: number, value: bigint, release: boolean): void {
    const table = this.forest.tableAt(address);
    if (table === undefined) {
      this.forest.write(address, value);
      return;
    }
    this.checkedStores++;
    const lock = this.lockFor(tid, table.root);
    const index = (address - table.address) / 8;
    const old = table.values[index];
    if (!lock.plainAllowed && !release && ((old | value) & VALID) !== 0n)
      throw new Broken(CasemateRule.PlainStore, `plain store to ${hex(address)} after another store`);
    lock.plainAllowed = false;
    if (table.detached && old !== value && ((old | value) & VALID) !== 0n)
      throw new Broken(CasemateRule.BrokenParent, `store to ${hex(address)}, whose parent is broken`);
    this.change(tid, table, index, old, value);
  }

  private change(tid: number, table: LiveTable, index: number, old: bigint, value: bigint): void {
    const address = table.address + index * 8;
    const isUnclean = this.unclean.has(address);
    if ((value & VALID) === 0n) {
      if ((old & VALID) !== 0n) this.break(tid, table, index);
    } else if (isUnclean) {
      throw new Broken(CasemateRule.UncleanToValid, `${hex(address)} becomes valid before the TLBs forgot it`);
    } else if ((old & VALID) !== 0n) {
      this.checkInPlace(table, address, old, value);
    } else {
      this.forest.link(table, index, value);
    }
    table.values[index] = value;
  }

  private break(tid: number, table: LiveTable, index: number): void {
    const address = table.address + index * 8;
    const child = table.children[index];
    for (const below of child === undefined ? [] : this.forest.below(child)) {
      if ([...this.unclean.values()].some(one => one.table === below))
        throw new Broken(CasemateRule.BrokenParent, `${hex(address)} is broken above unclean entries`);
      below.detached = true;
    }
    this.unclean.set(address, { table, index, tid, wasTable: child !== undefined, progress: Progress.Broken });
  }

  private checkInPlace(table: LiveTable, address: number, old: bigint, value: bigint): void {
    if (old === value) return;
    const isTable = (word: bigint): boolean => table.level < 3 && (word & 2n) !== 0n;
    if (isTable(old) || isTable(value)) throw new Broken(CasemateRule.ValidToValid, `${hex(address)}: ${hex(old)} to ${hex(value)}`);
    if (((old ^ value) & ~CHANGEABLE) !== 0n) throw new Broken(CasemateRule.LeafForLeaf, `${hex(address)}: ${hex(old)} to ${hex(value)}`);
  }

  private dsb(tid: number, inner: boolean): void {
    for (const lock of this.held.values()) if (lock.tid === tid) lock.plainAllowed = true;
    for (const [address, entry] of this.unclean) {
      if (entry.tid !== tid || !this.holdsLock(tid, entry.table.root)) continue;
      if (entry.progress === Progress.Broken) entry.progress = Progress.Dsb;
      else if (entry.progress === Progress.IpaTlbi && inner) entry.progress = Progress.IpaTlbiDsb;
      else if (entry.progress === Progress.Tlbi && inner) this.clean(address, entry);
    }
  }

  private clean(address: number, { table, index }: Unclean): void {
    this.unclean.delete(address);
    this.forest.unlink(table, index);
  }

  private tlbi(tid: number, operation: string, value: bigint): void {
    const root = this.loaded.get(tid);
    if (root === undefined) throw new Broken(CasemateRule.Vttbr, `thread ${tid} invalidates, having loaded no root`);
    for (const entry of this.unclean.values()) {
      if (entry.tid !== tid || entry.table.root !== root || !this.holdsLock(tid, root)) continue;
      if (operation === 'ipas2e1is') {
        if (entry.progress === Progress.Dsb && isReached(entry, value)) entry.progress = Progress.IpaTlbi;
      } else if (operation === 'vmalle1is') {
        if (entry.progress === Progress.IpaTlbiDsb) entry.progress = Progress.Tlbi;
      } else if (entry.progress === Progress.Dsb || entry.progress === Progress.IpaTlbiDsb) {
        entry.progress = Progress.Tlbi;
      }
    }
  }

  private hint(hint: string, location: number, value: number): void {
    if (hint === 'set_root_lock') this.lockOfRoot.set(location, value);
    if (hint === 'release_table') this.release(location);
  }

  private release(root: number): void {
    if (!this.vmids.has(root)) throw new Broken(CasemateRule.Release, `${hex(root)} is no root`);
    const user = [...this.loaded].find(([, loaded]) => loaded === root);
    if (user !== undefined) throw new Broken(CasemateRule.Release, `thread ${user[0]} uses ${hex(root)}`);
    if ([...this.unclean.values()].some(({ table }) => table.root === root))
      throw new Broken(CasemateRule.Release, `entries below ${hex(root)} are unclean`);
    this.forest.removeRoot(root);
    this.vmids.delete(root);
    this.lockOfRoot.delete(root);
  }

  private lock(tid: number, address: number): void {
    const holder = this.held.get(address);
    if (holder !== undefined) throw new Broken(CasemateRule.Lock, `thread ${tid} takes a lock that thread ${holder.tid} holds`);
    if (address === 0) throw new Broken(CasemateRule.Lock, 'a lock at address 0');
    this.held.set(address, { tid, plainAllowed: true });
  }

  private unlock(tid: number, address: number): void {
    if (this.held.get(address)?.tid !== tid) throw new Broken(CasemateRule.Lock, `thread ${tid} gives back a lock it does not hold`);
    this.held.delete(address);
  }

  private lockFor(tid: number, root: number): HeldLock {
    if (this.loaded.get(tid) !== root) throw new Broken(CasemateRule.Vttbr, `thread ${tid} stores to a tree it has not loaded`);
    const lock = this.held.get(this.lockOfRoot.get(root) ?? 0);
    if (lock?.tid !== tid) throw new Broken(CasemateRule.Lock, `thread ${tid} stores without the lock of ${hex(root)}`);
    return lock;
  }

  private holdsLock(tid: number, root: number): boolean {
    return this.held.get(this.lockOfRoot.get(root) ?? 0)?.tid === tid;
  }
}

/** Whether an invalidation by IPA concerns an entry: its address, the level if it names one, and no table. */
function isReached({ table, index, wasTable }: Unclean, value: bigint): boolean {
  const hint = Number(value >> 44n) & 15;
  if (wasTable || (hint >= 4 && (hint & 3) !== table.level)) return false;
  const frame = Number(value & FRAME_BITS);
  const span = 512 ** (3 - table.level);
  const first = table.frame + index * span;
  return frame >= first && frame < first + span;
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
