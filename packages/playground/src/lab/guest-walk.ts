/**
 * A vCPU's walk through the guest's own tables, as the plan of the run lays them out: which entries the hardware (or, under shadow paging, KVM) reads on its way from a virtual
 * frame to a physical one. Entries are written as an unmodified guest would: x86-64 long mode, or VMSAv8-64 stage 1.
 */
import { ENTRIES_PER_TABLE, EntryKind, type Gfn, type GuestRun, type GuestTables, type Vfn, type WalkedEntry } from '@mmulab/api';

/** A step of the guest's walk, and where the table it reads lies. */
export interface GuestStep extends WalkedEntry {
  readonly tableGfn: Gfn;
}

/** A walk: its steps, and the frame it comes to. */
export interface GuestWalk {
  readonly steps: readonly GuestStep[];
  /** Undefined where the guest maps nothing. */
  readonly gfn: Gfn | undefined;
}

/** The run of an address space that a virtual frame lies in. */
export function runAt(space: GuestTables, vfn: Vfn): GuestRun | undefined {
  return space.runs.find(run => vfn >= run.vfn && vfn < run.vfn + run.npages);
}

/** A virtual frame that maps to a physical one; undefined where there is none. */
export function vfnOf(space: GuestTables, gfn: Gfn): Vfn | undefined {
  const run = space.runs.find(one => gfn >= one.gfn && gfn < one.gfn + one.npages);
  return run === undefined ? undefined : run.vfn + (gfn - run.gfn);
}

/** @param arch `x86`, `arm64`: how entries are written */
export function walkGuest(space: GuestTables, vfn: Vfn, arch: string): GuestWalk {
  const run = runAt(space, vfn);
  const steps: GuestStep[] = [];
  for (let level = space.levels; level >= 1; level--) {
    const tableGfn = tableAt(space, vfn, level);
    if (tableGfn === undefined) break;
    const isLeaf = run !== undefined && level === run.level;
    const below = isLeaf ? leafFrame(run, vfn, level) : tableAt(space, vfn, level - 1);
    const kind = isLeaf ? EntryKind.Leaf : below === undefined ? EntryKind.Empty : EntryKind.Table;
    const index = Math.floor(vfn / ENTRIES_PER_TABLE ** (level - 1)) % ENTRIES_PER_TABLE;
    const word = below === undefined ? '0' : guestWord(arch, level, below, isLeaf ? run : undefined).toString(16);
    steps.push({ level, index, kind, word, tableGfn, table: { name: `frame 0x${tableGfn.toString(16)}`, role: '' } });
    if (kind !== EntryKind.Table) break;
  }
  return { steps, gfn: run === undefined ? undefined : run.gfn + (vfn - run.vfn) };
}

/** Frame of the table with entries of a level; undefined where there is none. */
function tableAt(space: GuestTables, vfn: Vfn, level: number): Gfn | undefined {
  if (level === space.levels) return space.root;
  const number = Math.floor(vfn / ENTRIES_PER_TABLE ** level);
  const run = space.tables.find(one => one.level === level && number >= one.first && number < one.first + one.count);
  return run === undefined ? undefined : run.gfn + (number - run.first);
}

/** First frame of the page, or block, that a leaf of a level maps. */
function leafFrame(run: GuestRun, vfn: Vfn, level: number): Gfn {
  const within = vfn % ENTRIES_PER_TABLE ** (level - 1);
  return run.gfn + (vfn - run.vfn) - within;
}

function guestWord(arch: string, level: number, gfn: Gfn, run: GuestRun | undefined): bigint {
  const address = BigInt(gfn) << 12n;
  return address | (arch === 'arm64' ? stage1Bits(level, run) : pagingBits(level, run));
}

const when = (on: boolean, bit: bigint): bigint => (on ? 1n << bit : 0n);

/** P, R/W, U/S, A, D, PS, XD. Tables allow everything; leaves decide. */
function pagingBits(level: number, run: GuestRun | undefined): bigint {
  if (run === undefined) return 0b100111n;
  return (
    1n | when(run.writable, 1n) | when(run.user, 2n) | when(run.accessed, 5n) | when(run.dirty, 6n) | when(level > 1, 7n) | when(!run.executable, 63n)
  );
}

/** Valid, table or page, AP[2:1], SH inner, AF, PXN and UXN. */
function stage1Bits(level: number, run: GuestRun | undefined): bigint {
  if (run === undefined) return 0b11n;
  const never = when(!run.executable, 53n) | when(!run.executable, 54n);
  return 1n | when(level === 1, 1n) | when(run.user, 6n) | when(!run.writable, 7n) | (3n << 8n) | when(true, 10n) | never;
}
