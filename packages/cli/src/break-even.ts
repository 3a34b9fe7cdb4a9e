/**
 * What policies of splitting huge pages cost on a machine: a config whose matrix is policies and shares of writes is run once per policy and share, with one vCPU that
 * stands for all, and priced for any number of them. From that: times of the first pass with their intervals, what enabling costs, and where splitting beforehand is
 * cheaper than splitting on faults.
 *
 * Cheaper by what: `threads` adds up the seconds of all vCPUs in the first pass and those of the host's thread that enables logging; `elapsed` is how long both take,
 * one after the other.
 */
import type { PhaseTime, PhaseWork } from '@mmulab/api';
import { resolveRuns, runResolved, scaledWork, type RawConfig, type Registry, type ResolvedRun } from '@mmulab/runner';
import { noTimeModel, notPolicies } from './errors';

/** A time in seconds with its interval. */
export interface Seconds {
  readonly s: number;
  readonly lowS: number;
  readonly highS: number;
}

/** What one policy costs with one share of writes and one number of vCPUs. */
export interface PolicyCost {
  /** `zap`, `split` or `eager`. */
  readonly policy: Policy;
  readonly writesPercent: number;
  readonly vcpus: number;
  readonly enable: Seconds;
  readonly firstPass: Seconds;
  /** Tables that enabling builds. */
  readonly tables: number;
  readonly faultsPerVcpu: number;
}

/** How huge pages are dealt with while writes are logged. */
export const POLICIES = ['zap', 'split', 'eager'] as const;
export type Policy = (typeof POLICIES)[number];

/** Shares of writes of a map, in percent: each is every n-th page. */
export const SHARES: readonly number[] = [1, 2, 5, 10, 20, 50, 100];
/** Enough of them to say where splitting beforehand begins to pay. */
export const FEW_SHARES: readonly number[] = [5, 10, 20, 100];
/** vCPUs of a map, up to those of the config. */
const SIZES: readonly number[] = [2, 4, 8, 16, 32, 64, 128, 256];

const ENABLE = 'enable_log';
const FIRST_PASS = 'dirty_1';

interface Counted {
  readonly run: ResolvedRun;
  readonly policy: Policy;
  readonly writesPercent: number;
  readonly phases: readonly PhaseWork[];
}

/** The policies of a config, run with every share of writes, priced for every number of vCPUs. */
export class PolicyCosts {
  private readonly counted: readonly Counted[];
  /** vCPUs that the config is about. */
  readonly vcpus: number;

  /** @throws what is wrong with the config; CLI_NO_POLICIES where its runs are not the three policies; CLI_NO_TIME_MODEL */
  constructor(
    config: RawConfig,
    private readonly registry: Registry,
    shares: readonly number[],
  ) {
    const runs = policiesOf(resolveRuns(config, registry));
    this.vcpus = runs[0]?.run.time?.vcpus ?? 1;
    this.counted = runs.flatMap(({ run, policy }) => shares.map(writesPercent => this.count(run, policy, writesPercent)));
  }

  private count(run: ResolvedRun, policy: Policy, writesPercent: number): Counted {
    const options = { ...run.workload.options, write_fraction: 100 / writesPercent };
    const changed = { ...run, workload: { ...run.workload, options } };
    let phases: readonly PhaseWork[] = [];
    runResolved(changed, this.registry, { vcpuCounters: false, onWork: work => (phases = work) });
    return { run: changed, policy, writesPercent, phases };
  }

  /** Costs for a number of vCPUs, by policy and share. */
  at(vcpus: number): readonly PolicyCost[] {
    return this.counted.map(one => this.price(one, vcpus));
  }

  /** Costs for every size of a map, the config's own last. */
  map(): readonly PolicyCost[] {
    return [...SIZES.filter(size => size < this.vcpus), this.vcpus].flatMap(size => this.at(size));
  }

  private price({ run, policy, writesPercent, phases }: Counted, vcpus: number): PolicyCost {
    const { time, backend, host } = run;
    if (time === undefined) throw noTimeModel();
    const machine = time.machine === undefined ? {} : { machine: time.machine };
    const work = scaledWork(phases, vcpus);
    const times = this.registry.model(time.model).price({ backend: backend.name, host, ...machine, phases: work }, this.registry.solver(time.solver));
    const at = (name: string): number => work.findIndex(({ phase }) => phase === name);
    return {
      policy,
      writesPercent,
      vcpus,
      enable: secondsOf(times[at(ENABLE)]),
      firstPass: secondsOf(times[at(FIRST_PASS)]),
      tables: work[at(ENABLE)]?.host['table.alloc'] ?? 0,
      faultsPerVcpu: work[at(FIRST_PASS)]?.vcpu['page_fault'] ?? 0,
    };
  }
}

