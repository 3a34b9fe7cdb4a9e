/**
 * What a fault has cost: calls out of the tables, as a trace of probes shows them, and as the backend counts them.
 */
import type { Counters, EventDef } from '@mmulab/api';
import type { CheckTally, Tally } from './tally';

/** Calls during one fault. */
export class CallCounts {
  tables = 0;
  cleans = 0;
  /** TLB invalidations by IPA, the local ones of them, and of everything or a range. */
  ipa = 0;
  ipaLocal = 0;
  vmid = 0;
  /** What the walker returned: 0 or -11 (-EAGAIN). */
  result = 0;
}

/** Which kinds of call the trace has at all. */
export interface ToldCalls {
  readonly tables: boolean;
  readonly cleans: boolean;
  readonly invalidations: boolean;
}

/** Counters of a backend, read as differences. */
export class FaultCounters {
  private readonly indices: Readonly<Record<string, number>>;

  constructor(
    private readonly counters: Counters,
    events: readonly EventDef[],
  ) {
    this.indices = Object.fromEntries(events.map(({ name }, index) => [name, index]));
  }

  /** The counters of whoever acts now, as they stand. */
  mark(): FaultMark {
    return { vector: this.counters.now, before: this.counters.now.slice() };
  }

  /** What has been counted since. */
  since({ vector, before }: FaultMark): CallCounts {
    const delta = (name: string): number => {
      const index = this.indices[name] ?? -1;
      return index < 0 ? 0 : (vector[index] ?? 0) - (before[index] ?? 0);
    };
    const counts = new CallCounts();
    counts.tables = delta('table.alloc');
    counts.cleans = delta('mm_ops.dcache_clean_inval_poc') || delta('dcache_clean_inval_poc');
    counts.ipa = delta('tlbi.ipa');
    counts.ipaLocal = delta('tlbi.ipa_local');
    counts.vmid = delta('tlbi.vmid') + delta('tlbi.range');
    counts.result = delta('stage2.map.eagain') + delta('stage2.relax_perms.eagain') > 0 ? -11 : 0;
    return counts;
  }
}

/** A vector and what it held. */
export interface FaultMark {
  readonly vector: Float64Array;
  readonly before: Float64Array;
}

/** Compares the calls of one fault. */
export function compareCalls(tally: CheckTally, recorded: CallCounts, simulated: CallCounts, told: ToldCalls, line: number, actor: string): void {
  const one = (into: Tally, what: string, a: number, b: number): void => {
    into.recorded += a;
    into.equal += Math.min(a, b);
    if (a !== b) tally.differ(line, actor, `${a} ${what}`, `${b}`);
  };
  tally.results.recorded++;
  if (recorded.result === simulated.result) tally.results.equal++;
  else tally.differ(line, actor, `returns ${recorded.result}`, `returns ${simulated.result}`);
  if (told.tables) one(tally.allocations, 'tables taken', recorded.tables, simulated.tables);
  if (told.cleans) one(tally.cleans, 'data-cache cleans', recorded.cleans, simulated.cleans);
  if (!told.invalidations) return;
  one(tally.invalidations, 'TLB invalidations by IPA', recorded.ipa, simulated.ipa);
  if (recorded.ipaLocal !== simulated.ipaLocal) tally.differ(line, actor, `${recorded.ipaLocal} of them local`, `${simulated.ipaLocal}`);
  one(tally.invalidations, 'TLB invalidations of the VMID or a range', recorded.vmid, simulated.vmid);
}
