/**
 * The case folders: each is run as its case.yaml says and compared, counter by counter, with counts derived by hand. What expected.json does not
 * mention has to be 0.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { PhaseResult } from '@mmulab/api';
import { run } from '@mmulab/runner';
import { expectCounts } from './expect-counts';

interface ExpectedRun {
  /** As the run's name shows it; empty for a case of one run. */
  readonly variation: string;
  readonly phases: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const cases = join(__dirname, '..', 'cases');
const plugins = ['@mmulab/workloads', '@mmulab/x86', '@mmulab/arm64'];
const names = readdirSync(cases).sort();

describe('the cases', () => {
  it.each(names)(
    '%s: every counter of every phase is as derived',
    name => {
      const { runs } = JSON.parse(readFileSync(join(cases, name, 'expected.json'), 'utf8')) as { readonly runs: readonly ExpectedRun[] };
      const results = run(join(cases, name, 'case.yaml'), { plugins, from: __dirname });
      expect(results.map(result => /\(([^()]*=[^()]*)\)$/.exec(result.name)?.[1] ?? '')).toEqual(runs.map(({ variation }) => variation));
      results.forEach((result, i) => {
        const expected = runs[i].phases;
        expect(result.phases.map(phase => phase.phase)).toEqual(Object.keys(expected));
        const problems = result.phases.flatMap(phase => problemsOf(phase, expected[phase.phase] ?? {}));
        expect(problems).toEqual([]);
      });
    },
    60_000,
  );

  it.each(names)('%s is described in one sentence and says how its counts were derived', name => {
    const text = readFileSync(join(cases, name, 'case.yaml'), 'utf8');
    expect(text).toMatch(/^name: [A-Z0-9][^\n]*\.$/m);
    expect(text).toMatch(/^# /);
  });
});

function problemsOf(phase: PhaseResult, expected: Readonly<Record<string, number>>): string[] {
  try {
    expectCounts(phase, expected);
    return [];
  } catch (error) {
    return [String(error)];
  }
}
