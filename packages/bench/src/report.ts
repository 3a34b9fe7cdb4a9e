/**
 * The bench's report, as text.
 */
import { geometricMean, median, type Measurement } from './measure';
import type { RangeReport } from './range-child';
import { PAGE_WORKLOADS, type PageSize, type PageWorkload } from './workloads/page-by-page';

/** One repetition: the same workloads in both programs. */
export interface Repetition {
  readonly ours: Readonly<Record<PageWorkload, Measurement>>;
  readonly native: Readonly<Record<PageWorkload, Measurement>>;
}

const MB = 1e6;
const COLUMN = 12;

function row(first: string, others: readonly string[]): string {
  return first.padEnd(28) + others.map(text => text.padStart(COLUMN)).join('');
}

function spread(values: readonly number[], digits: number): string {
  return `${Math.min(...values).toFixed(digits)}-${Math.max(...values).toFixed(digits)}`;
}

/** Accesses of one repetition. */
function accesses(workload: PageWorkload, size: PageSize): number {
  return size.vcpus * (workload === 'random' ? size.writesPerVcpu : size.pagesPerVcpu);
}

/** Ratio native : ours of a workload in the repetition where it was best: others may have been disturbed. */
export function bestRatio(repetitions: readonly Repetition[], workload: PageWorkload): number {
  return Math.max(...repetitions.map(({ ours, native }) => native[workload].cpuNs / ours[workload].cpuNs));
}

/** A comparison: per workload nanoseconds per access, and ratio native : ours as median and spread; then the geometric mean. */
export function comparisonReport(name: string, repetitions: readonly Repetition[], size: PageSize): string {
  const ratios: number[] = [];
  const lines = PAGE_WORKLOADS.map(workload => {
    const count = accesses(workload, size);
    const ours = repetitions.map(repetition => repetition.ours[workload].cpuNs / count);
    const native = repetitions.map(repetition => repetition.native[workload].cpuNs / count);
    const each = repetitions.map(repetition => repetition.native[workload].cpuNs / repetition.ours[workload].cpuNs);
    ratios.push(median(each));
    return row(workload, [median(native).toFixed(1), median(ours).toFixed(1), median(each).toFixed(2), spread(each, 2)]);
  });
  const head = row(`${name}, page by page`, ['native ns', 'mmulab ns', 'ratio', 'spread']);
  return [head, ...lines, row('geometric mean', ['', '', geometricMean(ratios).toFixed(2), ''])].join('\n');
}

/** Operations over whole ranges: seconds, pages per second, and the memory of the process. */
export function rangeReport(reports: readonly RangeReport[]): string {
  const lines = reports.flatMap(({ operations, maxRssBytes }) =>
    operations.map(({ operation, cpuMs, npages }) =>
      row(operation, [(cpuMs / 1000).toFixed(3), (npages / cpuMs / 1000).toFixed(0), (maxRssBytes / MB).toFixed(0)]),
    ),
  );
  return [row('whole ranges', ['CPU s', 'M pages/s', 'process MB']), ...lines].join('\n');
}
