/**
 * `mmulab explain`: what a name means.
 */
import { explanationReport, renderParts } from '@mmulab/report';
import { explainName } from '@mmulab/runner';
import type { Command } from 'commander';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, viewOf, type OutputOptions, type PluginOptions } from '../options';
import { print } from '../print';

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  command.argument('<name...>', 'an option, counter, profile, workload, backing, backend or patch');
  addPluginOption(addOutputOptions(command)).action((names: string[], options: OutputOptions & PluginOptions) => {
    const { terminal } = context;
    const format = formatOf(options);
    const registry = loadRegistry(options.plugin);
    const meanings = names.flatMap(name => explainName(name, registry));
    print(terminal, renderParts(explanationReport(meanings), format, viewOf(terminal, options)));
  });
}
