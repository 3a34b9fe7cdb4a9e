/**
 * Records of real kernels: `mmulab.records.v1`, and the outcome of comparing a simulation with them.
 */
import type { CounterValues } from './result';

export const RECORDS_SCHEMA = 'mmulab.records.v1';

/** The phase of a record that stands for the whole run: its counters are compared with the totals of the result. */
export const TOTAL_PHASE = 'total';

/** One phase of a record. Counters that the kernel or the rig did not offer are absent. */
export interface RecordPhase {
  readonly phase: string;
  readonly counters: CounterValues;
  /** Absolute slack per counter, for start-up races between vCPUs. */
  readonly tolerance?: CounterValues;
}

/** One workload run on a real kernel. */
export interface KernelRecord {
  readonly id: string;
  readonly arch: string;
  readonly backend: string;
  readonly kernel: string;
  readonly options: Readonly<Record<string, string | number | boolean>>;
  readonly host: Readonly<Record<string, string | number | boolean>>;
  readonly command: string;
  readonly workload_options: Readonly<Record<string, string | number | boolean>>;
  /** False where counts depended on timing or on the host: reported, not judged. */
  readonly exact: boolean;
  readonly scope?: string;
  readonly phases: readonly RecordPhase[];
}

export interface RecordFile {
  readonly schema: typeof RECORDS_SCHEMA;
  readonly records: readonly KernelRecord[];
}

/** One judged value that is off. */
export interface RecordDifference {
  readonly id: string;
  readonly phase: string;
  readonly counter: string;
  readonly recorded: number;
  readonly simulated: number;
  readonly tolerance: number;
}

/** What became of the records of one file, backend and kernel. `values` and `equal` count judged values only. */
export interface RecordGroup {
  /** File name without its ending. */
  readonly file: string;
  readonly backend: string;
  readonly kernel: string;
  readonly records: number;
  readonly values: number;
  readonly equal: number;
  readonly unjudged: { readonly values: number; readonly equal: number };
}

/** Outcome of `verify`. `values` and `equal` count judged values only. */
export interface VerifyReport {
  readonly records: number;
  readonly values: number;
  readonly equal: number;
  readonly unjudged: { readonly values: number; readonly equal: number };
  readonly differences: readonly RecordDifference[];
}
