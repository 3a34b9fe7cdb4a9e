/**
 * Runs the benches: the compared workloads in this process and in the native one, turn by turn, then the range workloads.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { childFailed, countersDiffer } from './errors';
import { BACKENDS, type BenchBackend } from './machine';
import { type NativeBaseline } from './native';
import type { RangeReport } from './range-child';
import type { Repetition } from './report';
import { PAGE_WORKLOADS, pageByPage, type PageSize } from './workloads/page-by-page';
import { RANGE_WORKLOADS } from './workloads/whole-ranges';

/** Repetitions that are thrown away: the code is compiled, and compiled again where it was compiled too hopefully, in them. */
export const WARMING = 3;

/** What another backend runs first: small, but long enough to be compiled. */
const ANOTHER: PageSize = { vcpus: 8, pagesPerVcpu: 2 ** 15, writesPerVcpu: 4096 };

/**
 * Lets another backend run the compared workloads in this process. Engines are of one class, so what the compiler has learnt of their call sites is what
 * it has seen of all backends: what is measured afterwards says what that costs.
 * @returns that one's name
 */
export function runAnother(than: BenchBackend): string {
  const another = BACKENDS.find(one => one !== than) ?? than;
  for (let i = 0; i < WARMING; i++) pageByPage(ANOTHER, another);
  return another.name;
}

/**
 * Repeats the compared workloads, after those thrown away.
 * @throws BENCH_COUNTERS when the two programs count differently
 */
export function compare(baseline: NativeBaseline, size: PageSize, repetitions: number, on: BenchBackend): readonly Repetition[] {
  for (let i = 0; i < WARMING; i++) pageByPage(size, on);
  return Array.from({ length: repetitions }, () => {
    const repetition = { native: baseline.run(size), ours: pageByPage(size, on) };
    checkCounters(repetition);
    return repetition;
  });
}

/** Throws when an event of a workload was not counted equally often. */
export function checkCounters({ ours, native }: Repetition): void {
  for (const workload of PAGE_WORKLOADS) {
    const mine = ours[workload].counters;
    const theirs = native[workload].counters;
    for (const event of new Set([...Object.keys(mine), ...Object.keys(theirs)])) {
      if (mine[event] !== theirs[event]) throw countersDiffer(workload, event, mine[event] ?? 0, theirs[event] ?? 0);
    }
  }
}

/** Measures every range workload, each in a process of its own. @throws BENCH_CHILD */
export function measureRanges(): readonly RangeReport[] {
  return RANGE_WORKLOADS.map(({ name }) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(__dirname, 'range-child.js'), name], { encoding: 'utf8' });
    if (status !== 0) throw childFailed(name, stderr);
    return JSON.parse(stdout) as RangeReport;
  });
}
