/**
 * Short forms for what tests assert.
 */
import type { CheckRelation, CheckedQuantity, CountedQuantity, PhaseCheck } from '@mmulab/api';

/** A counter or gauge is (or compares) so at the end of the phase. */
export function counterCheck(
  name: string,
  counter: string,
  expected: number | readonly CountedQuantity[],
  relation: CheckRelation = '==',
): PhaseCheck {
  return { name, of: [{ counter }], relation, expected };
}

/** The sum of quantities is (or compares) so. */
export function sumCheck(
  name: string,
  of: readonly CheckedQuantity[],
  expected: number | readonly CountedQuantity[],
  relation: CheckRelation = '==',
): PhaseCheck {
  return { name, of, relation, expected };
}

/** What was harvested of a memslot: every page the guest wrote, and none that it did not. */
export function harvestChecks(slot: number): readonly PhaseCheck[] {
  return [
    { name: `written pages missing in the harvest of memslot ${slot}`, of: [{ answer: 'dirty.missing', slot }], relation: '==', expected: 0 },
    { name: `pages in the harvest of memslot ${slot} that nobody wrote`, of: [{ answer: 'dirty.unexplained', slot }], relation: '==', expected: 0 },
  ];
}
