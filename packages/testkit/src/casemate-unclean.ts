/**
 * Entries that were broken and that some TLB may still remember, and what barriers and invalidations do to them.
 *
 * Only the thread that broke an entry cleans it, in its section of the tree's lock: DSB · TLBI · DSB, where an invalidation by IPA takes one of stage 1 and another DSB
 * on top and reaches no table. The DSB after a TLBI has to be an inner shareable one for loads and stores. What other CPUs do not take part in (`dsb nsh`, an invalidation that is not
 * broadcast) cleans nothing and is refused while there is something to clean.
 *
 * Models: Arm ARM D8.16 (break-before-make), D8.17 (TLB maintenance).
 */
import type { LiveTable, TreeStage } from './casemate-forest';
import { BrokenRule, CasemateRule, hex } from './casemate-rules';

/** How far an unclean entry is on its way to being clean. */
const Progress = { Broken: 0, Dsb: 1, IpaTlbi: 2, IpaTlbiDsb: 3, Tlbi: 4 } as const;

/** An entry that is broken and not clean. */
export interface Unclean {
  readonly address: number;
  readonly table: LiveTable;
  readonly index: number;
  readonly tid: number;
  readonly wasTable: boolean;
  progress: number;
}

/** A TLB invalidation as it is written down. */
export interface Invalidation {
  readonly operation: string;
  readonly value: bigint;
}

interface Operation {
  /** The translation whose trees it concerns. */
  readonly regime: TreeStage;
  readonly byAddress: boolean;
  /** Entries of the last level only. */
  readonly lastLevel: boolean;
  /** All VMIDs. */
  readonly everyTree: boolean;
  readonly broadcast: boolean;
  /** What it makes of an entry, by the entry's progress; others stay as they are. */
  readonly after: ReadonlyMap<number, number>;
}

const both = new Map<number, number>([
  [Progress.Dsb, Progress.Tlbi],
  [Progress.IpaTlbiDsb, Progress.Tlbi],
]);
const stage1 = new Map<number, number>([[Progress.IpaTlbiDsb, Progress.Tlbi]]);
const stage2 = new Map<number, number>([[Progress.Dsb, Progress.IpaTlbi]]);

const operation = (regime: TreeStage, after: Operation['after'], special: Partial<Operation> = {}): Operation => ({
  regime,
  after,
  byAddress: false,
  lastLevel: false,
  everyTree: false,
  broadcast: true,
  ...special,
});

const OPERATIONS: Readonly<Record<string, Operation>> = {
  ipas2e1is: operation(2, stage2, { byAddress: true }),
  vmalle1is: operation(2, stage1),
  vmalle1: operation(2, stage1, { broadcast: false }),
  vmalls12e1is: operation(2, both),
  vmalls12e1: operation(2, both, { broadcast: false }),
  alle1is: operation(2, both, { everyTree: true }),
  alle1: operation(2, both, { everyTree: true, broadcast: false }),
  vae2is: operation(1, both, { byAddress: true }),
  vale2is: operation(1, both, { byAddress: true, lastLevel: true }),
  alle2is: operation(1, both, { everyTree: true }),
  alle2: operation(1, both, { everyTree: true, broadcast: false }),
};

const FRAME_BITS = (1n << 44n) - 1n;
const LAST_LEVEL = 3;

/** All unclean entries of all trees. */
export class UncleanEntries {
  private readonly entries = new Map<number, Unclean>();

  /** @param isHeld whether a thread holds what guards an entry */
  constructor(private readonly isHeld: (tid: number, entry: Unclean) => boolean) {}

  add(tid: number, table: LiveTable, index: number): void {
    const address = table.address + index * 8;
    this.entries.set(address, { address, table, index, tid, wasTable: table.children[index] !== undefined, progress: Progress.Broken });
  }

  has(address: number): boolean {
    return this.entries.has(address);
  }

  /** Whether an entry for which `test` holds is unclean. */
  some(test: (entry: Unclean) => boolean): boolean {
    return [...this.entries.values()].some(test);
  }

  /** A DSB. @returns entries that are clean now @throws BrokenRule Local */
  barrier(tid: number, domain: string): Unclean[] {
    const cleaned: Unclean[] = [];
    for (const entry of this.entries.values()) {
      if (!this.isHeld(tid, entry)) continue;
      if (domain === 'nsh') throw local('dsb nsh', entry);
      if (entry.tid !== tid) continue;
      if (entry.progress === Progress.Broken) entry.progress = Progress.Dsb;
      else if (entry.progress === Progress.IpaTlbi && domain === 'ish') entry.progress = Progress.IpaTlbiDsb;
      else if (entry.progress === Progress.Tlbi && domain === 'ish') cleaned.push(entry);
    }
    for (const { address } of cleaned) this.entries.delete(address);
    return cleaned;
  }

  /** Whether an invalidation is for the VMID that the thread has loaded. */
  static needsTree({ operation: name }: Invalidation): boolean {
    return OPERATIONS[name].regime === 2 && !OPERATIONS[name].everyTree;
  }

  /** A TLB invalidation. @param root of the tree it is for, if it is for one @throws BrokenRule Local */
  invalidate(tid: number, invalidation: Invalidation, root: number | undefined): void {
    const { regime, after, broadcast, byAddress, lastLevel } = OPERATIONS[invalidation.operation];
    for (const entry of this.entries.values()) {
      if (entry.table.stage !== regime || !this.isHeld(tid, entry)) continue;
      if (!broadcast) throw local(`tlbi ${invalidation.operation}`, entry);
      if (entry.tid !== tid || (root !== undefined && entry.table.root !== root)) continue;
      if (byAddress && !isReached(entry, invalidation.value, lastLevel)) continue;
      entry.progress = after.get(entry.progress) ?? entry.progress;
    }
  }
}

function local(what: string, { address }: Unclean): BrokenRule {
  return new BrokenRule(CasemateRule.Local, `${what} while ${hex(address)} is unclean: other CPUs take no part`);
}

/** Whether an invalidation by address concerns an entry: its address, the level if it names one, and no table. */
function isReached({ table, index, wasTable }: Unclean, value: bigint, lastLevel: boolean): boolean {
  const hint = Number(value >> 44n) & 15;
  if (wasTable || (hint >= 4 && (hint & 3) !== table.level) || (lastLevel && table.level !== LAST_LEVEL)) return false;
  const frame = Number(value & FRAME_BITS);
  const span = 512 ** (LAST_LEVEL - table.level);
  const first = table.frame + index * span;
  return frame >= first && frame < first + span;
}
