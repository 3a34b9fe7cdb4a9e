/**
 * Entries in words, for messages: what every architecture's have in common, over its own names of bits.
 */
import { EntryKind } from '@mmulab/api';

/** A bit, or several of which one is enough, and what it is called. */
export type BitName = readonly [mask: number, name: string];

/** The names of one architecture. */
export interface EntryNames {
  readonly empty: string;
  /** Entries that are neither empty nor mapped: the first whose bit is set says all. */
  readonly special: readonly BitName[];
  /** Rights and properties of leaves, in the order in which they are told. */
  readonly leaf: readonly BitName[];
}

/** An entry in words. @param bits attribute bits of a leaf or special entry */
export function describeEntry(kind: EntryKind, bits: number, { empty, special, leaf }: EntryNames): string {
  if (kind === EntryKind.Empty) return empty;
  if (kind === EntryKind.Table) return 'table';
  const isSet = ([mask]: BitName): boolean => (bits & mask) !== 0;
  const whole = special.find(isSet);
  return whole === undefined
    ? leaf
        .filter(isSet)
        .map(([, name]) => name)
        .join(' ')
    : whole[1];
}
