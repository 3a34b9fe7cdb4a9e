import { InvariantError } from '@mmulab/api';
import type { EventDef } from '@mmulab/api';
import { checkCounters, checkNothingLeft } from './invariants';

const events: readonly EventDef[] = [
  { name: 'page_fault', unit: 'events', gauge: false, doc: 'Faults.' },
  { name: 'pages_4k', unit: 'pages', gauge: true, doc: 'Pages mapped.' },
];

function codeOf(check: () => void): string {
  try {
    check();
  } catch (error) {
    return error instanceof InvariantError ? error.code : String(error);
  }
  return 'nothing thrown';
}

describe('counters', () => {
  it('may stay, rise, and as gauges fall', () => {
    expect(codeOf(() => checkCounters(events, [3, 9], [3, 4], 'an operation'))).toBe('nothing thrown');
  });

  it.each([
    ['COUNTER_FELL', [2, 9]],
    ['COUNTER_NEGATIVE', [3, -1]],
    ['COUNTER_NOT_WHOLE', [3.5, 9]],
    ['COUNTER_NOT_WHOLE', [NaN, 9]],
    ['COUNTER_NOT_WHOLE', [3]],
  ])('are told with %s when they go from 3 and 9 to %j', (code, after) => {
    expect(codeOf(() => checkCounters(events, [3, 9], after, 'an operation'))).toBe(code);
  });

  it('name the event and the operation', () => {
    expect(() => checkCounters(events, [3, 9], [2, 9], 'unmap')).toThrow('page_fault fell after unmap');
  });
});

describe('a VM that is gone', () => {
  it.each([
    ['nothing thrown', [7, 0], 0],
    ['GAUGE_LEFT', [7, 1], 0],
    ['TABLES_LEFT', [7, 0], 4096],
  ])('gives %s for counters %j and %d bytes of tables', (code, totals, bytes) => {
    expect(codeOf(() => checkNothingLeft(events, totals, bytes))).toBe(code);
  });
});
