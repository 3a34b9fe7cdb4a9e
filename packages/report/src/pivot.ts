/**
 * One counter, or the predicted time, over two axes of a matrix: one setting of the runs as rows, another as columns. What else differs between the runs makes one table
 * per combination, unless it follows from the two (as the switches of a kernel do), and every phase asked for one table of its own.
 */
import type { PhaseResult, RunResult } from '@mmulab/api';
import { emptyPivotName, pivotNeedsThree, pivotOnOneAxis, unknownAxis, unknownCounter, untimedPivot } from './errors';
import { formatTime } from './quantity';
import type { CsvRows, Report } from '@mmulab/api';
import { counterNames } from './results';
import { differingSettings, type Setting } from './settings';
import type { Cell, Sheet } from './sheet';

export const PIVOT_SCHEMA = 'mmulab.pivot.v1';

/** The name that stands for predicted time where a counter could be. */
const TIME = 'time';

/** `--pivot ROW,COLUMN,COUNTER`. */
export interface PivotRequest {
  /** A setting by its path or the last part of it, a section such as `workload`, or several of these: `backend+npt`. */
  readonly row: string;
  readonly column: string;
  /** A counter, or `time`. */
  readonly counter: string;
}

/** Reads what stands behind `--pivot`. @throws REPORT_PIVOT_FORM, REPORT_PIVOT_AXES */
export function readPivot(text: string): PivotRequest {
  const names = text.split(',').map(name => name.trim());
  const [row = '', column = '', counter = ''] = names;
  if (names.length !== 3) throw pivotNeedsThree(text);
  if (names.includes('')) throw emptyPivotName(text);
  if (row === column) throw pivotOnOneAxis(row);
  return { row, column, counter };
}

/** What can be known of a run before it has run. */
export interface PlannedRun {
  readonly config: RunResult['config'];
  /** Names of all counters it will have. */
  readonly counters: readonly string[];
}

/** Checks names against runs that need not have run. @throws REPORT_UNKNOWN_AXIS, REPORT_UNKNOWN_COUNTER, REPORT_PIVOT_UNTIMED, REPORT_PIVOT_AXES */
export function checkPivot({ row, column, counter }: PivotRequest, runs: readonly PlannedRun[]): void {
  const settings = differingSettings(runs);
  const [rows, columns] = [row, column].map(name => axisOf(name, settings));
  if (rows !== undefined && columns !== undefined && rows.some(setting => columns.includes(setting))) throw pivotOnOneAxis(`${row},${column}`);
  if (counter === TIME) {
    if (runs.every(({ config }) => config['time'] === undefined)) throw untimedPivot();
    return;
  }
  const known = [...new Set(runs.flatMap(run => run.counters))];
  if (!known.includes(counter)) throw unknownCounter(counter, [...known, TIME]);
}

/** The settings an axis consists of: one, all of a section that differ, or those of several names. */
function axisOf(name: string, settings: readonly Setting[]): readonly Setting[] {
  return [...new Set(name.split('+').flatMap(part => partOf(part.trim(), settings)))];
}

function partOf(name: string, settings: readonly Setting[]): readonly Setting[] {
  const named = settings.filter(({ path, name: last, echoes }) => path === name || last === name || echoes.includes(name));
  if (named.length > 0) return named.slice(0, 1);
  const section = settings.filter(({ path }) => path.startsWith(`${name}.`));
  if (section.length > 0) return section;
  throw unknownAxis(
    name,
    settings.map(setting => setting.name),
  );
}

/** A table of a pivot. */
export interface PivotTable {
  /** What the runs in it share beyond the axes: `kernel=6.1`; empty when there is nothing else. */
  readonly where: string;
  /** A phase, or `total`. */
  readonly phase: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** By row, then column; undefined where no run is. */
  readonly values: readonly (readonly (number | undefined)[])[];
}

