/**
 * `mmulab predict`: predicts the cells of published tables.
 */
import { predictionReport, predictionStory, renderParts, type PredictionDocument, type ReportStory } from '@mmulab/report';
import { beliefOf, judge, sameHost } from '@mmulab/time';
import type { Command } from 'commander';
import type { CommandContext } from '../command-entry';
import { loadRegistry } from '../built-in';
import { formatOf } from '../format';
import { typedAgain, writingPage } from '../html';
import { addHtmlOption, addOutputOptions, addPluginOption, viewOf, type HtmlOptions } from '../options';
import { isFrom, parametersOf, Pricer, refusedCell, TableBeliefs, type PricedCell } from '../priced-tables';
import { print } from '../print';
import { addFactorFrom, addTableOptions, checkFactorFrom, tableOptionsOf, type TableCommandOptions } from '../table-options';
import { runTables, type RunnableCell } from '../table-runs';

type Options = TableCommandOptions & HtmlOptions & { readonly factorFrom: string };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addFactorFrom(addTableOptions(command));
  addHtmlOption(addPluginOption(addOutputOptions(command))).action((files: string[], options: Options) => predict(files, options, context));
}

interface Predicted {
  readonly runnable: RunnableCell;
  readonly priced: PricedCell | string;
  readonly cell: PredictionDocument['cells'][number];
}

function predict(files: readonly string[], options: Options, context: CommandContext): void {
  const { terminal } = context;
  const format = formatOf(options);
  checkFactorFrom(options.factorFrom);
  const predicted = writingPage(
    options.html,
    options.quiet === true ? undefined : terminal,
    () => predictCells(files, options, context),
    cells => ({ title: 'Published and predicted times', stories: storiesOf(cells, typedAgain(context.argv)), catalog: NO_RUNS }),
  );
  print(terminal, renderParts(predictionReport(documentOf(predicted)), format, viewOf(terminal, options)));
}

/** A page of predictions has no runs to describe. */
const NO_RUNS = { backends: [], workloads: [] };

function predictCells(files: readonly string[], options: Options, { terminal }: CommandContext): readonly Predicted[] {
  const registry = loadRegistry(options.plugin);
  const pricer = new Pricer({ registry, model: options.model, host: options.host, solver: options.solver });
  const prepared = runTables(files, terminal, tableOptionsOf(options, registry)).map(runnable => ({ runnable, priced: pricer.prepare(runnable) }));
  terminal.progress(undefined);
  const models = [...new Set(prepared.flatMap(({ priced }) => (typeof priced === 'string' ? [] : [priced.model])))];
  const beliefs = new TableBeliefs(options.factorFrom === 'first', ({ host }) => beliefOf(models, host));
  return prepared.map(({ runnable, priced }) => ({
    runnable,
    priced,
    cell: typeof priced === 'string' ? refusedCell(runnable, priced) : beliefs.predict(priced, isFrom(priced.model, runnable.cell.table)),
  }));
}

/** Cells, what was found of them, and the parameters of their models. */
function documentOf(predicted: readonly Predicted[]): PredictionDocument {
  const cells = predicted.map(({ cell }) => cell);
  const models = new Map(predicted.flatMap(({ priced }) => (typeof priced === 'string' ? [] : [[priced.model.name, priced.model]])));
  const parameters = [...models.values()].flatMap(model => parametersOf(model, beliefOf([model], sameHost(model.host))));
  return { cells, ...judge(cells), parameters };
}

/** A story for each table. */
function storiesOf(predicted: readonly Predicted[], command: string): readonly ReportStory[] {
  return [...new Set(predicted.map(({ cell }) => cell.table))].map(table =>
    predictionStory(table, documentOf(predicted.filter(({ cell }) => cell.table === table)), command),
  );
}
