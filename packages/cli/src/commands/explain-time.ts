/**
 * `mmulab explain-time`: where the predicted time of a run comes from, term by term.
 */
import { renderParts } from '@mmulab/report';
import { runResolved, scaledWork } from '@mmulab/runner';
import { isModelFile } from '@mmulab/time';
import type { PhaseWork } from '@mmulab/api';
import type { Command } from 'commander';
import type { CommandContext } from '../command-entry';
import { noSuchPhase, noTimeModel, notAModelFile } from '../errors';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, addRunSettings, viewOf, type OutputOptions, type PluginOptions, type RunSettings } from '../options';
import { print } from '../print';
import { checkOperands, prepareOperands, type PreparedRun } from '../sources';
import { isHelpWanted, testUsage } from '../test-usage';
import { timeExplanationReport, type ExplainedPhase } from '../time-explanation-report';

type Options = OutputOptions & PluginOptions & RunSettings & { readonly phase?: string };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addRunSettings(
    command
      .argument('[files...]', 'configs (YAML or JSON) or .test files')
      .usage('[options] FILE\n       mmulab explain-time [options] -- TEST [flags of the test]'),
  );
  addPluginOption(addOutputOptions(command))
    .option('--phase <name>', 'one phase; without it the one that takes longest')
    .action((files: string[], options: Options) => explainTimes(files, options, context));
}

function explainTimes(files: readonly string[], options: Options, { terminal, commandLine }: CommandContext): void {
  const format = formatOf(options);
  if (commandLine !== undefined && isHelpWanted(commandLine)) {
    terminal.out(testUsage(commandLine, options.plugin));
    return;
  }
  const operands = { command: 'explain-time', files, commandLine, imports: options.import };
  checkOperands(operands);
  const phases = prepareOperands(operands, options).map(prepared => explained(prepared, options.phase));
  print(terminal, renderParts(timeExplanationReport(phases), format, viewOf(terminal, options)));
}

function explained({ run, registry }: PreparedRun, wanted: string | undefined): ExplainedPhase {
  const { time, backend, host } = run;
  if (time === undefined) throw noTimeModel();
  const model = registry.model(time.model);
  if (!isModelFile(model)) throw notAModelFile(time.model);
  let phases: readonly PhaseWork[] = [];
  const { name } = runResolved(run, registry, { vcpuCounters: false, onWork: work => (phases = work) });
  const all = Math.max(1, ...phases.map(({ vcpus }) => vcpus));
  const work = scaledWork(phases, (time.vcpus ?? all) / all);
  const machine = time.machine === undefined ? {} : { machine: time.machine };
  const found = model.explain({ backend: backend.name, host, ...machine, phases: work }, registry.solver(time.solver));
  const priced = work.flatMap(({ phase, vcpus }, i) => {
    const explanation = found[i];
    return explanation === undefined ? [] : [{ run: name, phase, vcpus, model: time.model, solver: time.solver, explanation }];
  });
  const longest = [...priced].sort((a, b) => b.explanation.prediction.timeS - a.explanation.prediction.timeS)[0];
  const chosen = wanted === undefined ? longest : priced.find(({ phase }) => phase === wanted);
  if (chosen === undefined)
    throw noSuchPhase(
      wanted ?? '',
      priced.map(({ phase }) => phase),
    );
  return chosen;
}
