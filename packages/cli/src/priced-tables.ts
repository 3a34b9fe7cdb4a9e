/**
 * Prices the cells of tables: which model, which machine, which interval, and what is told of it all.
 */
import type { ContentionSolver, PredictedCell } from '@mmulab/api';
import type { FittedParameter } from '@mmulab/report';
import { readTextFile, type Registry } from '@mmulab/runner';
import {
  conditioned,
  isModelFile,
  isPinned,
  predict,
  readHost,
  sameHost,
  spreadOf,
  shippedHostFile,
  unknownHost,
  type Belief,
  type Fit,
  type Host,
  type Model,
  type Parameter,
  type PriceRequest,
} from '@mmulab/time';
import { basename } from 'node:path';
import { notAModelFile } from './errors';
import type { RunnableCell } from './table-runs';

/** How cells are priced. */
export interface PricingOptions {
  readonly registry: Registry;
  /** A model to use instead of those of the mapping: a name or a path. */
  readonly model: string | undefined;
  /** Path of a host file. */
  readonly host: string | undefined;
  readonly solver: string;
  /** The machine is the one that is fitted: nothing of it is uncertain but the parameters. */
  readonly isFitted?: boolean;
}

/** A cell whose model and machine are known. */
export interface PricedCell {
  readonly runnable: RunnableCell;
  readonly model: Model;
  readonly request: Omit<PriceRequest, 'model' | 'values'>;
  /** The machine, and what is believed of it before anything is measured there. */
  readonly host: Host;
}

/** Finds models and machines. Cells that cannot be priced stay as they are, with the reason. */
export class Pricer {
  private readonly byName = new Map<string, Model>();
  private readonly solver: ContentionSolver;

  constructor(private readonly options: PricingOptions) {
    this.solver = options.registry.solver(options.solver);
  }

  /** The cell with its model; undefined when it is refused, or when the model has no rule for its phase. */
  prepare(runnable: RunnableCell): PricedCell | string {
    const { meaning, work, refused } = runnable;
    if (meaning === undefined || work === undefined) return refused ?? 'nothing was counted';
    const { backend } = meaning;
    const name = this.options.model ?? meaning.model;
    const model = this.model(name, backend);
    if (!model.backends.includes(backend)) return `model ${model.name} prices ${model.backends.join(', ')}, not ${backend}`;
    if (!model.rules.some(rule => rule.phases.test(work.phase)))
      return `model ${model.name} has no rule for the phase ${work.phase}: what it costs is not known`;
    const host = this.hostOf(model, runnable);
    const facts = { host: host.facts, solver: this.solver };
    const spread = spreadOf({ ...facts, model, values: new Map() }, runnable.seeds);
    return { runnable, model, host, request: { work: { ...work, spread }, ...facts } };
  }

  private model(name: string, backend: string): Model {
    const key = `${name} ${backend}`;
    const known = this.byName.get(key);
    if (known !== undefined) return known;
    const file = this.options.registry.model(name);
    if (!isModelFile(file)) throw notAModelFile(name);
    const model = file.model(this.options.registry.backend(backend).events.map(event => event.name));
    this.byName.set(key, model);
    return model;
  }

  private hostOf(model: Model, runnable: RunnableCell): Host {
    const { host } = this.options;
    if (host !== undefined) return readHost(readTextFile(host, 'a host file'), basename(host), model.host);
    const shipped = runnable.meaning?.host === undefined ? undefined : shippedHostFile(runnable.meaning.host);
    const known = shipped === undefined ? undefined : readHost(readTextFile(shipped, 'a host file'), basename(shipped), model.host, model.name);
    if (this.options.isFitted === true || isFittedOn(model, runnable.cell.table)) return sameHost(known?.facts ?? model.host);
    return known ?? unknownHost(model.host, model);
  }
}

/** Whether parameters of the model were fitted on a table, on its own machine. */
function isFittedOn(model: Model, table: string): boolean {
  return model.reference === table;
}

