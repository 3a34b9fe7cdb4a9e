/**
 * `mmulab compare`: puts runs or saved results side by side.
 */
import { readPivot, renderParts, selectParts } from '@mmulab/report';
import type { Command } from 'commander';
import type { CommandContext } from '../command-entry';
import { comparedReport, performComparison, prepareComparison, type ComparisonOptions } from '../comparing';
import { ExitCode } from '../exit-code';
import { formatOf } from '../format';
import { typedAgain, writingPage } from '../html';
import {
  addHtmlOption,
  addOutputOptions,
  addPluginOption,
  addRunSettings,
  addSelectionOptions,
  viewOf,
  type HtmlOptions,
  type OutputOptions,
} from '../options';
import { print } from '../print';
import { withCounterGroups } from '../selection';
import { checkOperands } from '../sources';
import { isHelpWanted, testUsage } from '../test-usage';

type Options = OutputOptions & HtmlOptions & ComparisonOptions;

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addRunSettings(
    command
      .argument('[files...]', 'configs, .test files, saved results (JSON), or directories of them')
      .usage(
        '[options] FILE FILE...\n       mmulab compare [options] MATRIX.yaml\n       mmulab compare [options] --vary KEY=A,B -- TEST [flags of the test]',
      ),
  );
  addHtmlOption(addPluginOption(addSelectionOptions(addOutputOptions(command))))
    .option('--pivot <row,column,counter>', 'one counter, or time, over two axes of the matrix', readPivot)
    .addHelpText('after', '\nA config with vary or zip is compared run by run; everything else is compared with the first run.\n')
    .action((files: string[], options: Options) => compare(files, options, context));
}

function compare(files: readonly string[], given: Options, context: CommandContext): void {
  const { terminal, commandLine } = context;
  const format = formatOf(given, files);
  if (commandLine !== undefined && isHelpWanted(commandLine)) {
    terminal.out(testUsage(commandLine, given.plugin));
    return;
  }
  checkOperands({ command: 'compare', files, commandLine, imports: given.import });
  const prepared = prepareComparison(files, commandLine, given);
  const options = withCounterGroups(given, prepared.catalog);
  const { results, meetsThresholds } = writingPage(
    options.html,
    options.quiet === true ? undefined : terminal,
    () => performComparison(prepared, terminal, options.quiet),
    performed => ({
      stories: [{ results: selectParts(performed.results, options), command: typedAgain(context.argv) }],
      catalog: prepared.catalog,
      showsWork: options.counters !== undefined,
    }),
  );
  const view = { ...viewOf(terminal, options), unfolded: options.counters !== undefined };
  print(terminal, renderParts(comparedReport(results, options, prepared.catalog), format, view));
  if (!meetsThresholds) context.exitWith(ExitCode.Failed);
}
