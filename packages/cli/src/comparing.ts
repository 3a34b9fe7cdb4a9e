/**
 * A comparison from what the user named to its report: configs are run, saved results are read, and both stand in the order in which they were named.
 */
import type { RunResult } from '@mmulab/api';
import {
  checkPivot,
  compareResults,
  comparisonReport,
  pivotReport,
  selectParts,
  type Catalog,
  type PivotRequest,
  type PlannedRun,
  type Report,
} from '@mmulab/report';
import { readImport, resultOf } from '@mmulab/import';
import { resolvedConfig } from '@mmulab/runner';
import { catalogOf, loadRegistry } from './built-in';
import { tooLittleToCompare } from './errors';
import type { PluginOptions, RunSettings, SelectionOptions } from './options';
import { performRuns, type Performance } from './perform';
import { readSavedResults } from './saved-results';
import { checkNames, withCounterGroups } from './selection';
import { prepareCommandLine, prepareFile, prepareOperands, type PreparedRun } from './sources';
import type { Terminal } from './terminal';

/** What is compared, and how it is shown. */
export type ComparisonOptions = PluginOptions & RunSettings & SelectionOptions & { readonly pivot?: PivotRequest };

/** One side of a comparison: runs still to be performed, or results read from a file. */
type Side = { readonly runs: readonly PreparedRun[] } | { readonly saved: readonly RunResult[] };

/** A comparison of which nothing has run yet. */
export interface PreparedComparison {
  readonly sides: readonly Side[];
  readonly catalog: Catalog;
}

/** Reads what is to be compared, and checks all of it. @throws CLI_TOO_LITTLE_TO_COMPARE for fewer than two runs, and whatever is wrong with them */
export function prepareComparison(
  files: readonly string[],
  commandLine: readonly string[] | undefined,
  options: ComparisonOptions,
): PreparedComparison {
  const { measured, others } = countedSides(options, commandLine);
  const sides = [...measured, ...freshSides(files, commandLine, { ...options, import: others })];
  const count = sides.reduce((sum, side) => sum + ('runs' in side ? side.runs : side.saved).length, 0);
  if (count < 2) throw tooLittleToCompare(count);
  const prepared = runsOf(sides);
  const catalog = catalogOf(prepared.length === 0 ? [loadRegistry(options.plugin)] : prepared.map(({ registry }) => registry));
  checkNames(
    withCounterGroups(options, catalog),
    prepared,
    sides.flatMap(side => ('saved' in side ? side.saved : [])),
  );
  if (options.pivot !== undefined) checkPivot(options.pivot, sides.flatMap(planned));
  return { sides, catalog };
}

/** Runs what has to be run. */
export function performComparison({ sides }: PreparedComparison, terminal: Terminal, quiet?: boolean): Performance {
  const performed = performRuns(runsOf(sides), terminal, { quiet });
  return { ...performed, results: inOrder(sides, performed.results) };
}

function runsOf(sides: readonly Side[]): readonly PreparedRun[] {
  return sides.flatMap(side => ('runs' in side ? side.runs : []));
}

/** The report that the options ask for: side by side, or a pivot. */
export function comparedReport(results: readonly RunResult[], options: ComparisonOptions, catalog: Catalog): Report {
  const { pivot, phases } = options;
  if (pivot === undefined) return comparisonReport(compareResults(selectParts(results, options)), catalog);
  return pivotReport(results, pivot, phases);
}

/** What is known of the runs of a side before they run. */
function planned(side: Side): readonly PlannedRun[] {
  if ('saved' in side) return side.saved.map(({ config, totals }) => ({ config, counters: Object.keys(totals.counters) }));
  return side.runs.map(({ run, registry }) => ({
    config: resolvedConfig(run),
    counters: registry.backend(run.backend.name).events.map(event => event.name),
  }));
}

/** Counts of a real kernel among the imports are sides of their own; the others are laid under the configs. */
function countedSides(
  { import: files = [], plugin, backend, kernel }: ComparisonOptions,
  words: readonly string[] | undefined,
): { measured: readonly Side[]; others: readonly string[] } {
  if (files.length === 0) return { measured: [], others: [] };
  const registry = loadRegistry(plugin);
  const imports = files.map(file => readImport(file, registry));
  const counted = imports.filter(({ counts }) => counts !== undefined);
  const others = imports.filter(({ counts }) => counts === undefined).map(({ file }) => file);
  return { measured: counted.map(one => ({ saved: [resultOf(one, { backend, kernel, words }, registry)] })), others };
}

function freshSides(files: readonly string[], commandLine: readonly string[] | undefined, options: ComparisonOptions): readonly Side[] {
  if (commandLine !== undefined) return [{ runs: prepareCommandLine(commandLine, options) }];
  if (files.length > 0) return files.map(file => readSide(file, options));
  return options.import?.length === 0 ? [] : [{ runs: prepareOperands({ command: 'compare', files, commandLine }, options) }];
}

function readSide(file: string, options: ComparisonOptions): Side {
  const saved = readSavedResults(file);
  return saved === undefined ? { runs: prepareFile(file, options) } : { saved };
}

/** Saved and fresh results in the order in which the user named them. */
function inOrder(sides: readonly Side[], fresh: readonly RunResult[]): readonly RunResult[] {
  let taken = 0;
  return sides.flatMap(side => {
    if ('saved' in side) return side.saved;
    taken += side.runs.length;
    return fresh.slice(taken - side.runs.length, taken);
  });
}
