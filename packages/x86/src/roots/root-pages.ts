/**
 * What root handling asks of the page tables behind it. Roots of the TDP MMU are direct; those of the legacy MMU may shadow tables of the guest, and then there is
 * more to ask.
 */
import type { RootMatcher } from './root-cache';

/** Roots of one page-table engine. A root is a number; INVALID_ROOT is accepted wherever a root is given back. */
export interface RootPages extends RootMatcher {
  /** Finds the root of a role (and, for indirect roles, top table) or makes one, and takes a reference. @param vcpu whose page caches pay */
  load(vcpu: number, pgd: number, role: number): number;
  /** Drops a reference; what follows depends on the engine's policy. */
  put(root: number): void;
  /** Whether the root was invalidated or is of an old generation. */
  isObsolete(root: number): boolean;
  /** A cached root is taken up again. */
  reused(root: number): void;
  /** Roots that are shadow pages; absent where none are. */
  readonly shadow?: ShadowRootPages;
}

/** Roots that are shadow pages. */
export interface ShadowRootPages {
  /** Ends a batch of `put`: pages zapped by it are flushed and freed. */
  commit(): void;
  /** Whether the root is one table with a page of its own; PAE and special roots are not. */
  hasPage(root: number): boolean;
  /** PAE roots of a vCPU that are alive: none may be left once it has let go of all. */
  paeRootsOf(vcpu: number): number;
  /** Brings what lies below a root in line with the guest's tables. */
  sync(root: number): void;
  /** Whether something below a root is out of line. */
  isUnsync(root: number): boolean;
  /** The guest invalidates one translation below a root. */
  invlpg(root: number, vfn: number): void;
}
