import { type MmulabError } from '@mmulab/api';
import { expectCounts } from './expect-counts';

const phase = { phase: 'dirty_1', counters: { page_fault: 4, pf_fixed: 4, exit: 5, tlb_flush: 0 }, vcpus: [] };

function errorOf(check: () => void): MmulabError | undefined {
  try {
    check();
  } catch (error) {
    return error as MmulabError;
  }
  return undefined;
}

describe('expectCounts', () => {
  it('is content when every event that is not 0 is mentioned with its value', () => {
    expect(errorOf(() => expectCounts(phase, { page_fault: 4, pf_fixed: 4, exit: 5 }))).toBeUndefined();
  });

  it('names an event that nobody mentioned', () => {
    const error = errorOf(() => expectCounts(phase, { page_fault: 4, pf_fixed: 4 }));
    expect(error).toMatchObject({ code: 'COUNTS_DIFFER', message: 'COUNTS_DIFFER: dirty_1: exit is 5, expected 0 (not mentioned)' });
  });

  it('names every event that is off, one that should have happened too', () => {
    const error = errorOf(() => expectCounts(phase, { page_fault: 3, pf_fixed: 4, exit: 5, tlb_flush: 1 }));
    expect(error?.message).toBe('COUNTS_DIFFER: dirty_1: page_fault is 4, expected 3; tlb_flush is 0, expected 1');
  });

  it('refuses a name that is no event, and suggests one', () => {
    const error = errorOf(() => expectCounts(phase, { page_faults: 4 }));
    expect(error?.code).toBe('COUNTS_UNKNOWN_EVENT');
    expect(error?.message).toContain('did you mean page_fault?');
  });
});
