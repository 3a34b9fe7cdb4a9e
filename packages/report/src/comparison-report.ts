/**
 * A comparison as a report: per workload one sheet, its rows the counters that differ, phase by phase, with the change in words. Counters that tell one story in
 * several ways are folded under the one a person would name (counter-groups.ts), and phases without a difference into a line.
 */
import type { PhaseTime, RunResult } from '@mmulab/api';
import { checkRows } from './checks';
import { comparisonDocument, isSameInAll, type ComparedCounter, type ComparedPhase, type Comparison } from './compare';
import { foldCounters, type FoldedCounters } from './counter-groups';
import { describeRuns, EMPTY_CATALOG, followsFromKernel, GUEST_MODE, type Catalog } from './describe';
import { failureCounter, failureLines } from './failure';
import { foldIterations } from './iterations';
import { formatRatio, formatSelftestTime, formatSpeed, formatTime } from './quantity';
import type { CsvRows, Report, ReportView as View } from '@mmulab/api';
import { foldNotes } from './results';
import { isGauge, leadingCounters, selftestLabel } from './selftest-lines';
import { configValue, type Setting } from './settings';
import type { Cell, Column, Sheet, TonedCell } from './sheet';
import { hiddenIn } from './work-counters';

/**
 * Results side by side, as `compareResults` laid them.
 * @param catalog what a run has by default, so that the heading says only what is special
 */
export function comparisonReport(comparisons: readonly Comparison[], catalog: Catalog = EMPTY_CATALOG): Report {
  return {
    what: 'a comparison',
    document: comparisonDocument(comparisons),
    sheets: view => comparisons.map(comparison => comparisonSheet(visibleComparison(comparison, catalog, view), catalog, view)),
    csv: () => comparisonRows(comparisons),
    selftestLines: () => comparisons.flatMap(comparisonLines),
  };
}

/** A comparison as a view shows it. */
function visibleComparison(comparison: Comparison, catalog: Catalog, view: Pick<View, 'all' | 'unfolded'>): Comparison {
  const hidden = hiddenIn(view, catalog);
  const of = (phase: ComparedPhase): ComparedPhase => ({ ...phase, counters: phase.counters.filter(({ counter }) => !hidden.has(counter)) });
  return hidden.size === 0 ? comparison : { ...comparison, phases: comparison.phases.map(of), totals: of(comparison.totals) };
}

/** A comparison as one sheet. */
export function comparisonSheet(comparison: Comparison, catalog: Catalog, view: View): Sheet {
  const phases = new Map(comparison.phases.map(phase => [phase.phase, phase]));
  const folds = foldIterations([...phases.keys()], (a, b) => samePhase(phases.get(a), phases.get(b)));
  const before = new Map(comparison.phases.map((phase, at) => [phase.phase, comparison.phases[at - 1]]));
  const shown = folds.flatMap(fold => {
    const phase = phases.get(fold.first);
    return phase === undefined ? [] : [phaseRows(fold.name, phase, before.get(fold.first), view)];
  });
  const parts = comparison.phases.length > 1 ? [...shown, phaseRows('total', comparison.totals, undefined, view)] : shown;
  return {
    title: comparisonTitle(comparison),
    lines: [...commonLines(comparison, catalog), ...tellingSettings(comparison, catalog, view).map(settingLine), ...failedRuns(comparison)],
    keys: 2,
    columns: [{ name: 'phase', align: 'left' }, { name: 'counter', align: 'left' }, ...comparison.labels.flatMap(runColumns(comparison.labels))],
    rows: parts.flatMap(part => part.rows),
    notes: [
      ...foldNotes(folds),
      ...sameNotes(parts),
      ...(comparison.runs.length > 2 ? ['Changes are against the first run.'] : []),
      ...(view.all ? [] : [leftOutNote(parts.some(part => part.hasFolded))]),
    ],
  };
}

/** The settings a reader has to know: those that kernels and backends do not explain. */
export function tellingSettings({ runs, settings }: Comparison, catalog: Catalog, { all }: Pick<View, 'all'>): readonly Setting[] {
  return settings.filter(({ path }) => all || !followsFromKernel(path, runs, catalog));
}

function sameNotes(parts: readonly PhaseRows[]): string[] {
  const same = parts.filter(part => part.rows.length === 0).map(part => part.name);
  if (same.length === 0) return [];
  return [same.length === parts.length ? 'No difference in any phase.' : `No new difference: ${same.join(', ')}.`];
}

function leftOutNote(hasFolded: boolean): string {
  const kinds = hasFolded ? 'Counters that are the same in all runs, or tell the same as one shown,' : 'Counters that are the same in all runs';
  return `${kinds} are left out (--all shows them).`;
}

/** Whether two phases show the same values. */
export function samePhase(a: ComparedPhase | undefined, b: ComparedPhase | undefined): boolean {
  const values = (phase: ComparedPhase | undefined): string => JSON.stringify([phase?.timesNs, phase?.counters]);
  return values(a) === values(b);
}

