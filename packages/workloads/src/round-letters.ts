/**
 * The letters of rounds: what each does, and what may stand behind it.
 *
 * One letter per operation, small ones behind it for its variants. Passes touch memory; what is written large, the host does: to the test memory (`Z`, `A`, `H`, `R`, `W`,
 * `M.`, `P`), to its dirty log (`D`, `G`, `K`, `U`, `Q.`), to its memslot (`S.`), to another memslot (`O.`), to the process (`F.`), to the module (`X.`).
 */
import { AccessKind, type HostOp, type MemslotSpec, type PageRange } from '@mmulab/api';
import type { RoundShape } from './round-syntax';

/** Kinds of accesses of passes. */
export const PASS_KINDS: Readonly<Record<string, AccessKind>> = { r: AccessKind.Read, w: AccessKind.Write, x: AccessKind.Exec };

/** What an operation is made from. */
export interface RoundOperands {
  /** The memslot of the test memory, where it lies now. */
  readonly slot: MemslotSpec;
  /** Where it lay at first. */
  readonly home: number;
  /** The other memslot, where it lies or will lie. */
  readonly other: MemslotSpec;
  readonly range: PageRange;
  /** Frames by which a memslot moves down. */
  readonly distance: number;
}

/** A letter with its variant. */
export interface RoundLetter {
  readonly shape: RoundShape;
  /** What it does, for the list of letters. */
  readonly doc: string;
  readonly make: (operands: RoundOperands) => HostOp;
}

const ranged = (doc: string, make: (slot: number) => HostOp): RoundLetter => ({
  shape: 'ranged',
  doc,
  make: ({ slot, range }) => ({ ...make(slot.id), ...range }),
});
const bare = (doc: string, make: (operands: RoundOperands) => HostOp): RoundLetter => ({ shape: 'bare', doc, make });
const moving = (doc: string, make: (operands: RoundOperands) => HostOp): RoundLetter => ({ shape: 'number', doc, make });

/** Host operations by letters. */
export const HOST_LETTERS: ReadonlyMap<string, RoundLetter> = new Map<string, RoundLetter>([
  ['D', bare('dirty log on', ({ slot }) => ({ op: 'set_dirty_log', slot: slot.id, on: true }))],
  ['U', bare('dirty log off', ({ slot }) => ({ op: 'set_dirty_log', slot: slot.id, on: false }))],
  ['G', bare('get the dirty log', ({ slot }) => ({ op: 'get_dirty_log', slot: slot.id }))],
  ['K', ranged('clear it; with a number in calls of so many pages', slot => ({ op: 'clear_dirty_log', slot }))],
  ['Qc', bare('user space collects the dirty rings', () => ({ op: 'collect_dirty_rings' }))],
  ['Qr', bare('KVM_RESET_DIRTY_RINGS', () => ({ op: 'reset_dirty_rings' }))],
  ['Z', ranged('MADV_DONTNEED', slot => ({ op: 'unmap', slot }))],
  ['Zm', ranged('something new is mapped over it (MAP_FIXED)', slot => ({ op: 'unmap', slot, remap: true }))],
  ['A', ranged('age (clear_young)', slot => ({ op: 'age', slot, pageByPage: false, flush: false }))],
  ['Ap', ranged('age page by page', slot => ({ op: 'age', slot, pageByPage: true, flush: false }))],
  ['Af', ranged('age with a flush (clear_flush_young)', slot => ({ op: 'age', slot, pageByPage: false, flush: true }))],
  ['Apf', ranged('age page by page with a flush each', slot => ({ op: 'age', slot, pageByPage: true, flush: true }))],
  ['At', ranged('look whether it is young (test_young)', slot => ({ op: 'age', slot, pageByPage: false, flush: false, test: true }))],
  ['H', ranged('the host writes it', slot => ({ op: 'host_access', slot, write: true }))],
  ['Hr', ranged('the host reads it', slot => ({ op: 'host_access', slot, write: false }))],
  ['Hk', ranged('KVM writes it for no vCPU', slot => ({ op: 'kvm_write', slot }))],
  ['R', ranged('mprotect to PROT_READ', slot => ({ op: 'protect', slot, writable: false }))],
  ['W', ranged('mprotect back to PROT_READ | PROT_WRITE', slot => ({ op: 'protect', slot, writable: true }))],
  ['Mf', ranged('MADV_FREE', slot => ({ op: 'madvise', slot, advice: 'free' }))],
  ['Mo', ranged('MADV_COLD', slot => ({ op: 'madvise', slot, advice: 'cold' }))],
  ['Mc', ranged('MADV_COLLAPSE', slot => ({ op: 'madvise', slot, advice: 'collapse' }))],
  ['Mh', ranged('MADV_HUGEPAGE', slot => ({ op: 'madvise', slot, advice: 'hugepage' }))],
  ['Mn', ranged('MADV_NOHUGEPAGE', slot => ({ op: 'madvise', slot, advice: 'nohugepage' }))],
  ['P', ranged('KVM_PRE_FAULT_MEMORY', slot => ({ op: 'pre_fault', slot }))],
  ['F', bare('fork; the child is gone at once', () => ({ op: 'fork', child: 'gone' }))],
  ['Fc', bare('fork; the child lives on', () => ({ op: 'fork', child: 'lives' }))],
  ['Fe', bare('the children end', () => ({ op: 'child_exit' }))],
  ['N', bare('one pass of NX recovery', () => ({ op: 'nx_recovery' }))],
  ['Xy', bare('nx_huge_pages=Y', () => ({ op: 'set_nx_huge_pages', on: true }))],
  ['Xn', bare('nx_huge_pages=N', () => ({ op: 'set_nx_huge_pages', on: false }))],
  ['Sd', bare('delete the memslot', ({ slot }) => ({ op: 'delete_memslot', slot: slot.id }))],
  ['Sa', bare('add it again over its memory', ({ slot }) => ({ op: 'create_memslot', spec: { ...slot, populated: [] }, memory: 'kept' }))],
  ['Sm', moving('move it down by so many pages', ({ slot, distance }) => ({ op: 'move_memslot', slot: slot.id, baseGfn: slot.baseGfn - distance }))],
  ['Sb', bare('move it back', ({ slot, home }) => ({ op: 'move_memslot', slot: slot.id, baseGfn: home }))],
  ['Sr', bare('make it read-only', ({ slot }) => ({ op: 'set_memslot_flags', slot: slot.id, readonly: true }))],
  ['Sw', bare('make it writable again', ({ slot }) => ({ op: 'set_memslot_flags', slot: slot.id, readonly: false }))],
  ['Oa', bare('add another memslot, of one page of the backing', ({ other }) => ({ op: 'create_memslot', spec: other }))],
  ['Od', bare('delete that one', ({ other }) => ({ op: 'delete_memslot', slot: other.id }))],
  [
    'Om',
    moving('move that one down by so many pages', ({ other, distance }) => ({
      op: 'move_memslot',
      slot: other.id,
      baseGfn: other.baseGfn - distance,
    })),
  ],
]);

/** What may stand behind the letters of each round. */
export const ROUND_SHAPES: ReadonlyMap<string, RoundShape> = new Map<string, RoundShape>([
  ...Object.keys(PASS_KINDS).map((letter): [string, RoundShape] => [letter, 'ranged']),
  ...[...HOST_LETTERS].map(([letters, { shape }]): [string, RoundShape] => [letters, shape]),
]);
