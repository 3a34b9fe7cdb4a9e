/**
 * Results as a report: per run a sheet of counters by phases, rows for a spreadsheet, lines in the manner of the selftests.
 */
import type { CounterValues, PhaseResult, PhaseTime, RunResult } from '@mmulab/api';
import { checkRows, checksSheet } from './checks';
import { describeRun, EMPTY_CATALOG, type Catalog } from './describe';
import { failureCounter, failureLines } from './failure';
import { foldIterations, type PhaseFold } from './iterations';
import { formatBytes, formatCount, formatTime } from './quantity';
import type { CsvRows, Report, ReportView as View } from '@mmulab/api';
import { selftestLines } from './selftest-lines';
import { differingSettings, runLabels, type Setting } from './settings';
import type { Cell, Sheet } from './sheet';
import { visibleResults } from './work-counters';

/**
 * One or several results as they came from the runner. Its document is one result, or an array of several.
 * @param catalog what a run has by default, so that its heading says only what is special
 */
export function resultsReport(results: readonly RunResult[], catalog: Catalog = EMPTY_CATALOG): Report {
  return {
    what: 'a result',
    document: results.length === 1 ? results[0] : results,
    sheets: view => resultSheets(visibleResults(results, catalog, view), catalog, view),
    csv: view => resultRows(results, view),
    selftestLines: () => {
      const titles = runTitles(results);
      return results.flatMap((result, run) => [...(run > 0 ? [''] : []), ...selftestLines(result, titles[run] ?? '')]);
    },
  };
}

/** One after the other: of many results not all sheets are needed at once. */
function* resultSheets(results: readonly RunResult[], catalog: Catalog, view: View): Iterable<Sheet> {
  const titles = runTitles(results);
  for (const [run, result] of results.entries()) {
    const title = titles[run] ?? '';
    yield resultSheet(result, title, catalog, view);
    const spread = spreadSheet(result, title);
    if (spread !== undefined) yield spread;
    const checks = checksSheet(result, title, view);
    if (checks !== undefined) yield checks;
  }
}

/** The runs' names, with what distinguishes a run when others bear the same name. */
function runTitles(results: readonly RunResult[]): readonly string[] {
  const bearers = new Map<string, number>();
  for (const { name } of results) bearers.set(name, (bearers.get(name) ?? 0) + 1);
  const labels = bearers.size === results.length ? [] : runLabels(results);
  return results.map(({ name }, run) => ((bearers.get(name) ?? 0) < 2 ? name : `${name} [${(labels[run] ?? []).join(', ')}]`));
}

/** A result as one sheet: counters as rows, phases as columns. */
export function resultSheet(result: RunResult, title: string, catalog: Catalog, view: View): Sheet {
  const phases = new Map(result.phases.map(phase => [phase.phase, phase]));
  const folds = foldIterations([...phases.keys()], (a, b) => samePhase(phases.get(a), phases.get(b)));
  const shown = folds.map(fold => phases.get(fold.first)).filter(phase => phase !== undefined);
  const withTotal = result.phases.length > 1;
  const names = shownCounters(result, view);
  const counterRows = names.map(name => [
    name,
    ...shown.map(phase => phase.counters[name] ?? 0),
    ...(withTotal ? [{ value: result.totals.counters[name] ?? 0, tone: 'strong' as const }] : []),
  ]);
  return {
    title,
    lines: [describeRun(result, catalog), ...failureLines(result)].filter(line => line !== ''),
    keys: 1,
    columns: [
      { name: 'counter', align: 'left' },
      ...folds.map(fold => ({ name: fold.name, align: 'right' as const })),
      ...(withTotal ? [{ name: 'total', align: 'right' as const }] : []),
    ],
    rows: [...timeRows(shown, withTotal), ...counterRows],
    notes: [...foldNotes(folds), ...timeNotes(result), ...zeroNotes(result, names), memoryNote(result)],
  };
}

/** Counters of a run over several seeds that are not the same under all of them; undefined where there are none. */
function spreadSheet({ phases, seeds = 1 }: RunResult, title: string): Sheet | undefined {
  const rows = phases.flatMap(({ phase, counters, spread = {} }) =>
    Object.entries(spread).flatMap(([name, { mean, min, max }]) => (counters[name] === undefined ? [] : [[phase, name, Math.round(mean), min, max]])),
  );
  if (rows.length === 0) return undefined;
  return {
    title: `${title}: counts over ${seeds} seeds`,
    lines: [],
    keys: 2,
    columns: ['phase', 'counter', 'mean', 'least', 'most'].map((name, at) => ({ name, align: at < 2 ? 'left' : 'right' })),
    rows,
    notes: [],
  };
}

function samePhase(a: PhaseResult | undefined, b: PhaseResult | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  const isSameTime = a.time?.predictedNs === b.time?.predictedNs;
  return isSameTime && Object.keys({ ...a.counters, ...b.counters }).every(name => a.counters[name] === b.counters[name]);
}

/** Every counter of the run in its order; without `all` those that are not zero throughout. */
function shownCounters(result: RunResult, view: View): string[] {
  const names = counterNames([...result.phases.map(phase => phase.counters), result.totals.counters]);
  return view.all ? names : names.filter(name => result.phases.some(phase => (phase.counters[name] ?? 0) !== 0));
}

/** The names of all counters, in the order in which they first appear. */
export function counterNames(counters: readonly CounterValues[]): string[] {
  return [...new Set(counters.flatMap(values => Object.keys(values)))];
}

