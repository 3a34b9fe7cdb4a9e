import type { RunResult } from '@mmulab/api';
import { codeOf, messageOf } from '../fixtures/registry';
import { toyBackend } from '../fixtures/toy/toy-mmu';
import { checkThresholds, readThresholds, type ThresholdFailure } from './thresholds';

const counters = { page_fault: 10, 'page_fault.write': 4 };
const result: RunResult = {
  schema: 'mmulab.result.v1',
  name: 'A',
  config: {},
  seed: 1,
  notes: [],
  phases: [{ phase: 'execute', counters, vcpus: [{ counters }], slots: { '1': { counters: { page_fault: 3 } } } }],
  totals: { counters },
  memory: { tableBytesReal: 4096, simulatorBytes: 1 },
  wallMs: 5,
};

const check = (thresholds: Readonly<Record<string, unknown>>): readonly ThresholdFailure[] =>
  checkThresholds(result, readThresholds(thresholds, toyBackend));

describe('thresholds', () => {
  it.each(['<= 10', '<11', '>=10', '> 9', '== 10', '= 10', '10', '!= 9', '<= 1e3', 10])('%p holds for 10', condition => {
    expect(check({ 'phases.execute.counters.page_fault': condition })).toEqual([]);
  });

  it.each(['<= 9', '<10', '>=11', '> 10', '== 9', 9, '!= 10'])('%p does not hold for 10', condition => {
    expect(check({ 'phases.execute.counters.page_fault': condition })).toHaveLength(1);
  });

  it('are read with any number of spaces', () => {
    // One pass takes a millisecond; a reader that goes back over them takes minutes, and the test runner's patience ends.
    const spaces = ' '.repeat(80_000);
    expect(check({ wallMs: `${spaces}<=${spaces}5${spaces}` })).toEqual([]);
    expect(codeOf(() => check({ wallMs: `${spaces}x` }))).toBe('THRESHOLD_SYNTAX');
    expect(codeOf(() => check({ wallMs: `<=${spaces}x` }))).toBe('THRESHOLD_SYNTAX');
  });

  it('say what was found', () => {
    expect(check({ 'phases.execute.counters.page_fault.write': ['>= 1', '<= 3'] })).toEqual([
      { path: 'phases.execute.counters.page_fault.write', condition: '<= 3', actual: 4 },
    ]);
  });

  it('look at totals, vCPUs, slots, memory and time too', () => {
    const failures = check({
      'totals.counters.page_fault': 0,
      'phases.execute.vcpus.0.counters.page_fault': 0,
      'phases.execute.slots.1.counters.page_fault': 0,
      'memory.tableBytesReal': 0,
      'memory.simulatorBytes': 0,
      wallMs: 0,
    });
    expect(failures.map(failure => failure.actual)).toEqual([10, 10, 3, 4096, 1, 5]);
  });

  it.each<[string, unknown, string]>([
    ['phases.execute.counters.page_falt', 1, 'THRESHOLD_UNKNOWN_COUNTER'],
    ['phases.exec.counters.page_fault', 1, 'THRESHOLD_UNKNOWN_PHASE'],
    ['phases.execute.vcpus.7.counters.page_fault', 1, 'THRESHOLD_UNKNOWN_PATH'],
    ['phases.execute.slots.2.counters.page_fault', 1, 'THRESHOLD_UNKNOWN_PATH'],
    ['phases.execute.page_fault', 1, 'THRESHOLD_UNKNOWN_PATH'],
    ['page_fault', 1, 'THRESHOLD_UNKNOWN_PATH'],
    ['totals.counters.page_fault', 'few', 'THRESHOLD_SYNTAX'],
    ['totals.counters.page_fault', '<= 1 or 2', 'THRESHOLD_SYNTAX'],
    ['totals.counters.page_fault', '<= 1e999', 'THRESHOLD_SYNTAX'],
    ['totals.counters.page_fault', true, 'THRESHOLD_SYNTAX'],
  ])('%s: %p is refused with %s', (path, condition, code) => {
    expect(codeOf(() => check({ [path]: condition }))).toBe(code);
  });

  it('suggest the nearest phase', () => {
    expect(messageOf(() => check({ 'phases.excute.counters.page_fault': 1 }))).toContain('(did you mean execute?)');
  });
});
