/**
 * What a run returns, and how it is written: `mmulab.result.v1`.
 */
import type { CheckResult } from './check';

export const RESULT_SCHEMA = 'mmulab.result.v1';

/** Counter values by event name, every event of the backend present. */
export type CounterValues = Readonly<Record<string, number>>;

/** Predicted time of a phase; present when a cost model was named. */
export interface PhaseTime {
  readonly predictedNs: number;
  readonly intervalNs: readonly [number, number];
  readonly basis: 'calibrated' | 'prior' | 'uncalibrated';
  readonly model: string;
  readonly solver: string;
  /** The term or station that most of the time goes to. */
  readonly bottleneck?: string;
  readonly share: Readonly<Record<string, number>>;
  /** Of a host operation: what a guest access that finds its page taken away by it waits, were the vCPUs running beside it. Discrete events alone tell. */
  readonly stalls?: Stalls;
  /** Of a phase in which vCPUs run: accesses that fault again, by the host action that took their page away. Discrete events alone tell. */
  readonly refaults?: Readonly<Record<string, number>>;
}

/** How long accesses are held up. */
export interface Stalls {
  readonly count: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly maxNs: number;
}

/** A counter over several seeds. */
export interface Spread {
  readonly mean: number;
  readonly min: number;
  readonly max: number;
}

/** One phase of a run. Gauges hold the value at the phase's end, other counters what happened in it. */
export interface PhaseResult {
  readonly phase: string;
  readonly counters: CounterValues;
  readonly vcpus: readonly { readonly counters: CounterValues }[];
  /** What concerns one memslot alone, by slot id; only backends that count by slot have it. */
  readonly slots?: Readonly<Record<string, { readonly counters: CounterValues }>>;
  readonly time?: PhaseTime;
  /** Of runs over several seeds: counters of the VM that are not the same under all of them. */
  readonly spread?: Readonly<Record<string, Spread>>;
}

/** Why a run came to its end early: a KVM_RUN that failed as on the kernel. */
export interface RunFailure {
  /** The phase it happened in, which is the last one of the result; its counters are those up to there. */
  readonly phase: string;
  /** Name of the error, `EEXIST`; absent where the call does not return. */
  readonly errno?: string;
  readonly vcpu: number;
  readonly gfn?: number;
  /** The mechanism, in words. */
  readonly reason: string;
}

/** A whole run, with all that is needed to run it again. */
export interface RunResult {
  readonly schema: typeof RESULT_SCHEMA;
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Guest mode that the test ran in, by name; absent where the workload has none. */
  readonly guestMode?: string;
  readonly seed: number;
  /** Seeds of the run, from `seed` on, where there are several: counters are those of the first, `phases[].spread` tells of them all. */
  readonly seeds?: number;
  readonly notes: readonly string[];
  /** Present when the run failed, as it does on the kernel. */
  readonly failure?: RunFailure;
  /** What the test asserts, as far as the run came, in order; absent where it asserts nothing. */
  readonly checks?: readonly CheckResult[];
  readonly phases: readonly PhaseResult[];
  readonly totals: { readonly counters: CounterValues };
  readonly memory: { readonly tableBytesReal: number; readonly simulatorBytes: number };
  readonly wallMs: number;
}
