/**
 * Fits models to the cells of tables: which cells are a model's, on which machine they were measured, and what is believed of a cell's machine afterwards.
 */
import type { PredictedCell } from '@mmulab/api';
import {
  FACTORS,
  archOf,
  calibrate,
  otherHost,
  sameHost,
  withHost,
  type Belief,
  type Factor,
  type Fit,
  type Host,
  type HostFactor,
  type Model,
} from '@mmulab/time';
import { machineOf, refusedCell, TableBeliefs, type PricedCell } from './priced-tables';
import type { RunnableCell } from './table-runs';

type Factors = Readonly<Partial<Record<Factor, number>>>;

/** What a fit is of. */
interface Origin {
  /** Machines whose factors are 1. */
  readonly references: ReadonlySet<string>;
  /** Factors of a machine that it has not met, by architecture. */
  readonly typical: ReadonlyMap<string, Factors>;
}

const origins = new WeakMap<Fit, Origin>();

/**
 * Fits models to the cells that they price, all at once. Costs are those of the machine of the models' own table; where that has no cell among them, of the first
 * one's.
 * @param whatever with fewer figures than parameters, too: what is not known is what the prior says
 * @throws CALIBRATE_TOO_FEW_FIGURES
 */
export async function fitModels(models: readonly Model[], cells: readonly PricedCell[], whatever = false): Promise<Fit> {
  const own = cells.filter(({ model }) => models.includes(model));
  const reference = new Set([...new Set(models.map(model => model.reference))].flatMap(table => referenceOf(own, table)));
  const figures = own.map(({ request, runnable, model }) => {
    const machine = machineOf(runnable);
    return { request: { ...request, model }, publishedS: runnable.publishedS, machine: reference.has(machine) ? undefined : machine };
  });
  const fit = await calibrate(models, figures, whatever);
  origins.set(fit, { references: reference, typical: typicalFactors(fit, own) });
  return fit;
}

/** The machine that the models of a table are of. */
function referenceOf(cells: readonly PricedCell[], table: string): readonly string[] {
  const own = cells.filter(({ model }) => model.reference === table);
  const of = own.find(({ runnable }) => runnable.cell.table === table) ?? own[0];
  return of === undefined ? [] : [machineOf(of.runnable)];
}

/** Geometric means of the factors of an architecture's machines, the reference among them, and once more for what is believed before any is seen: all 1. */
function typicalFactors(fit: Fit, cells: readonly PricedCell[]): Origin['typical'] {
  return new Map(
    [...new Set(cells.map(({ model }) => archOf(model)))].map(arch => {
      const names = new Set(cells.filter(({ model }) => archOf(model) === arch).map(({ runnable }) => machineOf(runnable)));
      const factors = [...names].flatMap(name => fit.machines.get(name) ?? []);
      const mean = (factor: Factor): number => {
        const logs = factors.flatMap(one => (one[factor] === undefined ? [] : [Math.log(one[factor].value)]));
        return Math.exp(logs.reduce((sum, log) => sum + log, 0) / (logs.length + 2));
      };
      return [arch, Object.fromEntries(FACTORS.map(factor => [factor, mean(factor)]))];
    }),
  );
}

/** What a fit says of machines that it has not met, by architecture. */
export function typicalMachines(fit: Fit): Origin['typical'] {
  return origins.get(fit)?.typical ?? new Map();
}

/** What is believed of costs on a cell's machine after a fit: on a machine it has met, what it found; on another one, the prior. */
export function fittedBelief(fit: Fit, cell: PricedCell): Belief {
  const machine = machineOf(cell.runnable);
  const { facts } = cell.host;
  const origin = origins.get(fit);
  if (origin?.references.has(machine) === true) return withHost(fit, sameHost(facts));
  const known = fit.machines.get(machine);
  return withHost(fit, known === undefined ? otherHost(facts, origin?.typical.get(archOf(cell.model))) : knownHost(otherHost(facts), known));
}

/** A machine of the same kind is not the same machine. */
const SAME_KIND_SIGMA = 0.1;

function knownHost(host: Host, known: Readonly<Partial<Record<Factor, HostFactor>>>): Host {
  const factors = { ...host.factors };
  for (const [factor, { value, sigma }] of Object.entries(known) as [Factor, HostFactor][])
    factors[factor] = { value, sigma: Math.hypot(sigma, SAME_KIND_SIGMA) };
  return { ...host, factors, commonSigma: 0 };
}

/** A cell, and what is to be priced for it or why nothing is. */
export interface Prepared {
  readonly runnable: RunnableCell;
  readonly priced: PricedCell | string;
}

/** A cell predicted by models that never saw its table, or its machine: with nothing known of the machine, and with the first cell of each table known. */
export interface HeldOutCell {
  readonly none: PredictedCell;
  readonly first: PredictedCell;
}

/** Fits by the tables they are of: a machine of one table is left out with it. */
export type HeldOutFits = Map<string, Fit>;

/**
 * Predicts each table, or each machine, by models fitted on the others alone; what no other says of a cost is what it is like, or its plausible range.
 * @param known fits of the same cells, which are added to
 */
export async function heldOut(
  prepared: readonly Prepared[],
  what: 'tables' | 'machines',
  chosen: (cell: PricedCell) => boolean,
  known: HeldOutFits = new Map(),
): Promise<readonly HeldOutCell[]> {
  const priced = prepared.flatMap(one => (typeof one.priced === 'string' ? [] : [one.priced]));
  const models = [...new Set(priced.map(({ model }) => model))];
  const groupOf = ({ runnable }: PricedCell): string => (what === 'tables' ? runnable.cell.table : machineOf(runnable));
  const predicted = new Map<RunnableCell, HeldOutCell>();
  for (const group of new Set(priced.map(groupOf))) {
    const others = priced.filter(cell => chosen(cell) && groupOf(cell) !== group);
    const tables = [...new Set(others.map(({ runnable }) => runnable.cell.table))].join();
    const fit = known.get(tables) ?? (await fitModels(models, others, true));
    known.set(tables, fit);
    const [none, first] = [false, true].map(isFirst => new TableBeliefs(isFirst, cell => fittedBelief(fit, cell)));
    for (const cell of priced.filter(one => groupOf(one) === group))
      if (none !== undefined && first !== undefined)
        predicted.set(cell.runnable, { none: none.predict(cell, false), first: first.predict(cell, false) });
  }
  return prepared.map(({ runnable, priced: reason }) => {
    const refused = refusedCell(runnable, typeof reason === 'string' ? reason : '');
    return predicted.get(runnable) ?? { none: refused, first: refused };
  });
}

/** One of the two predictions of each cell. */
export function heldOutFirst(cells: readonly HeldOutCell[], isFirst: boolean): readonly PredictedCell[] {
  return cells.map(({ none, first }) => (isFirst ? first : none));
}
