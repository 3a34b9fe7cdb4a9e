/**
 * Measures one range workload in a process of its own and prints the result as JSON: `node range-child.js NAME`.
 */
import { peakMemoryBytes } from '@mmulab/runner';
import { childFailed } from './errors';
import { RANGE_WORKLOADS, machineOf, type RangeMeasurement } from './workloads/whole-ranges';

/** What the process prints. */
export interface RangeReport {
  readonly operations: readonly RangeMeasurement[];
  readonly maxRssBytes: number;
}

const name = process.argv[2] ?? '';
const workload = RANGE_WORKLOADS.find(candidate => candidate.name === name);
if (workload === undefined) throw childFailed(name, 'no such workload');
const operations = workload.run(() => machineOf(workload));
const report: RangeReport = { operations, maxRssBytes: peakMemoryBytes() };
process.stdout.write(JSON.stringify(report));
