/**
 * `mmulab calibrate`: fits cost models to tables of times.
 */
import { predictionReport, renderParts, type PredictionDocument } from '@mmulab/report';
import { readTextFile, writeOutputFile } from '@mmulab/runner';
import { calibratedText, judge, machineText, mechanismsOf, readSelection, withoutMechanism, type Fit, type Model } from '@mmulab/time';
import type { Command } from 'commander';
import { existsSync } from 'node:fs';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { badChoice, outForOneModel } from '../errors';
import { fitModels, fittedBelief, heldOut, heldOutFirst, typicalMachines, type Prepared } from '../fitting';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, viewOf } from '../options';
import { fittedParameters, predictedCell, Pricer, refusedCell, type PricedCell } from '../priced-tables';
import { print } from '../print';
import { addFactorFrom, addTableOptions, checkFactorFrom, tableOptionsOf, type TableCommandOptions } from '../table-options';
import { runTables } from '../table-runs';

type Options = TableCommandOptions & {
  readonly fit?: string;
  readonly holdOut?: string;
  readonly factorFrom: string;
  readonly out?: string;
  readonly outHosts?: string;
  readonly ablation?: boolean;
};
type Ablation = NonNullable<PredictionDocument['ablation']>[number];

/** What `--out` may have in it, where several models are fitted. */
const MODEL_PLACE = '{model}';
const MACHINE_PLACE = '{machine}';

type Chosen = (cell: PricedCell) => boolean;

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addFactorFrom(
    addTableOptions(command)
      .option('--fit <rows>', 'fit these cells only, the others are held out: "vcpus in [2,16,96]"')
      .option('--hold-out <what>', 'tables, or machines: each is predicted by models fitted on the others')
      .option('--out <file>', 'write the fitted model (YAML); {model} in it stands for the name, where there are several')
      .option('--out-hosts <file>', 'write what was found of machines that have a name (YAML); {machine} in it stands for the name')
      .option('--ablation', 'fit again without each mechanism of the model'),
  );
  addPluginOption(addOutputOptions(command)).action((files: string[], options: Options) => calibrate(files, options, context));
}

async function calibrate(files: readonly string[], options: Options, { terminal }: CommandContext): Promise<void> {
  const format = formatOf(options);
  checkFactorFrom(options.factorFrom);
  const held = options.holdOut;
  if (held !== undefined && held !== 'tables' && held !== 'machines') throw badChoice('--hold-out', held, ['tables', 'machines']);
  const isSelected = readSelection(options.fit);
  const chosen: Chosen = ({ runnable }) => isSelected(runnable.cell) && runnable.publishedS > 0;
  const registry = loadRegistry(options.plugin);
  const pricer = new Pricer({ registry, model: options.model, host: options.host, solver: options.solver, isFitted: true });
  const prepared = runTables(files, terminal, tableOptionsOf(options, registry)).map(runnable => ({ runnable, priced: pricer.prepare(runnable) }));
  const priced = prepared.flatMap(one => (typeof one.priced === 'string' ? [] : [one.priced]));
  const models = [...new Set(priced.map(({ model }) => model))];
  if (options.out?.includes(MODEL_PLACE) === false && models.length !== 1) throw outForOneModel(models.map(({ name }) => name));
  const isFirst = options.factorFrom === 'first';
  if (held !== undefined) {
    const cells = heldOutFirst(await heldOut(prepared, held, chosen), isFirst);
    terminal.progress(undefined);
    print(terminal, renderParts(predictionReport({ cells, ...judge(cells), parameters: [] }), format, viewOf(terminal, options)));
    return;
  }
  const fit = await fitModels(models, priced.filter(chosen));
  const cells = prepared.map(({ runnable, priced: cell }) =>
    typeof cell === 'string' ? refusedCell(runnable, cell) : predictedCell(cell, fittedBelief(fit, cell), chosen(cell)),
  );
  const ablation: Ablation[] = [];
  if (options.ablation === true) for (const model of models) ablation.push(...(await ablate(model, models, priced, chosen)));
  terminal.progress(undefined);
  const parameters = models.flatMap(model => fittedParameters(model, fit, originOf(model, priced.filter(chosen))));
  const document: PredictionDocument = { cells, ...judge(cells), parameters, ...(ablation.length === 0 ? {} : { ablation }) };
  for (const key of fit.atBorder) terminal.err(`note: ${key} ended on a border of its range\n`);
  if (options.out !== undefined)
    for (const model of models)
      writeOutputFile(options.out.replaceAll(MODEL_PLACE, model.name), [calibratedText(model, fit, originOf(model, priced.filter(chosen)))]);
  if (options.outHosts !== undefined) writeMachines(options.outHosts, fit, prepared);
  print(terminal, renderParts(predictionReport(document), format, viewOf(terminal, options)));
}

/** Machines by name, each with the factors that the fit found; what is typical of an architecture is `any-ARCH`. */
function writeMachines(path: string, fit: Fit, prepared: readonly Prepared[]): void {
  const write = (machine: string, factors: Parameters<typeof machineText>[2]): void => {
    const file = path.replaceAll(MACHINE_PLACE, machine);
    const before = existsSync(file) ? readTextFile(file, 'a host file') : '';
    const text = machineText(before, machine, factors);
    if (text !== before) writeOutputFile(file, [text]);
  };
  for (const machine of new Set(prepared.flatMap(({ runnable: { meaning } }) => (meaning?.host === undefined ? [] : [meaning.host])))) {
    const factors = fit.machines.get(machine);
    if (factors !== undefined) write(machine, factors);
  }
  for (const [arch, factors] of typicalMachines(fit))
    write(`any-${arch}`, Object.fromEntries(Object.entries(factors).map(([name, value]) => [name, { value }])));
}

/** Which tables a model was fitted on. */
function originOf(model: Model, priced: readonly PricedCell[]): string {
  return `fitted ${[...new Set(priced.filter(cell => cell.model === model).map(({ runnable }) => runnable.cell.table))].join(', ')}`;
}

/** Each mechanism of a model left out in turn, all fitted again; scored on the model's cells. */
async function ablate(model: Model, models: readonly Model[], priced: readonly PricedCell[], chosen: Chosen): Promise<readonly Ablation[]> {
  const rows: Ablation[] = [];
  for (const without of mechanismsOf(model)) {
    const reduced = withoutMechanism(model, without);
    const cells = priced.map(cell => (cell.model === model ? { ...cell, model: reduced } : cell));
    const fit = await fitModels(
      models.map(one => (one === model ? reduced : one)),
      cells.filter(chosen),
    );
    const own = cells.filter(cell => cell.model === reduced);
    const { gme } = judge(own.map(cell => predictedCell(cell, fittedBelief(fit, cell), chosen(cell))));
    rows.push({ model: model.name, without, all: gme.all, heldOut: gme.heldOut });
  }
  return rows;
}