/** @param phases one table per phase; absent: the total of each run */
export function pivotTables(results: readonly RunResult[], request: PivotRequest, phases?: readonly string[]): readonly PivotTable[] {
  const settings = differingSettings(results);
  const [row, column] = [axisOf(request.row, settings), axisOf(request.column, settings)];
  const [rowOf, columnOf] = [axisValues(row, results), axisValues(column, results)];
  const pairOf = results.map((_, run) => JSON.stringify([rowOf[run], columnOf[run]]));
  const others = settings.filter(setting => !row.includes(setting) && !column.includes(setting) && !followsFrom(pairOf, setting));
  const whereOf = results.map((_, run) => others.map(({ name, values }) => `${name}=${values[run] ?? '-'}`).join(', '));
  const [rows, columns] = [[...new Set(rowOf)], [...new Set(columnOf)]];
  return [...new Set(whereOf)].flatMap(where =>
    (phases ?? [undefined]).map(phase => ({
      where,
      phase: phase ?? 'total',
      rows,
      columns,
      values: rows.map(rowValue =>
        columns.map(columnValue => {
          const run = results.findIndex((_, at) => rowOf[at] === rowValue && columnOf[at] === columnValue && whereOf[at] === where);
          return valueOf(results[run], request.counter, phase);
        }),
      ),
    })),
  );
}

function axisValues(axis: readonly Setting[], results: readonly RunResult[]): readonly string[] {
  const [only] = axis;
  if (axis.length === 1 && only !== undefined) return only.values;
  return results.map((_, run) => axis.map(({ name, values }) => `${name}=${values[run] ?? '-'}`).join(' '));
}

/** Whether a setting is the same in all runs that share row and column. */
function followsFrom(pairOf: readonly string[], { values }: Setting): boolean {
  const seen = new Map<string, string | undefined>();
  return pairOf.every((pair, run) => {
    if (!seen.has(pair)) seen.set(pair, values[run]);
    return seen.get(pair) === values[run];
  });
}

function valueOf(result: RunResult | undefined, counter: string, phase: string | undefined): number | undefined {
  const part = phase === undefined ? undefined : result?.phases.find(one => one.phase === phase);
  if (counter !== TIME) return (phase === undefined ? result?.totals : part)?.counters[counter];
  const parts: readonly PhaseResult[] = (phase === undefined ? result?.phases : part && [part]) ?? [];
  const timed = parts.flatMap(({ time }) => (time === undefined ? [] : [time.predictedNs]));
  return timed.length === 0 ? undefined : timed.reduce((sum, timeNs) => sum + timeNs, 0);
}

/** A pivot as a report; see `pivotTables`. */
export function pivotReport(results: readonly RunResult[], request: PivotRequest, phases?: readonly string[]): Report {
  checkPivot(
    request,
    results.map(result => ({ config: result.config, counters: counterNames([result.totals.counters]) })),
  );
  const tables = pivotTables(results, request, phases);
  return {
    what: 'a pivot',
    document: { schema: PIVOT_SCHEMA, ...request, tables: tables.map(table => ({ ...table, values: withNulls(table.values) })) },
    sheets: () => tables.map(table => pivotSheet(table, request)),
    csv: () => pivotRows(tables, request),
  };
}

function withNulls(values: PivotTable['values']): unknown {
  return values.map(row => row.map(value => value ?? null));
}

function pivotSheet({ where, phase, rows, columns, values }: PivotTable, { row, column, counter }: PivotRequest): Sheet {
  const write = (value: number | undefined): Cell => (value === undefined ? '-' : counter === TIME ? formatTime(value) : value);
  return {
    title: [`${counter === TIME ? 'predicted time' : counter}, ${phase}`, where].filter(part => part !== '').join(': '),
    lines: [`${row} down, ${column} across`],
    keys: 1,
    columns: [{ name: row, align: 'left' }, ...columns.map(name => ({ name, align: 'right' as const }))],
    rows: rows.map((name, at) => [{ value: name, tone: 'strong' as const }, ...(values[at] ?? []).map(write)]),
    notes: values.flat().includes(undefined) ? ['- where there is no such run.'] : [],
  };
}

function pivotRows(tables: readonly PivotTable[], { row, column, counter }: PivotRequest): CsvRows {
  return {
    header: ['where', 'phase', row, column, counter === TIME ? 'time.predictedNs' : counter],
    rows: tables.flatMap(({ where, phase, rows, columns, values }) =>
      rows.flatMap((rowValue, i) =>
        columns.flatMap((columnValue, j) => {
          const value = values[i]?.[j];
          return value === undefined ? [] : [[where, phase, rowValue, columnValue, value]];
        }),
      ),
    ),
  };
}
