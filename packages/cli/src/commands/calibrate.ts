/**
 * `mmulab calibrate`: fits cost models to tables of times.
 */
import { predictionReport, renderParts, type PredictionDocument } from '@mmulab/report';
import { writeOutputFile } from '@mmulab/runner';
import { calibrate as fit, calibratedText, judge, mechanismsOf, readSelection, withoutMechanism, type Fit, type Model } from '@mmulab/time';
import type { Command } from 'commander';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { outForOneModel } from '../errors';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, viewOf } from '../options';
import { ownPricing, parametersOf, predictedCell, Pricer, refusedCell, type PricedCell } from '../priced-tables';
import { print } from '../print';
import { addTableOptions, tableOptionsOf, type TableCommandOptions } from '../table-options';
import { runTables } from '../table-runs';

type Options = TableCommandOptions & { readonly fit?: string; readonly out?: string; readonly ablation?: boolean };
type Ablation = NonNullable<PredictionDocument['ablation']>[number];
/** What `--out` may have in it, where several models are fitted. */
const MODEL_PLACE = '{model}';

type Chosen = (cell: PricedCell) => boolean;

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addTableOptions(command)
    .option('--fit <rows>', 'fit these cells only, the others are held out: "vcpus in [2,16,96]"')
    .option('--out <file>', 'write the fitted model (YAML); {model} in it stands for the name, where there are several')
    .option('--ablation', 'fit again without each mechanism of the model');
  addPluginOption(addOutputOptions(command)).action((files: string[], options: Options) => calibrate(files, options, context));
}

async function calibrate(files: readonly string[], options: Options, { terminal }: CommandContext): Promise<void> {
  const format = formatOf(options);
  const isSelected = readSelection(options.fit);
  const chosen: Chosen = ({ runnable, request }) => isSelected(runnable.cell) && runnable.publishedS > 0 && request.work.phase !== '';
  const registry = loadRegistry(options.plugin);
  const pricer = new Pricer({ registry, model: options.model, host: options.host, solver: options.solver, isFitted: true });
  const prepared = runTables(files, terminal, tableOptionsOf(options, registry)).map(runnable => ({ runnable, priced: pricer.prepare(runnable) }));
  const priced = prepared.flatMap(one => (typeof one.priced === 'string' ? [] : [one.priced]));
  const models = [...new Set(priced.map(({ model }) => model))];
  if (options.out?.includes(MODEL_PLACE) === false && models.length !== 1) throw outForOneModel(models.map(({ name }) => name));
  const fits = new Map<Model, Fit>();
  for (const model of models) fits.set(model, await fitModel(model, priced, chosen));
  const cells = prepared.map(one => {
    if (typeof one.priced === 'string') return refusedCell(one.runnable, one.priced);
    const pricing = fits.get(one.priced.model) ?? ownPricing(one.priced.model);
    return predictedCell(one.priced, pricing, chosen(one.priced));
  });
  const ablation: Ablation[] = [];
  if (options.ablation === true) for (const model of models) ablation.push(...(await ablate(model, priced, chosen)));
  terminal.progress(undefined);
  const origin = `fitted ${[...new Set(priced.map(({ runnable }) => runnable.cell.table))].join(', ')}`;
  const parameters = models.flatMap(model => parametersOf(model, fits.get(model) ?? { values: new Map(), covariance: () => 0 }, origin));
  const document: PredictionDocument = { cells, ...judge(cells), parameters, ...(ablation.length === 0 ? {} : { ablation }) };
  for (const [model, { atBorder }] of fits)
    for (const name of atBorder) terminal.err(`note: ${model.name}: ${name} ended on a border of its range\n`);
  writeModel(options.out, fits, origin);
  print(terminal, renderParts(predictionReport(document), format, viewOf(terminal, options)));
}

function fitModel(model: Model, priced: readonly PricedCell[], chosen: Chosen): Promise<Fit> {
  const figures = priced.filter(cell => cell.model.name === model.name && chosen(cell));
  return fit(
    model,
    figures.map(({ request, runnable }) => ({ request, publishedS: runnable.publishedS })),
  );
}

/** Each mechanism left out in turn, the others fitted again. */
async function ablate(model: Model, priced: readonly PricedCell[], chosen: Chosen): Promise<readonly Ablation[]> {
  const rows: Ablation[] = [];
  for (const without of mechanismsOf(model)) {
    const reduced = withoutMechanism(model, without);
    const own = priced.filter(cell => cell.model === model).map(cell => ({ ...cell, model: reduced }));
    const pricing = await fitModel(reduced, own, chosen);
    const { gme } = judge(own.map(cell => predictedCell(cell, pricing, chosen(cell))));
    rows.push({ model: model.name, without, all: gme.all, heldOut: gme.heldOut });
  }
  return rows;
}

function writeModel(path: string | undefined, fits: ReadonlyMap<Model, Fit>, origin: string): void {
  if (path === undefined) return;
  for (const [model, fitted] of fits) writeOutputFile(path.replaceAll(MODEL_PLACE, model.name), [calibratedText(model, fitted, origin)]);
}
