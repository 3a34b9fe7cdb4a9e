/**
 * What root handling asks of the page tables behind it: the TDP MMU, or the legacy MMU.
 */
import type { RootMatcher } from './root-cache';

/** Roots of one page-table engine. A root is a number; INVALID_ROOT is accepted wherever a root is given back. */
export interface RootPages extends RootMatcher {
  /** Finds the root of a role (and, for indirect roles, top table) or makes one, and takes a reference. @param vcpu whose page caches pay */
  load(vcpu: number, pgd: number, role: number): number;
  /** Drops a reference; what follows depends on the engine's policy. */
  put(root: number): void;
  /** Ends a batch of `put`: pages zapped by it are flushed and freed. */
  commit(): void;
  /** Whether the root is one table with a page of its own; PAE and special roots are not. */
  hasPage(root: number): boolean;
  /** PAE roots of a vCPU that are alive: none may be left once it has let go of all. */
  paeRootsOf(vcpu: number): number;
  /** Whether the root was invalidated or is of an old generation. */
  isObsolete(root: number): boolean;
  /** Brings what lies below a root in line with the guest's tables. */
  sync(root: number): void;
  /** Whether something below a root is out of line. */
  isUnsync(root: number): boolean;
  /** A cached root is taken up again: its count of emulated writes starts over. */
  reused(root: number): void;
  /** The guest invalidates one translation below a root. */
  invlpg(root: number, vfn: number): void;
}