/** Whether figures of the table had a say in the model. */
export function isFrom(model: Model, table: string): boolean {
  return model.parameters.some(({ origin }) => origin.startsWith('fitted ') && origin.includes(table));
}

/** The machine of a cell: that of its hardware where one comes with mmulab, else whatever its table was measured on. */
export function machineOf({ meaning, cell }: RunnableCell): string {
  return meaning?.host ?? cell.table;
}

/** The prediction of a cell. */
export function predictedCell({ model, request, runnable }: PricedCell, belief: Belief, fitted: boolean): PredictedCell {
  const found = predict({ ...request, model }, belief);
  if (found === undefined) return refusedCell(runnable, 'the model has no rule for the phase');
  const { timeS, lowS, highS, basis, bottleneck } = found;
  return { ...headOf(runnable), predicted: timeS, lo: lowS, hi: highS, fitted, basis, bottleneck, refused: null };
}

/** A cell that no prediction is made for. */
export function refusedCell(runnable: RunnableCell, refused: string): PredictedCell {
  return { ...headOf(runnable), predicted: null, lo: null, hi: null, fitted: false, basis: null, bottleneck: null, refused };
}

function headOf({ cell, publishedS }: RunnableCell): Pick<PredictedCell, 'table' | 'name' | 'row' | 'column' | 'published'> {
  const name = [cell.name, cell.metric].filter(text => text !== '').join(', ');
  return { table: cell.table, name, row: Object.values(cell.row).join(' '), column: cell.column, published: publishedS };
}

/**
 * What is believed of costs on each file's machine: the first cell that is priced of each of its tables says something of it, where that is asked for; all that follow, whatever
 * their model, know it.
 */
export class TableBeliefs {
  private readonly machines = new Map<string, Belief>();
  private readonly begun = new Set<string>();

  /**
   * @param fromFirst whether the first cell of a table is taken for a measurement of its machine
   * @param beliefIn what is believed of all models' costs on the machine of a cell, before
   */
  constructor(
    private readonly fromFirst: boolean,
    private readonly beliefIn: (cell: PricedCell) => Belief,
  ) {}

  /** The prediction of a cell; the first of a table counts as fitted. */
  predict(cell: PricedCell, isKnown: boolean): PredictedCell {
    if (!this.fromFirst) return predictedCell(cell, this.beliefIn(cell), isKnown);
    const { table, part } = cell.runnable.cell;
    const belief = this.machines.get(table) ?? this.beliefIn(cell);
    const isFirst = !this.begun.has(`${table} ${String(part)}`);
    this.begun.add(`${table} ${String(part)}`);
    const after = isFirst ? learn(belief, cell) : belief;
    this.machines.set(table, after);
    return predictedCell(cell, after, isFirst || isKnown);
  }
}

function learn(belief: Belief, { request, model, runnable: { publishedS } }: PricedCell): Belief {
  return publishedS > 0 ? conditioned(belief, [{ request: { ...request, model }, publishedS }]) : belief;
}

/** Parameters as a report shows them. */
export function parametersOf(model: Model, belief: Belief): readonly FittedParameter[] {
  return model.parameters.map(parameter => shownParameter(model, parameter, belief, parameter.origin));
}

/** Parameters after a fit: what was not fitted was given. */
export function fittedParameters(model: Model, fit: Fit, origin: string): readonly FittedParameter[] {
  return model.parameters.map(parameter => {
    const isFitted = fit.told.has(parameter.key) && isPinned(parameter, fit.sigmas.get(parameter.key));
    const given = parameter.origin.startsWith('fitted ') ? `prior ${model.name}` : parameter.origin;
    return shownParameter(model, parameter, fit, isFitted ? origin : given);
  });
}

function shownParameter(model: Model, { name, key, value, dimension }: Parameter, belief: Belief, origin: string): FittedParameter {
  const factor = Math.exp(Math.sqrt(belief.covariance(key, key)));
  return { name, model: model.name, value: belief.values.get(key) ?? value, factor, unit: dimension === 1 ? 's' : '1', origin };
}
