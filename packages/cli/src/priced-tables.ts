/**
 * Prices the cells of tables: which model, which machine, which interval, and what is told of it all.
 */
import type { PredictedCell } from '@mmulab/api';
import type { FittedParameter } from '@mmulab/report';
import { readTextFile, type Registry } from '@mmulab/runner';
import {
  isPinned,
  ModelFile,
  findSolver,
  independent,
  otherHost,
  predict,
  readHost,
  sameHost,
  valuesOf,
  type Covariance,
  type Host,
  type Model,
  type Prediction,
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
}

/** A model and its values: as they come, or as they were fitted. */
export interface Pricing {
  readonly values: ReadonlyMap<string, number>;
  readonly covariance: Covariance;
}

/** Error of the logarithm of times on another host after one factor was taken from one cell. */
const ONE_FACTOR_SIGMA = 0.24;
const Z90 = 1.645;

/** Finds models and machines. Cells that cannot be priced stay as they are, with the reason. */
export class Pricer {
  private readonly byName = new Map<string, Model>();

  constructor(private readonly options: PricingOptions) {
    findSolver(options.solver);
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
      return `model ${model.name} has no rule for the phase ${work.phase}: what it costs is not counted`;
    return { runnable, model, request: { work, host: this.hostOf(model, runnable), solver: findSolver(this.options.solver) } };
  }

  private model(name: string, backend: string): Model {
    const key = `${name} ${backend}`;
    const known = this.byName.get(key);
    if (known !== undefined) return known;
    const file = this.options.registry.model(name);
    if (!(file instanceof ModelFile)) throw notAModelFile(name);
    const model = file.model(this.options.registry.backend(backend).events.map(event => event.name));
    this.byName.set(key, model);
    return model;
  }

  private hostOf(model: Model, { cell }: RunnableCell): Host {
    const { host } = this.options;
    if (host !== undefined) return readHost(readTextFile(host, 'a host file'), basename(host), model.host);
    return this.options.isFitted === true || isFittedOn(model, cell.table) ? sameHost(model.host) : otherHost(model.host);
  }
}

/** Whether parameters of the model were fitted on a table. */
export function isFittedOn(model: Model, table: string): boolean {
  return model.parameters.some(({ origin }) => origin.startsWith('fitted ') && origin.includes(table));
}

/** The prediction of a cell. @param factor that multiplies its time, taken from a cell of the same table */
export function predictedCell(cell: PricedCell, pricing: Pricing, fitted: boolean, factor?: number): PredictedCell {
  const { model, request, runnable } = cell;
  const host = factor === undefined ? request.host : sameHost(request.host.facts);
  const found = predict({ ...request, host, model, values: pricing.values }, pricing.covariance);
  if (found === undefined) return refusedCell(runnable, 'the model has no rule for the phase');
  const { timeS, lowS, highS } = factor === undefined ? found : scaled(found, factor);
  return { ...headOf(runnable), predicted: timeS, lo: lowS, hi: highS, fitted, basis: found.basis, bottleneck: found.bottleneck, refused: null };
}

function scaled({ timeS, sigma }: Prediction, factor: number): Pick<Prediction, 'timeS' | 'lowS' | 'highS'> {
  const width = Math.exp(Z90 * Math.hypot(sigma, ONE_FACTOR_SIGMA));
  return { timeS: timeS * factor, lowS: (timeS * factor) / width, highS: timeS * factor * width };
}

/** A cell that no prediction is made for. */
export function refusedCell(runnable: RunnableCell, refused: string): PredictedCell {
  return { ...headOf(runnable), predicted: null, lo: null, hi: null, fitted: false, basis: null, bottleneck: null, refused };
}

function headOf({ cell, publishedS }: RunnableCell): Pick<PredictedCell, 'table' | 'name' | 'row' | 'column' | 'published'> {
  const name = [cell.name, cell.metric].filter(text => text !== '').join(', ');
  return { table: cell.table, name, row: Object.values(cell.row).join(' '), column: cell.column, published: publishedS };
}

/** A model's own values. */
export function ownPricing(model: Model): Pricing {
  return { values: valuesOf(model), covariance: independent };
}

/** Parameters as a report shows them. */
export function parametersOf(model: Model, pricing: Pricing, origin?: string): readonly FittedParameter[] {
  return model.parameters.map(parameter => ({
    name: parameter.name,
    model: model.name,
    value: pricing.values.get(parameter.name) ?? parameter.value,
    factor: Math.exp(Math.sqrt(pricing.covariance(parameter, parameter))),
    unit: parameter.dimension === 1 ? 's' : '1',
    origin: origin !== undefined && isPinned(parameter, Math.sqrt(pricing.covariance(parameter, parameter))) ? origin : parameter.origin,
  }));
}
