/**
 * A model file as the runner sees it: read when first needed, checked against the backend's counters, asked for the times of a run.
 */
import type { OptionValues, PhaseTime, RunWork, TimeModel } from '@mmulab/api';
import { parse } from 'yaml';
import { otherHost, readFacts, sameHost, type Host, type HostFacts } from './host';
import { readModel, type Model } from './model';
import { predict, valuesOf, type Prediction } from './prediction';
import { isMap } from './shape';
import { readText } from './shipped';
import { findSolver } from './solvers/solvers';

/** Whoever says nothing of the machine gets the one that the model was fitted on: one core is the runner's own default. */
const UNSAID = 1;

/** A cost model in a file. */
export class ModelFile implements TimeModel {
  private raw: Readonly<Record<string, unknown>> | undefined = undefined;
  private readonly checked = new Map<string, Model>();

  constructor(
    readonly name: string,
    private readonly path: string,
  ) {}

  get doc(): string {
    const { doc } = this.source();
    return typeof doc === 'string' ? doc : '';
  }

  get backends(): readonly string[] {
    const { backends } = this.source();
    return Array.isArray(backends) ? backends.map(String) : [];
  }

  check(counters: readonly string[], solver: string): void {
    findSolver(solver);
    this.model(counters);
  }

  price({ host, phases }: RunWork, solver: string): readonly (PhaseTime | undefined)[] {
    const [first] = phases;
    if (first === undefined) return [];
    const model = this.model(Object.keys(first.vcpu));
    const machine = hostOf(machineOf(host, model.host), model.host);
    return phases.map(work => {
      const found = predict({ model, work, host: machine, solver: findSolver(solver), values: valuesOf(model) });
      return found === undefined ? undefined : phaseTime(found, this.name, solver);
    });
  }

  /** The model, checked against these counters. */
  model(counters: readonly string[]): Model {
    const key = counters.join();
    const model = this.checked.get(key) ?? readModel(readText(this.path), this.path, counters);
    this.checked.set(key, model);
    return model;
  }

  private source(): Readonly<Record<string, unknown>> {
    if (this.raw === undefined) {
      const parsed: unknown = parse(readText(this.path));
      this.raw = isMap(parsed) ? parsed : {};
    }
    return this.raw;
  }
}

/** Size of the machine a run names, or the model's where it names none. */
export function machineOf(host: OptionValues, fallback: HostFacts): HostFacts {
  const { cores, threads } = host;
  const isNamed = (typeof cores === 'number' && cores > UNSAID) || (typeof threads === 'number' && threads > UNSAID);
  return isNamed ? readFacts(host, 'host', fallback) : fallback;
}

/** A machine of another size is another machine: what its costs are is known to the prior only. */
function hostOf(facts: HostFacts, fitted: HostFacts): Host {
  const isSame = facts.sockets === fitted.sockets && facts.cores === fitted.cores && facts.threads === fitted.threads;
  return isSame ? sameHost(facts) : otherHost(facts);
}

function phaseTime({ timeS, lowS, highS, basis, bottleneck, terms }: Prediction, model: string, solver: string): PhaseTime {
  const share = Object.fromEntries(Object.entries(terms).map(([name, seconds]) => [name, timeS === 0 ? 0 : seconds / timeS]));
  return { predictedNs: timeS * 1e9, intervalNs: [lowS * 1e9, highS * 1e9], basis, model, solver, bottleneck, share };
}