const NS = 1e-9;

function secondsOf(time: PhaseTime | undefined): Seconds {
  if (time === undefined) throw notPolicies('phases that its model has times for');
  const [low, high] = time.intervalNs;
  return { s: time.predictedNs * NS, lowS: low * NS, highS: high * NS };
}

/** One run of each policy, whatever else varies. */
function policiesOf(runs: readonly ResolvedRun[]): readonly { readonly run: ResolvedRun; readonly policy: Policy }[] {
  const found = POLICIES.map(policy => ({ policy, run: runs.find(run => policyOf(run) === policy) }));
  return found.map(({ policy, run }) => {
    if (run === undefined) throw notPolicies(`a run of the policy ${policy}`);
    if (run.time === undefined) throw noTimeModel();
    if (run.workload.name !== 'dirty_log_perf_test') throw notPolicies('runs of dirty_log_perf_test');
    return { policy, run };
  });
}

function policyOf({ backend: { options } }: ResolvedRun): Policy {
  if (options['eager_page_split'] === 'Y') return 'eager';
  return options['huge_page_fault'] === 'zap' ? 'zap' : 'split';
}

/** Seconds of all threads: the vCPUs' first pass, and the host's enabling. */
export function threadSeconds({ vcpus, firstPass, enable }: PolicyCost): number {
  return vcpus * firstPass.s + enable.s;
}

/** Seconds until both are done. */
export function elapsedSeconds({ firstPass, enable }: PolicyCost): number {
  return firstPass.s + enable.s;
}

/** The smallest share of writes from which splitting beforehand is cheaper by all threads, in percent; undefined where it never is. Between shares: straight in logarithms. */
export function breakEvenPercent(costs: readonly PolicyCost[], costOf: (cost: PolicyCost) => number = threadSeconds): number | undefined {
  const of = (policy: Policy): readonly PolicyCost[] => costs.filter(cost => cost.policy === policy);
  const gains = of('split').map((split, i) => {
    const eager = of('eager')[i];
    return { percent: split.writesPercent, gain: eager === undefined ? 0 : Math.log(costOf(split) / costOf(eager)) };
  });
  const at = gains.findIndex(({ gain }) => gain >= 0);
  const [before, after] = [gains[at - 1], gains[at]];
  if (after === undefined) return undefined;
  if (before === undefined) return after.percent;
  const part = before.gain / (before.gain - after.gain);
  return before.percent * (after.percent / before.percent) ** part;
}

/** One sentence that answers whether splitting on faults is good enough. */
export function answerOf(costs: readonly PolicyCost[]): string {
  const at = (policy: Policy, percent: number): PolicyCost | undefined =>
    costs.find(cost => cost.policy === policy && cost.writesPercent === percent);
  const [few, most] = [5, 100].map(percent => ({ zap: at('zap', percent), split: at('split', percent), eager: at('eager', percent) }));
  if (few?.split === undefined || few.eager === undefined || most?.split === undefined || most.eager === undefined || few.zap === undefined)
    return '';
  const ratio = (a: PolicyCost, b: PolicyCost): string => digits(a.firstPass.s / b.firstPass.s);
  const border = breakEvenPercent(costs);
  const pays =
    border === undefined
      ? 'splitting beforehand never pays'
      : `splitting beforehand pays from about ${Math.round(border)} % writes on, by the seconds of all threads`;
  return (
    `Acceptable at 5 % writes (${ratio(few.split, few.eager)}x the time of eager splitting, where zapping takes ${ratio(few.zap, few.eager)}x), not at 100 % ` +
    `(${ratio(most.split, most.eager)}x): for ${String(few.split.vcpus)} vCPUs eager splitting itself costs ${digits(few.eager.enable.s)} s of one thread, so that ${pays}.`
  );
}

function digits(number: number): string {
  return number >= 100 ? String(Number(number.toPrecision(2))) : number.toPrecision(2);
}