/** The name that all runs bear in their configs, or what distinguishes them. */
export function comparisonTitle(comparison: Comparison): string {
  const names = [...new Set(comparison.runs.map(baseName))];
  return names.length === 1 ? (names[0] ?? '') : comparison.labels.map(lines => lines.join(', ')).join(' | ');
}

/** The name in the config: that of the run tells the runs of a matrix apart, which the table does itself. */
function baseName(run: RunResult): string {
  const name = configValue(run.config, 'name');
  return typeof name === 'string' ? name : run.name;
}

/** What ran, as far as it is the same in all runs. */
function commonLines(comparison: Comparison, catalog: Catalog): string[] {
  const line = sharedSettings(comparison, catalog);
  return [...(line === '' ? [] : [line]), ...guestModeLines(comparison)];
}

/** The guest modes of the runs, where they are not the same. */
function guestModeLines({ runs }: Comparison): string[] {
  const modes = runs.map(run => run.guestMode);
  return new Set(modes).size > 1 ? [`guest mode: ${modes.map(mode => mode ?? 'none').join(' | ')}`] : [];
}

/** What all runs share, in one line. */
export function sharedSettings(comparison: Comparison, catalog: Catalog): string {
  const { runs, settings } = comparison;
  const differing = settings.flatMap(setting => [setting.path, ...setting.echoes]);
  return describeRuns(runs, catalog, guestModeLines(comparison).length > 0 ? [...differing, GUEST_MODE] : differing);
}

/** Which runs failed, and how; checks among it. */
export function failedRuns({ runs, labels }: Comparison): readonly string[] {
  return runs.flatMap((run, index) => failureLines(run).map(line => `${(labels[index] ?? []).join(', ')}: ${line}`));
}

function settingLine(setting: Setting): string {
  return `${setting.path}: ${setting.values.join(' | ')}`;
}

/** The columns of one run. */
function runColumns(labels: Comparison['labels']): (label: readonly string[], run: number) => Column[] {
  return (label, run) => {
    const value: Column = { name: headOf(label, run, labels[0] ?? []).join('\n'), align: 'right' };
    return run === 0 ? [value] : [value, { name: 'change', align: 'right', glued: true }];
  };
}

/**
 * The head of a run's column, narrower than its label: all settings stand above the table. `huge_page_fault=zap` is `zap`; a mere `Y` or number
 * keeps its name, and is left out where it is as in the first run, unless nothing else is left.
 */
function headOf(label: readonly string[], run: number, first: readonly string[]): readonly string[] {
  const isWord = (line: string): boolean => /=[a-z]{3}/i.test(line) || !line.includes('=');
  const telling = label.filter((line, at) => isWord(line) || (run > 0 && line !== first[at]));
  return (telling.length === 0 ? label : telling).map(line => (isWord(line) ? line.slice(line.indexOf('=') + 1) : line));
}

/** Rows of a part of the table. */
interface PhaseRows {
  readonly name: string;
  readonly rows: readonly Cell[][];
  /** Whether counters that differ are folded under others. */
  readonly hasFolded: boolean;
}

/** The rows of a phase; its name stands in the first. There are none where nothing differs. */
function phaseRows(name: string, phase: ComparedPhase, before: ComparedPhase | undefined, view: View): PhaseRows {
  const { shown, isFolded } = shownCounters(phase, before, view);
  const times = phase.timesNs === undefined ? [] : [['predicted time', ...timeCells(phase.timesNs)], ...aboutTimes(phase)];
  const rows: Cell[][] = [...times, ...shown.map(({ counter, values }) => [counter, ...countCells(values)])];
  return { name, rows: rows.map((row, index) => [index === 0 ? { value: name, tone: 'strong' as const } : '', ...row]), hasFolded: isFolded };
}

/**
 * The counters that a reader is shown of a phase, and what is folded under them: those that differ, each story once. A gauge is shown where it came to differ, not in
 * every phase after that.
 * @param before the phase in front, if there is one
 */
export function shownCounters(
  phase: ComparedPhase,
  before: ComparedPhase | undefined,
  { all, unfolded }: Pick<View, 'all' | 'unfolded'>,
): FoldedCounters<ComparedCounter> {
  if (all) return { shown: phase.counters, under: new Map(), isFolded: false };
  const earlier = new Map(before?.counters.map(({ counter, values }) => [counter, values]));
  const isCarried = ({ counter, values }: ComparedCounter): boolean =>
    isGauge(counter) && values.every((value, run) => value === undefined || value === earlier.get(counter)?.[run]);
  const news = phase.counters.filter(one => !isSameInAll(one.values) && !isCarried(one));
  return unfolded === true ? { shown: news, under: new Map(), isFolded: false } : foldCounters(news);
}

