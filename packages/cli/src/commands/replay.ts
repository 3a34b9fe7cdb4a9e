/**
 * `mmulab replay`: a trace of a real VM, replayed under a policy or held against the model.
 */
import { compareResults, comparisonReport, renderReport, replayReport, selectParts, traceCheckReport } from '@mmulab/report';
import type { RunResult } from '@mmulab/api';
import type { Registry } from '@mmulab/runner';
import { checkTrace, readSlot, replayTrace, type MemoryOptions } from '@mmulab/traces';
import type { Command } from 'commander';
import { catalogOf, loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { ExitCode } from '../exit-code';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, addRunSettings, viewOf, type OutputOptions, type PluginOptions, type RunSettings } from '../options';
import { checkSummary, linesSummary } from '../trace-summary';
import { machinesFor, onlyMachine } from '../traced-machine';

type Options = OutputOptions &
  PluginOptions &
  RunSettings & { readonly check?: boolean; readonly slot?: readonly string[]; readonly backing?: string };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addRunSettings(
    command.argument('<trace>', 'text of ftrace, trace-cmd report or perf script, plain or .gz; a trace-cmd .dat; - for standard input'),
    ['vcpus', 'seed'],
  )
    .option('--check', 'compare every change of the tables with the one simulated, in order; ends with 1 at a difference')
    .option('--slot <gpa:size[@hva]>', 'a memslot of the VM (repeatable); without any they are inferred', append)
    .option('--backing <name>', 'what the host has behind all memory, where the trace does not show it');
  addPluginOption(addOutputOptions(command))
    .addHelpText(
      'after',
      '\nBackend, kernel and module parameters are taken from the trace as far as it shows them; --kernel and --set come first.\n',
    )
    .action((trace: string, options: Options) => replay(trace, options, context));
}

const append = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function replay(trace: string, options: Options, context: CommandContext): void {
  formatOf(options);
  const registry = loadRegistry(options.plugin);
  const memory = memoryOf(options, registry);
  if (options.check === true) check(trace, options, registry, memory, context);
  else compare(trace, options, registry, memory, context);
}

/** Recorded beside simulated; with several policies, these beside each other too. */
function compare(trace: string, options: Options, registry: Registry, memory: MemoryOptions, { terminal }: CommandContext): void {
  const { recorded, results, machines, lines, doubts } = replayTrace(trace, signs => machinesFor(signs, options, registry), registry, memory);
  if (options.quiet !== true) for (const note of new Set(machines.flatMap(machine => machine.notes))) terminal.err(`note: ${note}\n`);
  const comparison = comparisonReport(
    compareResults(options.all === true ? [recorded, ...results] : telling(recorded, results)),
    catalogOf([registry]),
  );
  terminal.out(renderReport(replayReport(comparison, recorded, results, linesSummary(lines, doubts)), formatOf(options), viewOf(terminal, options)));
}

/** Results without the counters that the trace does not have and that are the same, or nothing, under every policy. */
function telling(recorded: RunResult, results: readonly RunResult[]): readonly RunResult[] {
  const [first] = results;
  const names = Object.keys(first?.totals.counters ?? {}).filter(name => {
    if (name in recorded.totals.counters) return true;
    return results.some(result => result.phases.some((phase, i) => phase.counters[name] !== first?.phases[i]?.counters[name]));
  });
  return [recorded, ...selectParts(results, { counters: names })];
}

function check(trace: string, options: Options, registry: Registry, memory: MemoryOptions, context: CommandContext): void {
  const { terminal } = context;
  const outcome = checkTrace(trace, signs => onlyMachine(machinesFor(signs, options, registry)), registry, memory);
  if (options.quiet !== true) for (const note of outcome.machine.notes) terminal.err(`note: ${note}\n`);
  terminal.out(renderReport(traceCheckReport(checkSummary(trace, outcome)), formatOf(options), viewOf(terminal, options)));
  if (outcome.tally.differences > 0) context.exitWith(ExitCode.Failed);
}

function memoryOf({ slot = [], backing }: Options, registry: Registry): MemoryOptions {
  const level = backing === undefined ? 0 : registry.backing(backing, { pageSizeBytes: 4096, thp: 'madvise' }).pageLevel;
  return { slots: slot.map(text => readSlot(text)), backingLevel: level };
}
