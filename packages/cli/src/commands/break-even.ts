/**
 * `mmulab break-even`: what zapping, splitting on faults and splitting beforehand cost, and where which is cheaper.
 */
import { renderParts } from '@mmulab/report';
import { loadConfigFile, writeOutputFile } from '@mmulab/runner';
import type { Command } from 'commander';
import { FEW_SHARES, PolicyCosts, SHARES } from '../break-even';
import { breakEvenReport } from '../break-even-report';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, viewOf, type OutputOptions, type PluginOptions } from '../options';
import { print } from '../print';

type Options = OutputOptions & PluginOptions & { readonly map?: boolean; readonly csv?: string; readonly picture?: string };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  command
    .argument('<config>', 'a config of dirty_log_perf_test whose runs are the policies, with a cost model')
    .option('--map', 'the costs over shares of writes and numbers of vCPUs, too')
    .option('--csv <file>', 'write the map as CSV')
    .option('--picture <file>', 'write the map as arrays (JSON), for a plot');
  addPluginOption(addOutputOptions(command)).action((file: string, options: Options) => breakEven(file, options, context));
}

function breakEven(file: string, options: Options, { terminal }: CommandContext): void {
  const format = formatOf(options);
  const config = loadConfigFile(file);
  const registry = loadRegistry([...(options.plugin ?? []), ...(config.plugins ?? [])]);
  const isMapped = options.map === true || options.csv !== undefined || options.picture !== undefined;
  const costs = new PolicyCosts(config, registry, isMapped ? SHARES : FEW_SHARES);
  const own = costs.at(costs.vcpus);
  const report = breakEvenReport(config.name ?? file, own, isMapped ? costs.map() : []);
  const view = viewOf(terminal, options);
  if (options.csv !== undefined) writeOutputFile(options.csv, [...renderParts(report, 'csv', view)]);
  if (options.picture !== undefined) {
    const { picture } = report.document as { readonly picture: unknown };
    writeOutputFile(options.picture, [`${JSON.stringify(picture)}\n`]);
  }
  print(terminal, renderParts(options.map === true ? report : breakEvenReport(config.name ?? file, own, []), format, view));
}
