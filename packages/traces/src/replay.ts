/**
 * `replay`: what a trace's VM would have done under other policies. The trace is read once; every machine is driven by the same accesses and host operations.
 */
import type { RunResult } from '@mmulab/api';
import type { Registry, ResolvedMachine } from '@mmulab/runner';
import { driveTrace } from './drive';
import type { TraceLines } from './drive';
import { PolicyMachine } from './policy-machine';
import { RecordedCounts } from './recorded-counts';
import type { TraceSigns } from './signs';
import { Kind } from './trace-event';
import { TraceReading } from './trace-reading';
import { assertArch, shapeOf } from './traced-vm';
import type { MemoryOptions } from './traced-vm';
import type { DoubtfulLines } from './trace-reading';

/** What a replay gives. */
export interface ReplayOutcome {
  readonly machines: readonly ResolvedMachine[];
  /** What the trace itself counts, as a result, then one result per machine. */
  readonly recorded: RunResult;
  readonly results: readonly RunResult[];
  readonly lines: TraceLines;
  /** Lines whose event cannot have been. */
  readonly doubts: readonly DoubtfulLines[];
}

/**
 * Replays a trace.
 * @param machinesOf the machines, once the signs of the trace's own are known; at least one
 * @throws TRACE_ARCH, TRACE_UNDRIVEN, and what reading the trace throws
 */
export function replayTrace(
  file: string,
  machinesOf: (signs: TraceSigns) => readonly ResolvedMachine[],
  registry: Registry,
  memory: MemoryOptions,
): ReplayOutcome {
  const counts = new RecordedCounts();
  let machines: readonly ResolvedMachine[] = [];
  let driven: readonly PolicyMachine[] = [];
  let reading: TraceReading | undefined;
  const lines = driveTrace(file, signs => {
    machines = machinesOf(signs);
    for (const machine of machines) assertArch(file, signs, registry.backend(machine.backend.name));
    driven = machines.map(machine => new PolicyMachine(machine, registry, shapeOf(signs, machine, registry), memory));
    const [first] = driven;
    if (first === undefined) return () => undefined;
    const { pageBytes, physBits } = shapeOf(signs, first.machine, registry);
    const frameLimit = 2 ** physBits / pageBytes;
    const traits = {
      ept: signs.ept,
      pageBytes,
      frameLimit,
      tellsChanges: signs.has(Kind.SpteChanged),
      tellsRegisters: signs.has(Kind.ControlRegister),
    };
    const made = new TraceReading(driven, counts, first.port, traits);
    reading = made;
    return event => made.take(event);
  });
  reading?.finish();
  const [machine] = machines;
  return {
    machines,
    recorded: counts.result(file, machine),
    results: driven.map(one => one.result(file)),
    lines,
    doubts: reading?.doubts ?? [],
  };
}
