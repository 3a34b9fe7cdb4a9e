/**
 * `mmulab compare`: puts runs or saved results side by side.
 */
import type { RunResult } from '@mmulab/api';
import { readImport, resultOf } from '@mmulab/import';
import { compareResults, comparisonReport, renderParts, reporterFor, selectParts } from '@mmulab/report';
import type { Command } from 'commander';
import { catalogOf, loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { tooLittleToCompare } from '../errors';
import { ExitCode } from '../exit-code';
import {
  addOutputOptions,
  addPluginOption,
  addRunSettings,
  addSelectionOptions,
  viewOf,
  type OutputOptions,
  type PluginOptions,
  type RunSettings,
  type SelectionOptions,
} from '../options';
import { performRuns } from '../perform';
import { print } from '../print';
import { readSavedResults } from '../saved-results';
import { checkNames } from '../selection';
import { checkOperands, prepareCommandLine, prepareFile, prepareOperands, type PreparedRun } from '../sources';
import { isHelpWanted, testUsage } from '../test-usage';

type Options = OutputOptions & PluginOptions & RunSettings & SelectionOptions;

/** One side of a comparison: runs still to be performed, or results read from a file. */
type Side = { readonly runs: readonly PreparedRun[] } | { readonly saved: readonly RunResult[] };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addRunSettings(
    command
      .argument('[files...]', 'configs, .test files, saved results (JSON), or directories of them')
      .usage(
        '[options] FILE FILE...\n       mmulab compare [options] MATRIX.yaml\n       mmulab compare [options] --vary KEY=A,B -- TEST [flags of the test]',
      ),
  );
  addPluginOption(addSelectionOptions(addOutputOptions(command)))
    .addHelpText('after', '\nA config with vary or zip is compared run by run; everything else is compared with the first run.\n')
    .action((files: string[], options: Options) => compare(files, options, context));
}

function compare(files: readonly string[], options: Options, context: CommandContext): void {
  const { terminal, commandLine } = context;
  reporterFor(options.format);
  if (commandLine !== undefined && isHelpWanted(commandLine)) {
    terminal.out(testUsage(commandLine, options.plugin));
    return;
  }
  checkOperands({ command: 'compare', files, commandLine, imports: options.import });
  const { measured, others } = countedSides(options, commandLine);
  const settings = { ...options, import: others };
  const sides = [...measured, ...freshSides(files, commandLine, settings)];
  const count = sides.reduce((sum, side) => sum + ('runs' in side ? side.runs : side.saved).length, 0);
  if (count < 2) throw tooLittleToCompare(count);
  const prepared = sides.flatMap(side => ('runs' in side ? side.runs : []));
  const saved = sides.flatMap(side => ('saved' in side ? side.saved : []));
  checkNames(options, prepared, saved);
  const catalog = catalogOf(prepared.length === 0 ? [loadRegistry(options.plugin)] : prepared.map(({ registry }) => registry));
  const performed = performRuns(prepared, terminal, { quiet: options.quiet });
  const results = selectParts(inOrder(sides, performed.results), options);
  print(terminal, renderParts(comparisonReport(compareResults(results), catalog), options.format, viewOf(terminal, options)));
  if (!performed.meetsThresholds) context.exitWith(ExitCode.Failed);
}

/** Counts of a real kernel among the imports are sides of their own; the others are laid under the configs. */
function countedSides(
  { import: files = [], plugin, backend, kernel }: Options,
  words: readonly string[] | undefined,
): { measured: readonly Side[]; others: readonly string[] } {
  if (files.length === 0) return { measured: [], others: [] };
  const registry = loadRegistry(plugin);
  const imports = files.map(file => readImport(file, registry));
  const counted = imports.filter(({ counts }) => counts !== undefined);
  const others = imports.filter(({ counts }) => counts === undefined).map(({ file }) => file);
  return { measured: counted.map(one => ({ saved: [resultOf(one, { backend, kernel, words }, registry)] })), others };
}

function freshSides(files: readonly string[], commandLine: readonly string[] | undefined, options: Options): readonly Side[] {
  if (commandLine !== undefined) return [{ runs: prepareCommandLine(commandLine, options) }];
  if (files.length > 0) return files.map(file => readSide(file, options));
  return options.import?.length === 0 ? [] : [{ runs: prepareOperands({ command: 'compare', files, commandLine }, options) }];
}

function readSide(file: string, options: Options): Side {
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
