/**
 * `mmulab verify`: runs records of real kernels and compares every counter.
 */
import { renderParts, verificationReport } from '@mmulab/report';
import { verifyRecords } from '@mmulab/runner';
import type { Command } from 'commander';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { ExitCode } from '../exit-code';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, viewOf, type OutputOptions, type PluginOptions } from '../options';
import { print } from '../print';
import { shippedRecords } from '../shipped-records';

type Options = OutputOptions & PluginOptions & { readonly backend?: string };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  command
    .argument('[records...]', 'files of records (mmulab.records.v1); without any, those that come with mmulab')
    .option('--backend <name>', 'only the records of this backend');
  addPluginOption(addOutputOptions(command))
    .addHelpText('after', '\nEnds with 1 when a judged value is off, with 2 when nothing was left to compare.\n')
    .action((files: string[], options: Options) => verify(files, options, context));
}

function verify(files: readonly string[], options: Options, context: CommandContext): void {
  const { terminal } = context;
  const format = formatOf(options);
  const report = verifyRecords(files.length === 0 ? shippedRecords() : files, loadRegistry(options.plugin), {
    backend: options.backend,
    onRecord: ({ record }, index, records) => {
      if (options.quiet !== true) terminal.progress({ done: index + 1, total: records, label: record.id });
    },
  });
  terminal.progress(undefined);
  print(terminal, renderParts(verificationReport(report, report.groups), format, viewOf(terminal, options)));
  if (report.differences.length > 0) context.exitWith(ExitCode.Failed);
}
