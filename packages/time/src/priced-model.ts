/**
 * A model file as the runner sees it: read when first needed, checked against the backend's counters, asked for the times of a run.
 */
import { suggestName, type OptionValues, type PhaseTime, type RunWork, type CostModel, type ContentionSolver } from '@mmulab/api';
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { besideRuns } from './beside/beside-runs';
import { beliefOf } from './belief';
import { carriedWork, type CarriedWork } from './carried';
import { unknownMachine } from './errors';
import { otherHost, readFacts, readHost, sameHost, type Host, type HostFacts } from './host';
import { readModel, type Model } from './model';
import { explainTime, type Explanation } from './explanation';
import { predict, type Belief, type PricedWork, type Prediction, type PriceRequest } from './prediction';
import { meanWork, spreadOf } from './seeds';
import { isMap, parseYaml } from './shape';
import { readText, shippedHostFile, shippedHostNames } from './shipped';

/** Whoever says nothing of the machine gets the one that the model was fitted on: one core is the runner's own default. */
const UNSAID = 1;

interface Requests {
  readonly requests: readonly Omit<PriceRequest, 'values'>[];
  readonly belief: Belief;
}

/** A model file of any copy of this package: where a command runs in a thread, its own copy and that of the plugin are two. */
const BRAND = Symbol.for('mmulab.ModelFile');

/** Whether a cost model is a file. */
export function isModelFile(model: CostModel): model is ModelFile {
  return BRAND in model;
}

/** A cost model in a file. */
export class ModelFile implements CostModel {
  readonly [BRAND] = true;
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

  check(counters: readonly string[], machine?: string): void {
    const { host, name } = this.model(counters);
    if (machine !== undefined) namedMachine(machine, host, name);
  }

  price(run: RunWork, solver: ContentionSolver): readonly (PhaseTime | undefined)[] {
    if (run.phases.length === 0) return [];
    const { requests, belief } = this.requests(run, solver);
    const beside = /^des/.test(solver.name) ? besideRuns(requests, belief.values) : [];
    return requests.map((request, i) => {
      const found = predict(request, belief);
      return found === undefined ? undefined : { ...phaseTime(found, this.name, solver.name), ...beside[i] };
    });
  }

  /** The times of a run taken apart; undefined where the model says nothing of the phase. */
  explain(run: RunWork, solver: ContentionSolver): readonly (Explanation | undefined)[] {
    if (run.phases.length === 0) return [];
    const { requests, belief } = this.requests(run, solver);
    return requests.map(request => explainTime(request, belief));
  }

  private requests({ host, machine: name, phases, seeds }: RunWork, solver: ContentionSolver): Requests {
    const model = this.model(Object.keys(phases[0]?.vcpu ?? {}));
    const machine = name === undefined ? hostOf(machineOf(host, model.host), model) : namedMachine(name, model.host, model.name);
    const facts = { model, host: machine.facts, solver };
    const bySeed = (seeds ?? [phases]).map(carriedWork);
    const requests = phases.map((_, phase) => ({
      ...facts,
      work: workOver(
        bySeed.flatMap(works => works[phase] ?? []),
        facts,
      ),
    }));
    return { requests, belief: beliefOf([model], machine) };
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
      const parsed: unknown = parseYaml(readText(this.path), this.path);
      this.raw = isMap(parsed) ? parsed : {};
    }
    return this.raw;
  }
}

/** A phase over its seeds: the mean, and how far the times lie apart. */
function workOver(works: readonly CarriedWork[], facts: Omit<PriceRequest, 'work' | 'values'>): PricedWork {
  const [first, ...others] = works as [CarriedWork, ...CarriedWork[]];
  if (others.length === 0) return first;
  return { ...meanWork([first, ...others]), spread: spreadOf({ ...facts, values: new Map() }, works) };
}

/** Size of the machine a run names, or the model's where it names none. */
export function machineOf(host: OptionValues, fallback: HostFacts): HostFacts {
  const { cores, threads } = host;
  const isNamed = (typeof cores === 'number' && cores > UNSAID) || (typeof threads === 'number' && threads > UNSAID);
  return isNamed ? readFacts(host, 'host', fallback) : fallback;
}

/** A machine of another size is another machine: what its costs are is known to the prior only. */
function hostOf(facts: HostFacts, model: Model): Host {
  const fitted = model.host;
  const isSame = facts.sockets === fitted.sockets && facts.cores === fitted.cores && facts.threads === fitted.threads;
  return isSame ? sameHost(facts) : unknownHost(facts, model);
}

/** A machine nothing is known of but its size: what machines of the model's architecture are like, `hosts/any-ARCH.yaml`. */
export function unknownHost(facts: HostFacts, model: Model): Host {
  const any = `any-${archOf(model)}`;
  const path = shippedHostFile(any);
  return path === undefined ? otherHost(facts) : { ...readHost(readText(path), any, facts), facts };
}

/** Architecture of a model's backends: the first part of their names. */
export function archOf({ backends }: Model): string {
  return backends[0]?.split('-')[0] ?? '';
}

/** A machine that comes with the package, or one in a file. @throws CONFIG_UNKNOWN_MACHINE and what is wrong with the file */
export function namedMachine(name: string, defaults: HostFacts, model: string): Host {
  const path = shippedHostFile(name) ?? (/\.ya?ml$/.test(name) && existsSync(name) ? name : undefined);
  if (path === undefined) throw unknownMachine(name, suggestName(name, shippedHostNames()));
  return readHost(readText(path), basename(path), defaults, model);
}

function phaseTime({ timeS, lowS, highS, basis, bottleneck, terms }: Prediction, model: string, solver: string): PhaseTime {
  const share = Object.fromEntries(Object.entries(terms).map(([name, seconds]) => [name, timeS === 0 ? 0 : seconds / timeS]));
  return { predictedNs: timeS * 1e9, intervalNs: [lowS * 1e9, highS * 1e9], basis, model, solver, bottleneck, share };
}