function timeRows(phases: readonly PhaseResult[], withTotal: boolean): Cell[][] {
  if (phases.every(phase => phase.time === undefined)) return [];
  const row = (name: string, text: (time: PhaseTime) => string): Cell[] => [
    name,
    ...phases.map(phase => (phase.time === undefined ? '-' : text(phase.time))),
    ...(withTotal ? [''] : []),
  ];
  return [
    row('predicted time', time => formatTime(time.predictedNs)),
    row('interval', time => time.intervalNs.map(formatTime).join(' - ')),
    row('bottleneck', time => time.bottleneck ?? '-'),
    row('basis', time => time.basis),
    ...stallRows(phases, row),
  ];
}

/** What discrete events tell beside times: stalls per host operation, and which operation refaults came from. */
function stallRows(phases: readonly PhaseResult[], row: (name: string, text: (time: PhaseTime) => string) => Cell[]): Cell[][] {
  const rows: Cell[][] = [];
  const whole = (ns: number): string => formatTime(Math.round(ns));
  if (phases.some(({ time }) => time?.stalls !== undefined))
    rows.push(
      row('stall p50, p99, max', ({ stalls }) => (stalls === undefined ? '-' : [stalls.p50Ns, stalls.p99Ns, stalls.maxNs].map(whole).join(', '))),
    );
  if (phases.some(({ time }) => time?.refaults !== undefined))
    rows.push(
      row(
        'refaults',
        ({ refaults = {} }) =>
          Object.entries(refaults)
            .map(([action, count]) => `${formatCount(count)} by ${action}`)
            .join(', ') || '-',
      ),
    );
  return rows;
}

function timeNotes(result: RunResult): string[] {
  const bases = new Set(
    result.phases.flatMap(({ time }) => (time === undefined ? [] : [`model ${time.model}, solver ${time.solver}, ${time.basis}`])),
  );
  return bases.size === 0 ? [] : [`Times: ${[...bases].join('; ')}.`];
}

/** Says what a column such as `dirty_3..20` stands for. */
export function foldNotes(folds: readonly PhaseFold[]): string[] {
  const names = folds.filter(fold => fold.count > 1).map(fold => fold.name);
  return names.length === 0 ? [] : [`Equal iterations are folded: ${names.join(', ')} give the count of each single one.`];
}

function zeroNotes(result: RunResult, shown: readonly string[]): string[] {
  const zeros = counterNames(result.phases.map(phase => phase.counters)).length - shown.length;
  if (zeros === 0) return [];
  return [`${zeros} more ${zeros === 1 ? 'counter is' : 'counters are'} zero throughout (--all shows them).`];
}

function memoryNote(result: RunResult): string {
  return `Page tables of the simulated machine: at most ${formatBytes(result.memory.tableBytesReal)}.`;
}

/** One value per row: run, name, what distinguishes the runs, phase, scope, counter, value. Scopes other than `vm` only with `all`. */
function resultRows(results: readonly RunResult[], view: View): CsvRows {
  const settings = differingSettings(results);
  return {
    header: ['run', 'name', ...settings.map(setting => setting.path), 'phase', 'scope', 'counter', 'value'],
    rows: valueRows(results, settings, view),
  };
}

function* valueRows(results: readonly RunResult[], settings: readonly Setting[], view: View): Iterable<readonly (string | number)[]> {
  for (const [run, result] of results.entries()) {
    const head = [run + 1, result.name, ...settings.map(setting => setting.values[run] ?? '')];
    for (const phase of result.phases) for (const row of phaseValues(phase, view)) yield [...head, phase.phase, ...row];
    if (result.failure !== undefined) yield [...head, result.failure.phase, 'vm', failureCounter(result.failure), 1];
    for (const check of result.checks ?? []) for (const row of checkRows(check)) yield [...head, check.phase, 'vm', ...row];
  }
}

type ScopedValue = readonly [scope: string, counter: string, value: number | string];

function* phaseValues(phase: PhaseResult, view: View): Iterable<ScopedValue> {
  const scoped = (scope: string, counters: CounterValues): ScopedValue[] => Object.entries(counters).map(([name, value]) => [scope, name, value]);
  yield* timeValues(phase);
  yield* scoped('vm', phase.counters);
  for (const [name, { mean, min, max }] of Object.entries(phase.spread ?? {})) {
    yield ['seeds mean', name, mean];
    yield ['seeds min', name, min];
    yield ['seeds max', name, max];
  }
  if (!view.all) return;
  for (const [index, { counters }] of phase.vcpus.entries()) yield* scoped(`vcpu ${index}`, counters);
  for (const [slot, { counters }] of Object.entries(phase.slots ?? {})) yield* scoped(`slot ${slot}`, counters);
}

function timeValues({ time }: PhaseResult): ScopedValue[] {
  if (time === undefined) return [];
  return [
    ['vm', 'time.predictedNs', time.predictedNs],
    ['vm', 'time.intervalNs.low', time.intervalNs[0]],
    ['vm', 'time.intervalNs.high', time.intervalNs[1]],
    ['vm', 'time.bottleneck', time.bottleneck ?? ''],
    ['vm', 'time.basis', time.basis],
    ...Object.entries(time.stalls ?? {}).map(([name, value]): ScopedValue => ['vm', `time.stalls.${name}`, value as number]),
    ...Object.entries(time.refaults ?? {}).map(([action, count]): ScopedValue => ['vm', `time.refaults.${action}`, count]),
  ];
}
