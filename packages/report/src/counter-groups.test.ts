/**
 * Folding: one line per story, and no news lost.
 */
import { COUNTER_GROUPS, foldCounters } from './counter-groups';

type Values = readonly (number | undefined)[];

function fold(counters: Readonly<Record<string, Values>>): { shown: readonly string[]; under: Readonly<Record<string, readonly string[]>> } {
  const folded = foldCounters(Object.entries(counters).map(([counter, values]) => ({ counter, values })));
  return { shown: folded.shown.map(({ counter }) => counter), under: Object.fromEntries(folded.under) };
}

describe('counters that tell one story', () => {
  it('are folded under the one a person would name: 524,288 faults to 1,024 is one line of four', () => {
    expect(fold({ pf_taken: [524288, 1024], pf_fixed: [524288, 1024], page_fault: [524288, 1024], exit: [524288, 1024] })).toEqual({
      shown: ['page_fault'],
      under: { page_fault: ['pf_taken', 'pf_fixed', 'exit'] },
    });
  });

  it('keep their line where they move otherwise: faults on present entries grow from 2 to 1,024', () => {
    expect(fold({ page_fault: [524288, 1024], 'page_fault.present': [2, 1024] }).shown).toEqual(['page_fault', 'page_fault.present']);
  });

  it('keep their line where they move otherwise in one of three runs', () => {
    expect(fold({ page_fault: [10, 5, 5], pf_taken: [10, 5, 12] }).shown).toEqual(['page_fault', 'pf_taken']);
    expect(fold({ page_fault: [10, 5, 5], pf_taken: [10, 5, 4] }).shown).toEqual(['page_fault']);
  });

  it('are folded whatever way they move by less than 1 %: a race lost here and won there', () => {
    expect(fold({ guest_abort: [1471247, 1471648], 'guest_abort.translation.write': [604195, 603783] }).shown).toEqual(['guest_abort']);
    expect(fold({ guest_abort: [1000, 1001], 'guest_abort.translation.write': [1000, 990] }).shown).toHaveLength(2);
  });

  it('are led by the next one where the lead does not differ', () => {
    expect(fold({ 'tlb_flush.hw': [5, 2], tlb_flush: [3, 0] })).toEqual({ shown: ['tlb_flush'], under: { tlb_flush: ['tlb_flush.hw'] } });
  });

  it('leave counters of no group alone, in their order', () => {
    expect(fold({ b: [1, 2], pf_taken: [1, 2], page_fault: [1, 2], a: [1, 2] }).shown).toEqual(['b', 'page_fault', 'a']);
  });
});

describe('counters that only one architecture has', () => {
  const counters = {
    exit: [9, 7],
    page_fault: [9, undefined],
    pf_taken: [9, undefined],
    guest_abort: [undefined, 7],
    'mm_ops.get_page': [undefined, 7],
  };

  it('are shown where they lead a group, beside the common ones', () => {
    expect(fold(counters).shown).toEqual(['exit', 'page_fault', 'guest_abort']);
  });

  it('are all there where the other run lacks the phase and not the counter', () => {
    expect(fold({ pages_4k: [undefined, 9], nx_lpage_splits: [undefined, 1] }).shown).toEqual(['pages_4k', 'nx_lpage_splits']);
  });
});

describe('the groups', () => {
  it('have one lead each, which no other group folds away by name', () => {
    const leads = COUNTER_GROUPS.map(({ lead }) => lead);
    expect(new Set(leads).size).toBe(leads.length);
    expect(COUNTER_GROUPS.flatMap(({ also }) => also).filter(name => leads.includes(name))).toEqual([]);
  });
});
