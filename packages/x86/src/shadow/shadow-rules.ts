/**
 * The rules of the legacy MMU as a service: a patch puts a class of its own in the place of one of them, and everything else stays as it is.
 */
import { LeafBits } from './shadow-spte';
import { TreeRule } from './tree-rule';

/** A class per rule; what its constructor is given is that of the class here. */
export const shadowRules = {
  /** What a leaf says, and what faults and operations of the host make of it. */
  leaf: LeafBits,
  /** How large a fault maps, which tables and links it leaves, which leaves go when logging stops. */
  tree: TreeRule,
};

/** Token of the rules. */
export const ShadowRules = Symbol.for('mmulab.x86.ShadowRules');
export type ShadowRules = typeof shadowRules;
