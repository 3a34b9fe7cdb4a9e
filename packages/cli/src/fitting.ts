/**
 * Fits models to the cells of tables: which cells are a model's, on which machine they were measured, and what is believed of a cell's machine afterwards.
 */
import { calibrate, otherHost, sameHost, withHost, type Belief, type Factor, type Fit, type Host, type HostFactor, type Model } from '@mmulab/time';
import { machineOf, type PricedCell } from './priced-tables';

/** Fits that know which machine they are of. */
const references = new WeakMap<Fit, string | undefined>();

/**
 * Fits a model to the cells that it prices. Costs are those of the machine of the model's own table; where that has no cell among them, of the first one's.
 * @param whatever with fewer figures than parameters, too: what is not known is what the prior says
 * @throws CALIBRATE_TOO_FEW_FIGURES
 */
export async function fitModel(model: Model, cells: readonly PricedCell[], whatever = false): Promise<Fit> {
  const own = cells.filter(cell => cell.model.name === model.name);
  const of = own.find(({ runnable }) => runnable.cell.table === model.reference) ?? own[0];
  const reference = of === undefined ? undefined : machineOf(of.runnable);
  const figures = own.map(({ request, runnable }) => {
    const machine = machineOf(runnable);
    return { request, publishedS: runnable.publishedS, machine: machine === reference ? undefined : machine };
  });
  const fit = await calibrate(model, figures, whatever);
  references.set(fit, reference);
  return fit;
}

/** What is believed of a cell's costs after a fit: on a machine it has met, what it found; on another one, the prior. */
export function fittedBelief(fit: Fit | undefined, cell: PricedCell): Belief {
  if (fit === undefined) throw new Error(`no fit of ${cell.model.name}`);
  const machine = machineOf(cell.runnable);
  const { facts } = cell.host;
  if (references.get(fit) === machine) return withHost(fit, sameHost(facts));
  const known = fit.machines.get(machine);
  return withHost(fit, known === undefined ? otherHost(facts) : knownHost(otherHost(facts), known));
}

/** A machine of the same kind is not the same machine. */
const SAME_KIND_SIGMA = 0.1;

function knownHost(host: Host, known: Readonly<Partial<Record<Factor, HostFactor>>>): Host {
  const factors = { ...host.factors };
  for (const [factor, { value, sigma }] of Object.entries(known) as [Factor, HostFactor][])
    factors[factor] = { value, sigma: Math.hypot(sigma, SAME_KIND_SIGMA) };
  return { ...host, factors, commonSigma: 0 };
}
