/**
 * What a guest does to its page tables, as steps: writes to the entries that map a stretch of its memory, flushes, and a copy of the tables as fork makes it.
 *
 * Writes go through the window on which the guest maps its table pages. Entries in neighbouring pages of the window are one step, however many they are.
 */
import {
  ENTRIES_PER_TABLE,
  GuestEntryBit,
  type EntryChange,
  type Gfn,
  type GuestTableWrites,
  type Level,
  type VcpuStep,
  type Vfn,
} from '@mmulab/api';
import type { TableTree } from './table-trees';
import { entryPages } from './table-trees';

const { Present, Writable, Executable, Accessed, Dirty, Large } = GuestEntryBit;

/** Pages [vfn, end) of the guest, and every how many-th entry of those that map them is meant. */
export interface Stretch {
  readonly vfn: Vfn;
  readonly end: Vfn;
  readonly stride: number;
}

/** Where the guest reaches its tables, and what it writes into leaves. */
export interface EditedGuest {
  /** Page of the window that maps a table page. */
  tableVfn(gfn: Gfn): Vfn;
  /** Frame behind a page of test memory as the guest starts. */
  gfnOf(vfn: Vfn): Gfn;
  /** First and last page of test memory. */
  readonly first: Vfn;
  readonly last: Vfn;
  /** Level of the entries that map test memory. */
  readonly leafLevel: Level;
  /** Entries the guest writes have A and D set. */
  readonly used: boolean;
}

/** What becomes of entries, by letter. `frames`: where they point to. */
interface Edit {
  readonly doc: string;
  /** Whether entries that point to tables can be written so. */
  readonly directories: boolean;
  readonly frames?: 'own' | 'reversed' | 'none';
  readonly set?: number;
  readonly clear?: number;
}

/** Letters of edits. */
export const EDITS: ReadonlyMap<string, Edit> = new Map<string, Edit>([
  ['m', { doc: 'map', directories: true, frames: 'own' }],
  ['u', { doc: 'unmap', directories: true, frames: 'none' }],
  ['e', { doc: 'map in reverse order: the first page to the frame of the last one', directories: false, frames: 'reversed' }],
  ['p', { doc: 'make read-only', directories: true, clear: Writable }],
  ['q', { doc: 'make writable', directories: true, set: Writable }],
  ['a', { doc: 'clear A', directories: true, clear: Accessed }],
  ['c', { doc: 'clear D', directories: false, clear: Dirty }],
]);

/** Widths of single writes that are no whole entry, by letter: bytes. */
export const WIDTHS: ReadonlyMap<string, 1 | 2 | 4 | 16> = new Map([
  ['b', 1],
  ['h', 2],
  ['l', 4],
  ['y', 16],
] as const);

/** Writes, and the number of the first entry they change. */
export interface EntryWrites {
  readonly entry: number;
  readonly writes: GuestTableWrites;
}

/** Writes of an edit to the entries of a level. */
export function editWrites(
  guest: EditedGuest,
  tree: TableTree,
  level: Level,
  stretch: Stretch,
  letter: string,
  bytes?: 1 | 2 | 4 | 16,
): EntryWrites[] {
  const edit = EDITS.get(letter);
  if (edit === undefined) return [];
  const writes: EntryWrites[] = [];
  const width = bytes === undefined ? {} : { bytes };
  // Two entries with one write.
  const stride = bytes === 16 ? Math.max(2, stretch.stride) : stretch.stride;
  for (const piece of pieces(tree, level, { ...stretch, stride })) {
    if (edit.frames === undefined) {
      append(writes, piece.first, { ...through(guest, piece), ...width, change: { kind: 'modify', set: edit.set ?? 0, clear: edit.clear ?? 0 } });
    } else {
      for (const part of level === guest.leafLevel ? [piece] : single(piece)) {
        append(writes, part.first, { ...through(guest, part), ...width, change: stored(guest, tree, level, part, edit.frames) });
      }
    }
  }
  return writes;
}

/** Entries of one table page: numbers first, first + stride, … */
interface Piece {
  readonly table: Gfn;
  readonly first: number;
  readonly count: number;
  readonly stride: number;
}

/** The entries of a stretch, table page by table page. */
function* pieces(tree: TableTree, level: Level, { vfn, end, stride }: Stretch): Generator<Piece> {
  const pages = entryPages(level);
  const last = Math.floor((end - 1) / pages);
  for (let entry = Math.floor(vfn / pages); entry <= last;) {
    const number = Math.floor(entry / ENTRIES_PER_TABLE);
    const behind = Math.min(last + 1, (number + 1) * ENTRIES_PER_TABLE);
    const count = Math.ceil((behind - entry) / stride);
    const table = tree.frameOf(level, number);
    if (table !== undefined) yield { table, first: entry, count, stride };
    entry += count * stride;
  }
}

function* single({ table, first, count, stride }: Piece): Generator<Piece> {
  for (let i = 0; i < count; i++) yield { table, first: first + i * stride, count: 1, stride };
}

function through(guest: EditedGuest, { table, first, count, stride }: Piece): Omit<GuestTableWrites, 'change'> {
  return { vfn: guest.tableVfn(table), first: first % ENTRIES_PER_TABLE, count, stride };
}

