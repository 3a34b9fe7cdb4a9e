/**
 * What the design promises of large machines: operations over 12 TiB that take less than a second and 300 MB. Each is measured in a process of its own, from
 * a cold start, so that its memory is its own.
 */
import { AccessKind } from '@mmulab/api';
import { BASE_GFN, PAGES_PER_GIB, TEST_SLOT, createMachine, enterAll, hugePages, smallPages, type BenchMachine } from '../machine';
import { writeAtRandom } from './page-by-page';

/** One operation of a range workload. */
export interface RangeMeasurement {
  readonly operation: string;
  readonly cpuMs: number;
  /** 4 KiB pages the operation is about. */
  readonly npages: number;
}

/** A workload on a large machine: what it does, one operation after the other. */
export interface RangeWorkload {
  readonly name: string;
  readonly vcpus: number;
  readonly pagesPerVcpu: number;
  run(machine: () => BenchMachine): readonly RangeMeasurement[];
}

/** 416 vCPUs with 29.5 GiB each are 12 TiB. */
const LARGE = { vcpus: 416, pagesPerVcpu: 29.5 * PAGES_PER_GIB };
/** 416 vCPUs with 2.5 GiB each are 1 TiB. */
const RANDOM = { vcpus: 416, pagesPerVcpu: 2.5 * PAGES_PER_GIB };
const RANDOM_SHARE = 0.05;

function timed(operation: string, npages: number, work: () => void): RangeMeasurement {
  const from = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(from);
  return { operation, cpuMs: (user + system) / 1000, npages };
}

/** Each vCPU in turn writes all of its memory, as one run. */
function writeAll({ backend, vcpus, pagesPerVcpu }: BenchMachine): void {
  const run = { count: pagesPerVcpu, stride: 1, kind: AccessKind.Write, writeEvery: 0 };
  for (let vcpu = 0; vcpu < vcpus; vcpu++) backend.run(vcpu, { ...run, vfn: BASE_GFN + vcpu * pagesPerVcpu });
}

function setDirtyLog(machine: BenchMachine, on: boolean): void {
  machine.backend.host({ op: 'set_dirty_log', slot: TEST_SLOT, on });
}

/** Name of the lifted form of the compared workloads. */
const LIFTED_24 = 'lifted-24';

/** All of them, by name. */
export const RANGE_WORKLOADS: readonly RangeWorkload[] = [
  {
    name: 'populate-4k',
    ...LARGE,
    run: (create: () => BenchMachine): readonly RangeMeasurement[] => {
      const machine = create();
      return [timed('populate at 4 KiB', LARGE.vcpus * LARGE.pagesPerVcpu, () => writeAll(machine))];
    },
  },
  {
    name: 'dirty-log-1g',
    ...LARGE,
    run: (create: () => BenchMachine): readonly RangeMeasurement[] => {
      const npages = LARGE.vcpus * LARGE.pagesPerVcpu;
      const machine = create();
      writeAll(machine);
      const split = timed('eager split from 1 GiB', npages, () => setDirtyLog(machine, true));
      enterAll(machine);
      const write = timed('write all', npages, () => writeAll(machine));
      const disable = timed('disable', npages, () => setDirtyLog(machine, false));
      return [split, write, disable];
    },
  },
  {
    name: 'random-1t',
    ...RANDOM,
    run: (create: () => BenchMachine): readonly RangeMeasurement[] => {
      const machine = create();
      writeAll(machine);
      setDirtyLog(machine, true);
      enterAll(machine);
      const writes = Math.floor(RANDOM.pagesPerVcpu * RANDOM_SHARE);
      return [timed('5 % random writes to 1 TiB', writes * RANDOM.vcpus, () => writeAtRandom(machine, writes))];
    },
  },
  {
    name: LIFTED_24,
    vcpus: 24,
    pagesPerVcpu: PAGES_PER_GIB,
    run: (create: () => BenchMachine): readonly RangeMeasurement[] => {
      const npages = 24 * PAGES_PER_GIB;
      const machine = create();
      const populate = timed('populate, as runs', npages, () => writeAll(machine));
      setDirtyLog(machine, true);
      enterAll(machine);
      return [populate, timed('write, as runs', npages, () => writeAll(machine))];
    },
  },
];

/** Makes the machine of a workload. */
export function machineOf(workload: RangeWorkload): BenchMachine {
  return createMachine(workload.vcpus, workload.pagesPerVcpu, workload.name === 'dirty-log-1g' ? hugePages : smallPages);
}
