/**
 * access_tracking_perf_test: populate, write and read the memory, then mark it idle page by page and write it, mark it idle again and read it.
 *
 * Reading is the library's pass with the smallest share of writes: in 6.1 the first page of a vCPU's part is still written, in 6.12 none is.
 * Marking idle is the host's work alone: each vCPU's thread ages the pages of its part, one 4 KiB page at a time, without a flush; with
 * overlapping memory only vCPU 0's thread does.
 *
 * Models: Linux 6.1 and 6.12 tools/testing/selftests/kvm/access_tracking_perf_test.c, run_test().
 */
import 'reflect-metadata';
import type { HostOp, OptionSpec, Workload, WorkloadDefinition, WorkloadPhase, WorkloadPlan, WorkloadRequest } from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { resolveSelftest, selftestOption } from './generation';
import { guestModeOption } from './guest-mode';
import { WRITE_ALL, planMemstress, type Memstress, type PassStyle } from './memstress';
import {
  backingFlag,
  backingOption,
  bytesFlag,
  bytesOption,
  modeFlag,
  overlapFlag,
  overlapOption,
  textValue,
  vcpusFlag,
  vcpusOption,
} from './option-values';
import { destroyVmPhase, guestStep, hostSteps, phase } from './steps';

const NAME = 'access_tracking_perf_test';
/** What 6.1 reads with: one page in INT_MAX is written. */
const READ_ALL: PassStyle = { writeFraction: 2 ** 31 - 1, writePercent: 0, randomOrder: false };

const options: readonly OptionSpec[] = [
  selftestOption,
  vcpusOption,
  bytesOption('Test memory per vCPU.'),
  backingOption,
  guestModeOption,
  overlapOption,
  {
    kind: 'choice',
    name: 'aging',
    doc: 'What marks memory idle: clear_young, as the test’s page_idle does; clear_flush_young, as page reclaim, which flushes young pages; test_young only looks.',
    choices: ['clear_young', 'clear_flush_young', 'test_young'],
    default: 'clear_young',
  },
];
const flags: readonly CommandFlag[] = [modeFlag, bytesFlag, vcpusFlag, overlapFlag, backingFlag];

/** What access_tracking_perf_test says of itself. */
export const accessTrackingDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'Access tracking: touch memory, mark it idle page by page, touch it again.',
  options,
  flags,
});

/** access_tracking_perf_test. */
@injectable()
export class AccessTracking implements Workload {
  plan(request: WorkloadRequest): WorkloadPlan {
    const test = planMemstress(NAME, request, { selftest: resolveSelftest(NAME, request.options, request.kernel) });
    const aging = textValue(request.options, 'aging');
    const touch = (name: string, style: PassStyle, label: string): WorkloadPhase => phase(name, [guestStep(test.again(style), test.shared)], label);
    const phases = [
      phase('populating_memory', [guestStep(test.start(WRITE_ALL), test.shared)], 'Populating memory'),
      touch('writing_to_populated_memory', WRITE_ALL, 'Writing to populated memory'),
      touch('reading_from_populated_memory', READ_ALL, 'Reading from populated memory'),
      markIdle(test, 1, aging),
      touch('writing_to_idle_memory', WRITE_ALL, 'Writing to idle memory'),
      markIdle(test, 2, aging),
      touch('reading_from_idle_memory', READ_ALL, 'Reading from idle memory'),
      destroyVmPhase(),
    ];
    return { vm: test.layout.vm, guestMode: test.mode.name, phases, notes: test.layout.notes };
  }
}

const CLEAR_YOUNG = { flush: false };
/** The calls that the host can age with. */
const AGING: Readonly<Record<string, Pick<Extract<HostOp, { op: 'age' }>, 'flush' | 'test'>>> = {
  clear_young: CLEAR_YOUNG,
  clear_flush_young: { flush: true },
  test_young: { flush: false, test: true },
};

function markIdle(test: Memstress, time: number, aging: string): WorkloadPhase {
  const slot = test.layout.testSlots[0] ?? 1;
  const ops = Array.from({ length: test.shared ? 1 : test.vcpus }, (_, vcpu): HostOp => {
    return { op: 'age', slot, ...test.share(vcpu), pageByPage: true, ...(AGING[aging] ?? CLEAR_YOUNG) };
  });
  return phase(`mark_memory_idle_${time}`, hostSteps(ops), 'Mark memory idle');
}
