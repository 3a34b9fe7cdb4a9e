/**
 * `npm run bench`: prints figures, asserts nothing by time.
 *
 *   node lib/main.js [--repetitions N] [--no-native] [--after-another]
 */
import { parseArgs } from 'node:util';
import { MmulabError, isMmulabError } from '@mmulab/api';
import { WARMING, compare, measureRanges, runAnother } from './bench';
import { NativeBaseline } from './native';
import { comparisonReport, rangeReport } from './report';
import { COMPARED } from './workloads/page-by-page';

const DEFAULT_REPETITIONS = '9';

function compareWithNative(repetitions: number): void {
  const baseline = new NativeBaseline();
  try {
    const results = compare(baseline, COMPARED, repetitions);
    console.log(comparisonReport(results, COMPARED));
    console.log(
      `24 vCPUs x 1 GiB, process CPU time, median of ${repetitions} after ${WARMING} to warm up; native: ${baseline.command}; counters equal\n`,
    );
  } finally {
    baseline.remove();
  }
}

function main(): void {
  const { values } = parseArgs({
    options: {
      repetitions: { type: 'string', default: DEFAULT_REPETITIONS },
      'no-native': { type: 'boolean', default: false },
      'after-another': { type: 'boolean', default: false },
    },
  });
  const repetitions = Number(values.repetitions);
  if (!Number.isInteger(repetitions) || repetitions < 1)
    throw new MmulabError('BENCH_REPETITIONS', `--repetitions ${values.repetitions}: expected 1 or more`);
  if (values['after-another']) {
    runAnother();
    console.log('after arm64-stage2 has run the same in this process');
  }
  if (!values['no-native']) compareWithNative(repetitions);
  console.log(rangeReport(measureRanges()));
  console.log('416 vCPUs x 29.5 GiB are 12 TiB; each line group in a process of its own, cold');
}

try {
  main();
} catch (error) {
  console.error(isMmulabError(error) ? error.message : error);
  process.exitCode = isMmulabError(error) && error.errorClass === 'usage' ? 2 : 1;
}
