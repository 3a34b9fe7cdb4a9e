/**
 * Saved results that are broken, or no results, or of another version: named, and never a bug of ours.
 */
import { record, scratchFile } from './fixtures/recorder';
import { run } from './index';

const phase = { phase: 'p', counters: { exit: 1 }, vcpus: [{ counters: { exit: 1 } }] };
const result = { schema: 'mmulab.result.v1', name: 'x', config: {}, seed: 1, notes: [], phases: [phase], totals: { counters: { exit: 1 } } };

const withPhase = (change: object): unknown => ({ ...result, phases: [phase, { ...phase, ...change }] });

function compare(document: unknown, ...options: string[]): ReturnType<typeof record> {
  return record('compare', ...options, scratchFile('a.json', JSON.stringify(result)), scratchFile('b.json', JSON.stringify(document)));
}

describe('a saved result', () => {
  it.each([
    ['vcpus: null', withPhase({ vcpus: null }), 'phases[1]: vcpus: expected a list of vCPUs'],
    ['vcpus: 3', withPhase({ vcpus: 3 }), 'phases[1]: vcpus: expected a list of vCPUs'],
    ['vcpus: [null]', withPhase({ vcpus: [null] }), 'phases[1]: vcpus: expected a list of vCPUs'],
    ['vcpus without counters', withPhase({ vcpus: [{}] }), 'phases[1]: vcpus: expected a list of vCPUs'],
    ['counters that are texts', withPhase({ counters: { exit: '1' } }), 'phases[1]: counters: expected counters'],
    ['counters by the names of what objects have', withPhase({ counters: { hasOwnProperty: 1 } }), 'phases[1]: counters: expected counters'],
    ['totals by such names', { ...result, totals: { counters: { constructor: 1 } } }, 'totals: expected counters'],
    ['slots: []', withPhase({ slots: { 1: null } }), 'phases[1]: slots: expected memslots'],
    ['time: null', withPhase({ time: null }), 'phases[1]: time: expected a predicted time'],
    ['a phase that is none', { ...result, phases: [null] }, 'phases[0]: expected a phase'],
    ['notes: null', { ...result, notes: null }, 'notes: expected a list of notes'],
    ['config: null', { ...result, config: null }, 'config: expected a config'],
    ['a result in a list with something else', [result, null], 'b.json[1]: is no result'],
  ])('with %s is refused with 2', (_what, document, problem) => {
    for (const options of [[], ['--counters', 'exit'], ['--format', 'csv', '--all'], ['--format', 'selftest']]) {
      const { code, err } = compare(document, ...options);
      expect([code, err]).toEqual([2, expect.stringContaining('RESULT_MALFORMED')]);
      expect(err).toContain(problem);
    }
  });

  it('in the results of a sweep is held against the same', () => {
    const [first] = run({ workload: 'demand_paging_test -b 64K' });
    const second = { ...first, totals: { ...first?.totals, counters: { valueOf: 1 } } };
    const lines = [first, second].map(one => `${JSON.stringify(one)}\n`);
    const { code, err } = record('compare', scratchFile('results.ndjson', lines.join('')));
    expect([code, err]).toEqual([2, expect.stringMatching(/RESULT_MALFORMED: .*results\.ndjson: totals: expected counters/)]);
  });

  it.each(['mmulab.result.v2', 'mmulab.comparison.v1', 'mmulab.records.v1'])('of schema %s is refused by its name', schema => {
    const { code, err } = compare({ ...result, schema });
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(new RegExp(`RESULT_SCHEMA: .*b\\.json: schema is ${schema}; this version reads mmulab.result.v1`)),
    ]);
  });

  it('without vcpus and notes, as other tools may write it, is compared', () => {
    const { notes: _notes, ...bare } = { ...result, phases: [{ phase: 'p', counters: { exit: 3 } }] };
    const { code, out } = compare(bare, '--counters', 'exit');
    expect(code).toBe(0);
    expect(out).toContain('3x more');
  });
});
