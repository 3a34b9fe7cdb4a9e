/**
 * `mmulab predict`: predicts the cells of published tables.
 */
import { predictionReport, renderParts } from '@mmulab/report';
import { beliefOf, judge, sameHost } from '@mmulab/time';
import type { Command } from 'commander';
import type { CommandContext } from '../command-entry';
import { loadRegistry } from '../built-in';
import { formatOf } from '../format';
import { addOutputOptions, addPluginOption, viewOf } from '../options';
import { isFrom, parametersOf, Pricer, refusedCell, TableBeliefs } from '../priced-tables';
import { print } from '../print';
import { addFactorFrom, addTableOptions, checkFactorFrom, tableOptionsOf, type TableCommandOptions } from '../table-options';
import { runTables } from '../table-runs';

type Options = TableCommandOptions & { readonly factorFrom: string };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addFactorFrom(addTableOptions(command));
  addPluginOption(addOutputOptions(command)).action((files: string[], options: Options) => predict(files, options, context));
}

function predict(files: readonly string[], options: Options, { terminal }: CommandContext): void {
  const format = formatOf(options);
  checkFactorFrom(options.factorFrom);
  const registry = loadRegistry(options.plugin);
  const pricer = new Pricer({ registry, model: options.model, host: options.host, solver: options.solver });
  const prepared = runTables(files, terminal, tableOptionsOf(options, registry)).map(runnable => ({ runnable, priced: pricer.prepare(runnable) }));
  terminal.progress(undefined);
  const beliefs = new TableBeliefs(options.factorFrom === 'first', ({ model, host }) => beliefOf(model, host));
  const cells = prepared.map(({ runnable, priced }) =>
    typeof priced === 'string' ? refusedCell(runnable, priced) : beliefs.predict(priced, isFrom(priced.model, runnable.cell.table)),
  );
  const models = new Map(prepared.flatMap(({ priced }) => (typeof priced === 'string' ? [] : [[priced.model.name, priced.model]])));
  const parameters = [...models.values()].flatMap(model => parametersOf(model, beliefOf(model, sameHost(model.host))));
  print(terminal, renderParts(predictionReport({ cells, ...judge(cells), parameters }), format, viewOf(terminal, options)));
}
