/**
 * The short bench of continuous integration: the compared workloads on a small machine. What it checks is that both programs run and count the same, and that no ratio has
 * collapsed: machines differ, and so does what else runs on them, so only a third of a usual ratio is a failure.
 */
import { compare } from './bench';
import { ratioCollapsed } from './errors';
import { gstage, stage2, tdp, type BenchBackend } from './machine';
import { NativeBaseline } from './native';
import { bestRatio } from './report';
import { PAGE_WORKLOADS, type PageSize, type PageWorkload } from './workloads/page-by-page';

/** Large enough for the code to be compiled, small enough to be over in seconds. */
const QUICK: PageSize = { vcpus: 8, pagesPerVcpu: 2 ** 16, writesPerVcpu: 2 ** 14 };
const REPETITIONS = 6;
/** Ratios native : engine at that size, as measured (docs/performance.md). */
const USUAL: readonly (readonly [BenchBackend, Readonly<Record<PageWorkload, number>>])[] = [
  [tdp, { populate: 1, write: 0.6, random: 0.6 }],
  [stage2, { populate: 0.5, write: 0.4, random: 0.4 }],
  [gstage, { populate: 0.6, write: 0.6, random: 0.6 }],
];
const COLLAPSED = 3;

/** Runs it. @returns its report; @throws BENCH_COLLAPSED, BENCH_COUNTERS, BENCH_NO_COMPILER */
export function checkQuick(): string {
  return USUAL.flatMap(([on, usual]) => ratiosOf(on).map(([workload, ratio]) => checkRatio(`${on.name} ${workload}`, ratio, usual[workload]))).join(
    '\n',
  );
}

/** Throws where a ratio has collapsed. @returns a line of the report */
export function checkRatio(name: string, ratio: number, usual: number): string {
  if (ratio * COLLAPSED < usual) throw ratioCollapsed(name, ratio, usual);
  return `${name}: ${ratio.toFixed(2)} of native (usual ${usual})`;
}

function ratiosOf(on: BenchBackend): readonly (readonly [PageWorkload, number])[] {
  const baseline = new NativeBaseline(on.model);
  try {
    const repetitions = compare(baseline, QUICK, REPETITIONS, on);
    return PAGE_WORKLOADS.map(workload => [workload, bestRatio(repetitions, workload)]);
  } finally {
    baseline.remove();
  }
}
