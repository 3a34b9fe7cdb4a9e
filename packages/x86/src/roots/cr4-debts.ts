/**
 * What a change of CR4 makes a vCPU owe at its next entry, bit by bit.
 *
 * Up to 5.17 a change that resets the context needs no flush of its own, since all roots are unloaded; the series as posted keeps them, and flushes for SMEP. From
 * 5.18 on flushes are requested whatever becomes of the roots.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_post_set_cr4(). Hot path: `cr4Owes`.
 */
import { Cr4 } from './guest-state';
import type { RootPolicy } from './root-policy';
import { Request } from './vcpu-roots';

/** Which way a bit changes. */
const Edge = { Set: 1, Cleared: 2, Any: 3 } as const;

/** One bit, which way it changes, and what is owed then. */
interface Row {
  readonly bit: number;
  readonly edge: number;
  readonly request: number;
  /** Only where the change resets no context. */
  readonly unlessReset: boolean;
}

const row = (bit: number, edge: number, request: number, unlessReset = false): Row => ({ bit, edge, request, unlessReset });

/** Lists of rows: of each the first that applies counts. */
export type Cr4Debts = readonly (readonly Row[])[];

const EXPLICIT: Cr4Debts = [
  [
    row(Cr4.Pge, Edge.Any, Request.FlushGuest),
    row(Cr4.Pcide, Edge.Cleared, Request.FlushGuest),
    row(Cr4.Pae, Edge.Any, Request.FlushCurrent),
    row(Cr4.Smep, Edge.Set, Request.FlushCurrent),
  ],
];
const WITH_RESET: Cr4Debts = [[row(Cr4.Pcide, Edge.Any, Request.Reload, true), row(Cr4.Pge, Edge.Any, Request.FlushGuest, true)]];
const AS_POSTED: Cr4Debts = [...WITH_RESET, [row(Cr4.Smep, Edge.Set, Request.FlushGuest)]];

/** The rows of a release. */
export function cr4Debts({ explicitFlush, lookup }: RootPolicy): Cr4Debts {
  return explicitFlush ? EXPLICIT : lookup ? AS_POSTED : WITH_RESET;
}

/** Requests that a change to `next` makes. @param changed bits that change; @param isReset the change resets the context */
export function cr4Owes(debts: Cr4Debts, changed: number, next: number, isReset: boolean): number {
  let owed = 0;
  for (const rows of debts) {
    const first = rows.find(({ bit, edge, unlessReset }) => {
      const isMet = (changed & bit) !== 0 && (edge & ((next & bit) !== 0 ? Edge.Set : Edge.Cleared)) !== 0;
      return isMet && !(unlessReset && isReset);
    });
    if (first !== undefined) owed |= first.request;
  }
  return owed;
}
