/**
 * Checks of a test as reports show them: a line for each that failed, a sheet of all.
 */
import type { CheckResult, RunResult } from '@mmulab/api';
import type { ReportView as View } from '@mmulab/api';
import type { Cell, Sheet } from './sheet';

/** More checks than this are shown by those that failed, unless all are wanted. */
const MOST_SHOWN = 40;

/** Those that failed. */
export function failedChecks(checks: readonly CheckResult[] = []): readonly CheckResult[] {
  return checks.filter(({ passed }) => !passed);
}

/** `pages_2m is 2, expected 1`. */
export function expectedText({ of, relation, expected, actual }: CheckResult): string {
  return `${of} is ${actual ?? 'not told'}, expected ${conditionText(relation, expected)}`;
}

/** `recover: pages_2m after recovery: pages_2m is 2, expected 1`. */
export function checkText(check: CheckResult): string {
  return `${check.phase}: ${check.name}: ${expectedText(check)}`;
}

function conditionText(relation: CheckResult['relation'], expected: number): string {
  return relation === '==' ? String(expected) : `${relation} ${expected}`;
}

/** The checks of a run as a sheet; undefined where the test asserts nothing. */
export function checksSheet({ checks = [] }: Pick<RunResult, 'checks'>, title: string, { all }: Pick<View, 'all'>): Sheet | undefined {
  if (checks.length === 0) return undefined;
  const failed = failedChecks(checks);
  const shown = all || checks.length <= MOST_SHOWN ? checks : failed;
  const passed = checks.length - failed.length;
  const left = checks.length - shown.length;
  return {
    title: `${title}: checks`,
    lines: [
      failed.length === 0
        ? `All ${passed} checks passed${shown.length === 0 ? ' (--all lists them)' : ''}.`
        : `${failed.length} of ${checks.length} checks failed.`,
    ],
    keys: 2,
    columns: [
      { name: 'phase', align: 'left' },
      { name: 'check', align: 'left' },
      { name: 'of', align: 'left' },
      { name: 'value', align: 'right' },
      { name: 'expected', align: 'right' },
      { name: 'outcome', align: 'left' },
    ],
    rows: shown.map(checkRow),
    notes: left === 0 || shown.length === 0 ? [] : [`${left} more checks passed (--all shows them).`],
  };
}

function checkRow({ phase, name, of, relation, expected, actual, passed }: CheckResult): Cell[] {
  const outcome: Cell = passed ? { value: 'passed', tone: 'good' } : { value: 'FAILED', tone: 'bad' };
  return [phase, name, of, actual ?? 'not told', relation === '==' ? expected : `${relation} ${expected.toLocaleString('en-US')}`, outcome];
}

/** Rows of a check for spreadsheets: what it found, what it expected, and 1 where it passed. */
export function checkRows({
  name,
  of,
  relation,
  expected,
  actual,
  passed,
}: CheckResult): readonly (readonly [counter: string, value: number | string])[] {
  return [
    [`check ${name}: ${of}`, actual ?? ''],
    [`check ${name}: expected ${relation}`, expected],
    [`check ${name}: passed`, passed ? 1 : 0],
  ];
}
