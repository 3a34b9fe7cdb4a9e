import { MmulabError, type RunResult } from '@mmulab/api';
import { selectParts } from './select';

const result: RunResult = {
  schema: 'mmulab.result.v1',
  name: 'a run',
  config: {},
  seed: 1,
  notes: [],
  phases: [
    { phase: 'populate', counters: { page_fault: 5, 'table.alloc': 2 }, vcpus: [{ counters: { page_fault: 5, 'table.alloc': 2 } }] },
    { phase: 'execute', counters: { page_fault: 7, 'table.alloc': 0 }, vcpus: [{ counters: { page_fault: 7, 'table.alloc': 0 } }] },
  ],
  totals: { counters: { page_fault: 12, 'table.alloc': 2 } },
  memory: { tableBytesReal: 0, simulatorBytes: 0 },
  wallMs: 0,
};

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return '';
  } catch (error) {
    return error instanceof MmulabError ? error.code : String(error);
  }
};

describe('choosing parts of results', () => {
  it('keeps everything when nothing is asked for', () => {
    expect(selectParts([result], {})).toEqual([result]);
  });

  it('keeps the counters named, in their order, everywhere', () => {
    const [chosen] = selectParts([result], { counters: ['table.alloc', 'page_fault'] });
    expect(Object.keys(chosen?.phases[0]?.counters ?? {})).toEqual(['table.alloc', 'page_fault']);
    const [one] = selectParts([result], { counters: ['page_fault'] });
    expect(one?.phases[1]?.vcpus[0]?.counters).toEqual({ page_fault: 7 });
    expect(one?.totals.counters).toEqual({ page_fault: 12 });
  });

  it('keeps the phases named and the totals of the whole run', () => {
    const [chosen] = selectParts([result], { phases: ['execute'] });
    expect(chosen?.phases.map(phase => phase.phase)).toEqual(['execute']);
    expect(chosen?.totals.counters['page_fault']).toBe(12);
  });

  it('refuses names that no result has, with the nearest', () => {
    expect(codeOf(() => selectParts([result], { counters: ['page_falt'] }))).toBe('REPORT_UNKNOWN_COUNTER');
    expect(codeOf(() => selectParts([result], { phases: ['exekute'] }))).toBe('REPORT_UNKNOWN_PHASE');
    expect(() => selectParts([result], { phases: ['exekute'] })).toThrow(/did you mean execute/);
  });
});
