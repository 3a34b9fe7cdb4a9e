/**
 * `npm run bench`: prints figures, asserts nothing by time.
 *
 *   node lib/main.js [--repetitions N] [--no-native] [--after-another]
 *   node lib/main.js --backend NAME [--repetitions N] [--after-another]   one comparison, in this process
 *   node lib/main.js --growth   brings docs/performance.* up to date
 *   node lib/main.js --quick    is over in seconds; ends with 1 where a ratio has fallen to a third of what it was
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { MmulabError, isMmulabError } from '@mmulab/api';
import { WARMING, compare, measureRanges, runAnother } from './bench';
import { unknownBackend } from './errors';
import { BACKENDS, type BenchBackend } from './machine';
import { NativeBaseline } from './native';
import { comparisonReport, rangeReport } from './report';
import { checkQuick } from './quick';
import { writeGrowth } from './growth/write-growth';
import { COMPARED } from './workloads/page-by-page';

const DEFAULT_REPETITIONS = '9';

function compareWithNative(repetitions: number, on: BenchBackend): void {
  const baseline = new NativeBaseline(on.model);
  try {
    const results = compare(baseline, COMPARED, repetitions, on);
    console.log(comparisonReport(on.name, results, COMPARED));
    console.log(
      `24 vCPUs in turn, 1 GiB each, process CPU time, median of ${repetitions} after ${WARMING} to warm up; native: ${baseline.command}; counters equal\n`,
    );
  } finally {
    baseline.remove();
  }
}

/** Each backend in a process of its own: what the compiler has learnt of one would be held against the next. */
function compareAll(args: readonly string[]): void {
  for (const { name } of BACKENDS) {
    const { status } = spawnSync(process.execPath, [__filename, '--backend', name, ...args], { stdio: 'inherit' });
    if (status !== 0) process.exit(status ?? 1);
  }
}

function backendOf(name: string): BenchBackend {
  const found = BACKENDS.find(one => one.name === name);
  if (found === undefined) throw unknownBackend(name, BACKENDS.map(one => one.name).join(', '));
  return found;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      repetitions: { type: 'string', default: DEFAULT_REPETITIONS },
      backend: { type: 'string' },
      'no-native': { type: 'boolean', default: false },
      'after-another': { type: 'boolean', default: false },
      growth: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
    },
  });
  if (values.growth) return writeGrowth(name => console.log(name));
  if (values.quick) return console.log(checkQuick());
  const repetitions = Number(values.repetitions);
  if (!Number.isInteger(repetitions) || repetitions < 1)
    throw new MmulabError('BENCH_REPETITIONS', `--repetitions ${values.repetitions}: expected 1 or more`);
  if (values.backend !== undefined) {
    const on = backendOf(values.backend);
    if (values['after-another']) console.log(`after ${runAnother(on)} has run the same in this process`);
    return compareWithNative(repetitions, on);
  }
  const after = values['after-another'] ? ['--after-another'] : [];
  if (!values['no-native']) compareAll(['--repetitions', values.repetitions, ...after]);
  console.log(rangeReport(measureRanges()));
  console.log('416 vCPUs x 29.5 GiB are 12 TiB; each line group in a process of its own, cold');
}

main().catch((error: unknown) => {
  console.error(isMmulabError(error) ? error.message : error);
  process.exitCode = isMmulabError(error) && error.errorClass === 'usage' ? 2 : 1;
});
