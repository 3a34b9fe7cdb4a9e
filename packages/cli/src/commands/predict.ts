/**
 * `mmulab predict`: predicts the cells of published tables.
 */
import type { PredictedCell } from '@mmulab/api';
import { predictionReport, renderParts } from '@mmulab/report';
import { judge } from '@mmulab/time';
import type { Command } from 'commander';
import type { CommandContext } from '../command-entry';
import { loadRegistry } from '../built-in';
import { badChoice } from '../errors';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, viewOf } from '../options';
import { isFittedOn, ownPricing, parametersOf, predictedCell, Pricer, refusedCell, type PricedCell } from '../priced-tables';
import { print } from '../print';
import { addTableOptions, tableOptionsOf, type TableCommandOptions } from '../table-options';
import { runTables } from '../table-runs';

type Options = TableCommandOptions & { readonly factorFrom: string };

const FACTORS = ['none', 'first'];

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addTableOptions(command).option('--factor-from <cell>', 'none, or first: one factor per table and model, taken from its first cell', 'none');
  addPluginOption(addOutputOptions(command)).action((files: string[], options: Options) => predict(files, options, context));
}

function predict(files: readonly string[], options: Options, { terminal }: CommandContext): void {
  const format = formatOf(options);
  if (!FACTORS.includes(options.factorFrom)) throw badChoice('--factor-from', options.factorFrom, FACTORS);
  const registry = loadRegistry(options.plugin);
  const pricer = new Pricer({ registry, model: options.model, host: options.host, solver: options.solver });
  const prepared = runTables(files, terminal, tableOptionsOf(options, registry)).map(runnable => ({ runnable, priced: pricer.prepare(runnable) }));
  terminal.progress(undefined);
  const firsts = new Map<string, number>();
  const cells = prepared.map(({ runnable, priced }) => {
    if (typeof priced === 'string') return refusedCell(runnable, priced);
    return options.factorFrom === 'first'
      ? withFactor(priced, firsts)
      : predictedCell(priced, ownPricing(priced.model), isFittedOn(priced.model, runnable.cell.table));
  });
  const models = new Map(prepared.flatMap(({ priced }) => (typeof priced === 'string' ? [] : [[priced.model.name, priced.model]])));
  const parameters = [...models.values()].flatMap(model => parametersOf(model, ownPricing(model)));
  print(terminal, renderParts(predictionReport({ cells, ...judge(cells), parameters }), format, viewOf(terminal, options)));
}

/** The first cell of a table gives the factor of its model. */
function withFactor(cell: PricedCell, firsts: Map<string, number>): PredictedCell {
  const key = JSON.stringify([cell.runnable.cell.table, cell.model.name]);
  const pricing = ownPricing(cell.model);
  const own = isFittedOn(cell.model, cell.runnable.cell.table);
  const known = firsts.get(key);
  if (known !== undefined) return predictedCell(cell, pricing, own, known);
  const { predicted, published } = predictedCell(cell, pricing, false);
  const factor = predicted === null || predicted <= 0 ? 1 : published / predicted;
  firsts.set(key, factor);
  return predictedCell(cell, pricing, true, factor);
}
