/**
 * What keeps the bench from comparing, typed.
 */
import { MmulabError } from '@mmulab/api';

/** BENCH_NO_COMPILER: there is no C compiler to build the baseline with. */
export function noCompiler(command: string): MmulabError {
  return new MmulabError(
    'BENCH_NO_COMPILER',
    `${command}: not found; the native baseline needs a C compiler (install gcc or clang, or name one in CC). Without one: npm run bench -- --no-native`,
  );
}

/** BENCH_COMPILE: the compiler refused the baseline. */
export function compileFailed(command: string, output: string): MmulabError {
  return new MmulabError('BENCH_COMPILE', `${command} failed:\n${output}`, 'internal');
}

/** BENCH_BASELINE: the baseline did not run to its end. */
export function baselineFailed(status: string, output: string): MmulabError {
  return new MmulabError('BENCH_BASELINE', `the native baseline ended with ${status}: ${output}`, 'internal');
}

/** BENCH_COUNTERS: engine and baseline did not do the same work. */
export function countersDiffer(workload: string, event: string, ours: number, native: number): MmulabError {
  return new MmulabError('BENCH_COUNTERS', `${workload}: the engine counted ${event} ${ours} times, the baseline ${native} times`, 'failed');
}

/** BENCH_PAGE: the page to be brought up to date has no place for it. */
export function pageUnmarked(page: string, begin: string, end: string): MmulabError {
  return new MmulabError('BENCH_PAGE', `${page}: no place for the table: expected a line ${begin} and one ${end} after it`);
}

/** BENCH_COLLAPSED: the engine is three times as slow against native code as it usually is. */
export function ratioCollapsed(workload: string, ratio: number, usual: number): MmulabError {
  const measured = `${ratio.toFixed(2)} of native, less than a third of the usual ${usual}`;
  return new MmulabError('BENCH_COLLAPSED', `${workload}: ${measured}; npm run bench tells more`, 'failed');
}

/** BENCH_BACKEND: no backend of that name is compared. */
export function unknownBackend(name: string, known: string): MmulabError {
  return new MmulabError('BENCH_BACKEND', `--backend ${name}: expected one of ${known}`);
}

/** BENCH_CHILD: a measurement in a process of its own failed. */
export function childFailed(workload: string, output: string): MmulabError {
  return new MmulabError('BENCH_CHILD', `${workload}: ${output}`, 'internal');
}
