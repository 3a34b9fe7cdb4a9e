/**
 * `mmulab run`: runs configs, .test files or a command line, and prints what was counted.
 */
import { compareResults, comparisonReport, renderParts, resultsReport, selectParts, type Catalog, type View } from '@mmulab/report';
import { BUILT_IN_FORMATS, type Reporter, type RunResult } from '@mmulab/api';
import type { Command } from 'commander';
import { catalogOf } from '../built-in';
import type { CommandContext } from '../command-entry';
import { ExitCode } from '../exit-code';
import { checkExport, writingExport } from '../export';
import { formatOf } from '../format';
import {
  addExportOption,
  addHtmlOption,
  addOutputOptions,
  addPluginOption,
  addRunSettings,
  addSelectionOptions,
  checkExportOptions,
  viewOf,
  type ExportOptions,
  type HtmlOptions,
  type OutputOptions,
  type PluginOptions,
  type RunSettings,
  type SelectionOptions,
} from '../options';
import { typedAgain, writingPage } from '../html';
import { OutputDirectory } from '../output-directory';
import { performRuns, type Performance, type PerformOptions } from '../perform';
import { print } from '../print';
import { checkNames, withCounterGroups } from '../selection';
import { checkOperands, prepareOperands, type PreparedRun } from '../sources';
import type { Terminal } from '../terminal';
import { isHelpWanted, testUsage } from '../test-usage';
import { writingTrace } from '../trace';

type Options = OutputOptions &
  PluginOptions &
  RunSettings &
  SelectionOptions &
  ExportOptions &
  HtmlOptions & { readonly trace?: string; readonly out?: string };

/** Formats in which the runs of a matrix are also put side by side. */
const FOR_READERS = ['table', 'markdown'];

/** More runs than this are too many columns; `compare` shows them all the same. */
const MAX_SIDE_BY_SIDE = 8;

/** More files than this are counted, not named. */
const MAX_NAMED = 16;

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addRunSettings(
    command
      .argument('[files...]', 'configs (YAML or JSON) or .test files')
      .usage('[options] FILE...\n       mmulab run [options] -- TEST [flags of the test]'),
  );
  addHtmlOption(addExportOption(addPluginOption(addSelectionOptions(addOutputOptions(command)))))
    .option('--trace <file>', 'write a timeline of the run, in virtual time, for ui.perfetto.dev')
    .option('--out <dir>', 'write every result as JSON and CSV into a directory')
    .addHelpText('after', '\nmmulab run -- TEST -h prints the flags of a test; mmulab list workloads names the tests.\n')
    .action((files: string[], options: Options) => run(files, options, context));
}

function run(files: readonly string[], given: Options, context: CommandContext): void {
  const { terminal, commandLine } = context;
  const format = formatOf(given, files);
  if (commandLine !== undefined && isHelpWanted(commandLine)) {
    terminal.out(testUsage(commandLine, given.plugin));
    return;
  }
  const operands = { command: 'run', files, commandLine, imports: given.import };
  checkOperands(operands);
  checkExportOptions(given);
  const prepared = prepareOperands(operands, given);
  const catalog = catalogOf(prepared.map(({ registry }) => registry));
  const options = withCounterGroups(given, catalog);
  checkNames(options, prepared);
  if (options.export !== undefined) checkExport(options.export, prepared);
  const notes = options.quiet === true ? undefined : terminal;
  const view = { ...viewOf(terminal, options), unfolded: options.counters !== undefined };
  const directory =
    options.out === undefined
      ? undefined
      : new OutputDirectory(
          options.out,
          prepared.map(({ run: one }) => one),
          view,
        );
  const { shown, meetsThresholds } = writingPage(
    options.html,
    notes,
    () => {
      const performed = writingTrace(options.trace, prepared, notes, () => perform(prepared, terminal, options, directory));
      return { ...performed, shown: selectParts(performed.results, options) };
    },
    performed => ({ stories: [{ results: performed.shown, command: typedAgain(context.argv) }], catalog, showsWork: options.counters !== undefined }),
  );
  print(terminal, resultsText(shown, catalog, format, view));
  if (directory !== undefined && options.quiet !== true) terminal.err(`wrote ${named(directory.written, options.out)}\n`);
  if (!meetsThresholds) context.exitWith(ExitCode.Failed);
}

/** A few paths by their names, many by their number. */
function named(paths: readonly string[], directory = ''): string {
  return paths.length > MAX_NAMED ? `${paths.length} files into ${directory}` : paths.join(', ');
}

function perform(prepared: readonly PreparedRun[], terminal: Terminal, options: Options, directory: OutputDirectory | undefined): Performance {
  const { quiet, export: wanted, exportWithout } = options;
  const how: PerformOptions = { quiet, vcpuCounters: showsVcpus(options), onResult: (result, run) => directory?.write(result, run) };
  if (wanted === undefined) return performRuns(prepared, terminal, how);
  return writingExport(wanted, exportWithout, trace => performRuns(prepared, terminal, { ...how, trace }));
}

/** Whether the counters of every vCPU are written somewhere. */
function showsVcpus({ format, all, out }: Options): boolean {
  return out !== undefined || format === 'json' || !BUILT_IN_FORMATS.includes(format) || (format === 'csv' && all === true);
}

function* resultsText(results: readonly RunResult[], catalog: Catalog, format: Reporter, view: View): Iterable<string> {
  yield* renderParts(resultsReport(results, catalog), format, view);
  if (results.length < 2 || results.length > MAX_SIDE_BY_SIDE || !FOR_READERS.includes(format.name)) return;
  yield '\n';
  yield* renderParts(comparisonReport(compareResults(results), catalog), format, view);
}