/** Interval, bottleneck and basis of the times of a phase, each in the column of its run. */
function aboutTimes({ times = [] }: ComparedPhase): Cell[][] {
  const row = (name: string, write: (time: PhaseTime) => string): Cell[] => [
    name,
    ...times.flatMap((time, run) => [time === undefined ? '-' : write(time), ...(run === 0 ? [] : [''])]),
  ];
  const short = (ns: number): string => formatTime(Number(ns.toPrecision(3)));
  return [
    row('interval', time => time.intervalNs.map(short).join(' - ')),
    row('bottleneck', time => time.bottleneck ?? '-'),
    row('basis', time => time.basis),
  ];
}

function countCells(values: readonly (number | undefined)[]): Cell[] {
  return besideTheFirst(values, value => value, formatRatio);
}

function timeCells(timesNs: readonly (number | undefined)[]): Cell[] {
  return besideTheFirst(timesNs, formatTime, formatSpeed);
}

/** Values, each but the first with its change against the first. */
function besideTheFirst(values: readonly (number | undefined)[], write: (value: number) => Cell, words: (a: number, b: number) => string): Cell[] {
  const [first] = values;
  return values.flatMap((value, run) => {
    const cell = value === undefined ? '-' : write(value);
    if (run === 0) return [cell];
    return [cell, first === undefined || value === undefined ? '' : changeCell(first, value, words(first, value))];
  });
}

function changeCell(first: number, value: number, words: string): TonedCell {
  if (first === value) return { value: words, tone: 'faint' };
  return { value: words, tone: value < first ? 'good' : 'bad' };
}

/** One value per row: workload group, run, label, phase, counter, value, ratio to the first run. */
function comparisonRows(comparisons: readonly Comparison[]): CsvRows {
  const paths = [...new Set(comparisons.flatMap(comparison => comparison.settings.map(setting => setting.path)))];
  return {
    header: ['group', 'run', 'name', ...paths, 'phase', 'counter', 'value', 'ratio'],
    rows: valueRows(comparisons, paths),
  };
}

function* valueRows(comparisons: readonly Comparison[], paths: readonly string[]): Iterable<readonly (string | number)[]> {
  for (const [group, comparison] of comparisons.entries()) {
    const settings = paths.map(path => comparison.settings.find(setting => setting.path === path));
    for (const [run, { name, failure, checks = [] }] of comparison.runs.entries()) {
      const head = [group + 1, run + 1, name, ...settings.map(setting => setting?.values[run] ?? '')];
      for (const phase of comparison.phases) for (const row of phaseValues(phase, run)) yield [...head, phase.phase, ...row];
      if (failure !== undefined) yield [...head, failure.phase, failureCounter(failure), 1, ''];
      for (const check of checks) for (const row of checkRows(check)) yield [...head, check.phase, ...row, ''];
    }
  }
}

function phaseValues(phase: ComparedPhase, run: number): (string | number)[][] {
  const { times = [] } = phase;
  const figures = (counter: string, figure: (time: PhaseTime) => number): { counter: string; values: (number | undefined)[] }[] =>
    times.length === 0 ? [] : [{ counter, values: times.map(time => (time === undefined ? undefined : figure(time))) }];
  const own = times[run];
  const numbers = [
    ...figures('time.predictedNs', time => time.predictedNs),
    ...figures('time.intervalNs.low', time => time.intervalNs[0]),
    ...figures('time.intervalNs.high', time => time.intervalNs[1]),
    ...phase.counters,
  ].flatMap(({ counter, values }) => {
    const [first] = values;
    const value = values[run];
    if (value === undefined) return [];
    return [[counter, value, first === undefined || first === 0 ? '' : value / first]];
  });
  const words =
    own === undefined
      ? []
      : [
          ['time.bottleneck', own.bottleneck ?? '', ''],
          ['time.basis', own.basis, ''],
        ];
  return [...words, ...numbers];
}

/** Per phase the test's own label, then one line per run: its time, or the counters that differ. A phase in which nothing differs is one line. */
function comparisonLines(comparison: Comparison): string[] {
  const [first] = comparison.runs;
  if (first === undefined) return [];
  const hasTimes = comparison.phases.some(phase => phase.timesNs !== undefined);
  const head = comparisonTitle(comparison) + (hasTimes ? '' : ' (no cost model: counts in place of times)');
  return [head, ...comparison.phases.flatMap(phase => phaseLines(comparison, phase, selftestLabel(first, phase.phase))), ...failedRuns(comparison)];
}

function phaseLines({ labels }: Comparison, { counters, timesNs = [] }: ComparedPhase, label: string): string[] {
  const differing = new Map(counters.filter(({ values }) => !isSameInAll(values)).map(({ counter, values }) => [counter, values]));
  const names = leadingCounters([...differing.keys()]);
  if (timesNs.length === 0 && names.length === 0) return [`${label}no difference`];
  const countsOf = (run: number): string => names.map(name => `${name} ${differing.get(name)?.[run] ?? '-'}`).join(', ');
  const textOf = (run: number): string => {
    const timeNs = timesNs[run];
    return timeNs === undefined ? countsOf(run) : formatSelftestTime(timeNs);
  };
  return [label.trimEnd(), ...labels.map((settings, run) => `  ${settings.join(', ')}: ${textOf(run)}`)];
}
