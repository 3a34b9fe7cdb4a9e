/**
 * What each transition does to roots, as a table: before the series that wanted to keep roots over role changes, as it was posted, and as shipped.
 *
 * A cell lists what happens, in order. `init` recomputes the roles and nothing else; `R` frees all roots of both MMUs; `C` looks for a cached root by the new
 * role and top table; `L` loads a root at the next entry (after `C` only when nothing was found); `S` synchronises shadow roots, `Fcur` and `Fguest` request
 * a TLB flush of the current root or on behalf of the guest; `-` is nothing at all. The code does not read the table: the test beside it performs
 * every transition under every policy and compares.
 */

/** Policies, by release and option; see root-policy.ts. */
export const POLICIES = {
  /** 5.10.262. */
  v510: { kernel: '5.10.262', options: {} },
  /** Before the series. */
  p0: { kernel: '5.17', options: {} },
  /** The series as posted. */
  p1: { kernel: '5.17', options: { root_reset: 'lookup' } },
  /** What was merged. */
  p2: { kernel: '5.18', options: {} },
  /** Stable 6.1 with its backports. */
  debian: { kernel: '6.1.192', options: {} },
  /** From 6.4 on. */
  p3: { kernel: '6.4', options: {} },
  /** 6.12: setting special registers flushes. */
  p3flush: { kernel: '6.12.117', options: {} },
} as const;

/** Name of a policy. */
export type PolicyName = keyof typeof POLICIES;

/** One row. Policies not named do as `p0` (v510), or as `p3` (debian, p3flush). */
export interface DecisionRow {
  readonly transition: string;
  readonly mmu: 'tdp' | 'shadow' | 'any';
  readonly p0: string;
  readonly p1: string;
  readonly p2: string;
  readonly p3: string;
  readonly v510?: string;
  readonly debian?: string;
  readonly p3flush?: string;
}

/** The table, in the order of the registers. */
export const DECISION_TABLE: readonly DecisionRow[] = [
  { transition: 'CR0.WP toggle, PG=1', mmu: 'tdp', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'init' },
  { transition: 'CR0.WP toggle, PG=1', mmu: 'shadow', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR0.WP toggle, PG=0', mmu: 'tdp', p0: 'R L', p1: 'C L', p2: 'R L', p3: '-', debian: 'init' },
  { transition: 'CR0.WP toggle, PG=0', mmu: 'shadow', p0: 'R L', p1: 'C L', p2: 'R L', p3: '-', debian: 'R L' },
  { transition: 'CR0.PG 0→1', mmu: 'tdp', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR0.PG 1→0', mmu: 'tdp', p0: 'R L', p1: 'R C L', p2: 'R L Fguest', p3: 'R L Fguest' },
  { transition: 'CR0.PG 0→1', mmu: 'shadow', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR0.PG 1→0', mmu: 'shadow', p0: 'R L', p1: 'R C L', p2: 'R L Fguest', p3: 'R L Fguest' },
  { transition: 'CR0.WP and PG 1→0', mmu: 'any', p0: 'R L', p1: 'R C L', p2: 'R L Fguest', p3: 'R L Fguest' },
  { transition: 'CR0.TS toggle', mmu: 'any', p0: '-', p1: '-', p2: '-', p3: '-' },
  { transition: 'CR0.CD toggle', mmu: 'any', p0: '-', p1: '-', p2: '-', p3: '-' },
  { transition: 'CR4.PGE toggle', mmu: 'any', v510: 'R L', p0: 'Fguest', p1: 'Fguest', p2: 'Fguest', p3: 'Fguest' },
  { transition: 'CR4.PCIDE 0→1', mmu: 'tdp', p0: 'R L', p1: 'R L', p2: '-', p3: '-' },
  { transition: 'CR4.PCIDE 0→1', mmu: 'shadow', p0: 'R L', p1: 'R L', p2: 'R L', p3: 'R L' },
  { transition: 'CR4.PCIDE 1→0', mmu: 'any', p0: 'R L', p1: 'R L', p2: 'Fguest', p3: 'Fguest' },
  { transition: 'CR4.SMEP 0→1', mmu: 'any', p0: 'R L', p1: 'C L Fguest', p2: 'R L Fcur', p3: 'R L Fcur' },
  { transition: 'CR4.SMEP 1→0', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR4.SMAP toggle', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR4.PKE toggle', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR4.PSE toggle', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR4.LA57 toggle, PG=0', mmu: 'any', v510: '-', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR4.PAE toggle, LMA=0', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L Fcur', p3: 'R L Fcur' },
  { transition: 'EFER.NX toggle', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'EFER.LME toggle, PG=0', mmu: 'any', p0: '-', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'CR3, same value', mmu: 'tdp', p0: '-', p1: '-', p2: '-', p3: '-' },
  { transition: 'CR3, other value', mmu: 'tdp', p0: '-', p1: '-', p2: '-', p3: '-' },
  { transition: 'CR3, same value', mmu: 'shadow', p0: 'S Fcur', p1: 'S Fcur', p2: 'S Fcur', p3: 'S Fcur' },
  { transition: 'CR3, other value', mmu: 'shadow', v510: 'C L', p0: 'C L S Fcur', p1: 'C L S Fcur', p2: 'C L S Fcur', p3: 'C L S Fcur' },
  { transition: 'CR3, other value, NOFLUSH', mmu: 'shadow', p0: 'C L', p1: 'C L', p2: 'C L', p3: 'C L' },
  { transition: 'INVPCID single context', mmu: 'shadow', p0: 'S Fcur', p1: 'S Fcur', p2: 'S Fcur', p3: 'S Fcur' },
  { transition: 'INVPCID all', mmu: 'shadow', v510: 'R L', p0: 'Fguest', p1: 'Fguest', p2: 'Fguest', p3: 'Fguest' },
  { transition: 'INVPCID all', mmu: 'tdp', p0: '-', p1: '-', p2: '-', p3: '-' },
  { transition: 'INVLPG', mmu: 'any', p0: '-', p1: '-', p2: '-', p3: '-' },
  { transition: 'SMM enter', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'SMM leave', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L' },
  { transition: 'KVM_SET_CPUID2', mmu: 'any', p0: 'R L', p1: 'R C L', p2: 'R L', p3: 'R L' },
  { transition: 'KVM_SET_SREGS', mmu: 'any', p0: 'R L', p1: 'C L', p2: 'R L', p3: 'R L', p3flush: 'R L Fguest' },
  { transition: 'INIT', mmu: 'any', p0: 'R L', p1: 'R C L', p2: 'R L Fguest', p3: 'R L Fguest' },
  { transition: 'memslot deleted', mmu: 'any', p0: 'R L', p1: 'R L', p2: 'R L', p3: 'R L' },
];

/** The cell of a policy. */
export function decision(row: DecisionRow, policy: PolicyName): string {
  if (policy === 'v510') return row.v510 ?? row.p0;
  if (policy === 'debian') return row.debian ?? row.p3;
  if (policy === 'p3flush') return row.p3flush ?? row.p3;
  return row[policy];
}
