/**
 * What a comparison has come to: how many of the trace's facts the simulation has too, in their order, and the first it has not.
 */

/** Facts of one kind. */
export interface Tally {
  recorded: number;
  equal: number;
}

/** The first difference. */
export interface Difference {
  /** Line of the trace. */
  readonly line: number;
  /** What acted: `vcpu 1`, `host (task 335)`. */
  readonly actor: string;
  readonly recorded: string;
  readonly simulated: string;
}

/** A host operation or fact that the trace does not name and that follows from it. */
export interface Inference {
  readonly line: number;
  readonly what: string;
}

/** More inferences than this are only counted. */
const MAX_INFERENCES = 100;

export class CheckTally {
  /** Changes of entries. */
  readonly transitions: Tally = { recorded: 0, equal: 0 };
  /** Tables taken. */
  readonly allocations: Tally = { recorded: 0, equal: 0 };
  /** Tables zapped. */
  readonly zaps: Tally = { recorded: 0, equal: 0 };
  /** TLB invalidations of faults (arm64). */
  readonly invalidations: Tally = { recorded: 0, equal: 0 };
  /** What calls of the walkers returned (arm64). */
  readonly results: Tally = { recorded: 0, equal: 0 };
  /** Data-cache cleans of faults (arm64). */
  readonly cleans: Tally = { recorded: 0, equal: 0 };
  /** Lockless attempts. */
  readonly fastFaults: Tally = { recorded: 0, equal: 0 };
  faults = 0;
  /** Faults that ended without a change, because another vCPU or the host was faster. */
  retries = 0;
  /** The tables are older than the trace, or events were lost: what is not known is taken over. */
  attached = false;
  /** Entries taken over as they were: older than the trace. */
  adopted = 0;
  /** Changes the simulation made and the trace does not have. */
  missing = 0;
  differences = 0;
  firstDifference: Difference | undefined = undefined;
  inferredCount = 0;
  readonly inferred: Inference[] = [];

  differ(line: number, actor: string, recorded: string, simulated: string): void {
    this.differences++;
    this.firstDifference ??= { line, actor, recorded, simulated };
  }

  infer(line: number, what: string): void {
    if (this.inferredCount++ < MAX_INFERENCES) this.inferred.push({ line, what });
  }
}
