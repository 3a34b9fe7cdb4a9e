/**
 * Workloads of billions of steps: planned at once and in little memory.
 */
import { record, scratchFile } from './fixtures/recorder';

describe('validate', () => {
  it.each([
    'dirty_log_perf_test -b 1M -i 2147483647',
    'dirty_log_perf_test -v 64 -b 1M -i 2147483647 -g -w 50',
    'cr0_wp_churn -n 1000000000',
    'cr0_wp_churn -n 1000000000 -c 1 -k 512 -v 2',
    'cr_churn -n 2147483647 -m c -k 512',
  ])('takes %s in under 20 MiB', command => {
    const file = scratchFile('long.test', `${command}\n`);
    record('validate', file);
    const before = process.memoryUsage().heapUsed;
    expect(record('validate', file)).toMatchObject({ code: 0, out: `${file}: valid, 1 run\n` });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(20 * 2 ** 20);
  });

  it('looks for the phases of thresholds in long plans as far as it can', () => {
    const config = (phase: string, iterations: number): string =>
      scratchFile('long.yaml', `workload: dirty_log_perf_test -b 1M -i ${iterations}\nthresholds: {phases.${phase}.counters.page_fault: '>= 0'}\n`);
    expect(record('validate', config('dirty_2000000000', 2147483647)).code).toBe(0);
    expect(record('validate', config('dirty_3', 2)).code).toBe(2);
  });
});