/** What entries are given to point to. */
function stored(guest: EditedGuest, tree: TableTree, level: Level, { first, stride }: Piece, frames: 'own' | 'reversed' | 'none'): EntryChange {
  if (frames === 'none') return { kind: 'store', gfn: 0, step: 0, bits: 0 };
  if (level > guest.leafLevel) return { kind: 'store', gfn: tree.frameOf(level - 1, first) ?? 0, step: stride, bits: tableBits(guest) };
  const pages = entryPages(level);
  const vfn = first * pages;
  const bits = Present | Writable | Executable | (level > 1 ? Large : 0) | (guest.used ? Accessed | Dirty : 0);
  if (frames === 'own') return { kind: 'store', gfn: guest.gfnOf(vfn), step: stride * pages, bits };
  return { kind: 'store', gfn: guest.gfnOf(guest.last - (vfn - guest.first) - (pages - 1)), step: -stride * pages, bits };
}

function tableBits({ used }: EditedGuest): number {
  return Present | Writable | Executable | (used ? Accessed : 0);
}

/** Adds writes, to the last ones where they go on there. */
function append(all: EntryWrites[], entry: number, next: GuestTableWrites): void {
  const last = all.at(-1);
  const joined = last === undefined ? undefined : join(last.writes, next);
  if (last === undefined || joined === undefined) all.push({ entry, writes: next });
  else all[all.length - 1] = { entry: last.entry, writes: joined };
}

function join(last: GuestTableWrites, next: GuestTableWrites): GuestTableWrites | undefined {
  const stride = last.count === 1 ? (next.vfn - last.vfn) * ENTRIES_PER_TABLE + next.first - last.first : last.stride;
  if (stride <= 0 || (next.count > 1 && next.stride !== stride)) return undefined;
  if ((next.vfn - last.vfn) * ENTRIES_PER_TABLE + next.first !== last.first + last.count * stride) return undefined;
  const change = goOn(last, next.change, next.count);
  return change === undefined ? undefined : { ...last, stride, count: last.count + next.count, change };
}

/** The change of writes that go on with another one's; undefined where it is another. */
function goOn({ change: a, count }: GuestTableWrites, b: EntryChange, more: number): EntryChange | undefined {
  if (a.kind === 'modify') return b.kind === 'modify' && a.set === b.set && a.clear === b.clear ? a : undefined;
  if (a.kind !== 'store' || b.kind !== 'store' || a.bits !== b.bits) return undefined;
  const step = count === 1 ? b.gfn - a.gfn : a.step;
  return b.gfn === a.gfn + count * step && (more === 1 || b.step === step) ? { ...a, step } : undefined;
}

/** Each write followed by INVLPG of the pages whose entries it has changed, as far as one of each is concerned. */
export function invalidatedSteps({ entry, writes }: EntryWrites, level: Level): VcpuStep[] {
  const pages = entryPages(level);
  const { count, stride, change, bytes } = writes;
  const invalidated = Array.from({ length: bytes === 16 ? 2 : 1 }, (_, i) => entry + i);
  const one = (i: number): VcpuStep[] => [
    { op: 'table', writes: { ...writes, first: writes.first + i * stride, count: 1, change: furtherOn(change, i) } },
    ...invalidated.map((at): VcpuStep => ({ op: 'control', write: { register: 'invlpg', vfn: (at + i * stride) * pages } })),
  ];
  // An entry a page: edits and pages lie equally far apart.
  if (level === 1) return [{ op: 'repeat', times: count, shift: stride, steps: one(0) }];
  return Array.from({ length: count }, (_, i) => one(i)).flat();
}

function furtherOn(change: EntryChange, i: number): EntryChange {
  return change.kind === 'store' ? { ...change, gfn: change.gfn + i * change.step } : change;
}

/**
 * Copies the tables of pages [vfn, end) as fork does: new tables, cleared; the leaves of both sides read-only; the entries beside them shared.
 * @param shared entries of the parent's upper tables that the child takes as they are: level, and entry number
 */
export function forkSteps(
  guest: EditedGuest,
  parent: TableTree,
  child: ChildTables,
  { vfn, end }: Stretch,
  levels: number,
  shared: readonly { readonly level: Level; readonly entry: number }[],
): VcpuStep[] {
  const cleared: VcpuStep = { op: 'access', run: { vfn: guest.tableVfn(child.root), count: child.count, stride: 1, kind: 1, writeEvery: 0 } };
  const steps: VcpuStep[] = [cleared];
  for (const { level, entry } of shared) steps.push(copied(guest, parent, child, level, entry, 1, 0));
  const whole = { vfn, end, stride: 1 };
  for (let level = levels; level > guest.leafLevel; level--) {
    for (const { writes } of editWrites(guest, child, level, whole, 'm')) steps.push({ op: 'table', writes });
  }
  for (const { first, count } of pieces(parent, guest.leafLevel, whole)) {
    const pages = entryPages(guest.leafLevel);
    const part = { vfn: first * pages, end: (first + count) * pages, stride: 1 };
    for (const { writes } of editWrites(guest, parent, guest.leafLevel, part, 'p')) steps.push({ op: 'table', writes });
    steps.push(copied(guest, parent, child, guest.leafLevel, first, count, Writable));
  }
  return steps;
}

/** A child's tables: their own pages lie one behind the other from the top table on. */
export interface ChildTables extends TableTree {
  readonly root: Gfn;
  readonly count: number;
}

function copied(guest: EditedGuest, parent: TableTree, child: TableTree, level: Level, entry: number, count: number, clear: number): VcpuStep {
  const table = Math.floor(entry / ENTRIES_PER_TABLE);
  const first = entry % ENTRIES_PER_TABLE;
  const [from, to] = [parent.frameOf(level, table) ?? 0, child.frameOf(level, table) ?? 0];
  const change = { kind: 'copy', vfn: guest.tableVfn(from), first, clear } as const;
  return { op: 'table', writes: { vfn: guest.tableVfn(to), first, count, stride: 1, change } };
}
