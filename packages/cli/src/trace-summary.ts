/**
 * What a replay found, as the reports want it.
 */
import type { TraceCheckSummary, TraceLinesSummary } from '@mmulab/report';
import type { ResolvedMachine } from '@mmulab/runner';
import { isUsed, type CheckOutcome, type ReplayOutcome, type TraceLines } from '@mmulab/traces';

/** A check in words and numbers. */
export function checkSummary(trace: string, { machine, tally, lines }: CheckOutcome): TraceCheckSummary {
  const { transitions, allocations, zaps, fastFaults, results, invalidations, cleans } = tally;
  return {
    trace,
    machine: machineWords(machine),
    tallies: [
      { what: 'changes of entries', name: 'transitions', ...transitions },
      { what: 'tables taken', name: 'allocations', ...allocations },
      { what: 'tables zapped', name: 'zaps', ...zaps },
      { what: 'lockless attempts', name: 'fastFaults', ...fastFaults },
      { what: 'results of calls', name: 'results', ...results },
      { what: 'TLB invalidations', name: 'invalidations', ...invalidations },
      { what: 'data-cache cleans', name: 'cleans', ...cleans },
    ],
    faults: tally.faults,
    retries: tally.retries,
    adopted: tally.adopted,
    missing: tally.missing,
    differences: tally.differences,
    firstDifference: tally.firstDifference,
    inferred: tally.inferred,
    inferredCount: tally.inferredCount,
    lines: linesSummary(lines),
  };
}

/** Lines used and not used. */
export function linesSummary(lines: TraceLines, doubts: ReplayOutcome['doubts'] = []): TraceLinesSummary {
  return {
    ...lines,
    doubts,
    events: lines.events.map(({ name, kind, lines: count, damaged, example }) => ({ name, used: isUsed(kind), lines: count, damaged, example })),
  };
}

/** Backend, kernel, and what shows in a trace of module parameters and host. */
function machineWords({ backend, host }: ResolvedMachine): string {
  const shown = ['nx_huge_pages', 'eager_page_split', 'huge_page_fault'].filter(name => name in backend.options);
  const settings = [
    ...shown.map(name => `${name}=${String(backend.options[name])}`),
    ...['vendor', 'cpu', 'granule'].filter(name => name in host).map(name => `${name}=${String(host[name])}`),
  ];
  return `${backend.name}, kernel ${backend.kernel}, ${settings.join(', ')}`;
}
