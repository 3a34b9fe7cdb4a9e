/**
 * execute_perf_test: write all memory (each page begins with a return instruction), then call every page once. With NX huge pages the second
 * phase is what source patch 1 makes cheap.
 *
 * Models: the posted tools/testing/selftests/kvm/x86_64/execute_perf_test.c (2022, not merged).
 */
import 'reflect-metadata';
import { AccessKind, type OptionSpec, type Workload, type WorkloadDefinition, type WorkloadPlan, type WorkloadRequest } from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { resolveSelftest, selftestOption } from './generation';
import { guestModeOption } from './guest-mode';
import { guestPages } from './guest-pages';
import { WRITE_ALL, planMemstress } from './memstress';
import { backingFlag, backingOption, bytesFlag, bytesOption, modeFlag, overlapFlag, overlapOption, vcpusFlag, vcpusOption } from './option-values';
import { destroyVmPhase, guestStep, phase } from './steps';

const NAME = 'execute_perf_test';

const options: readonly OptionSpec[] = [
  selftestOption,
  vcpusOption,
  bytesOption('Test memory per vCPU.'),
  backingOption,
  guestModeOption,
  overlapOption,
];
const flags: readonly CommandFlag[] = [modeFlag, bytesFlag, vcpusFlag, overlapFlag, backingFlag];

/** What execute_perf_test says of itself. */
export const executePerfDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'Executing from memory: write every page, then call every page once.',
  options,
  flags,
});

/** execute_perf_test. */
@injectable()
export class ExecutePerf implements Workload {
  plan(request: WorkloadRequest): WorkloadPlan {
    const test = planMemstress(NAME, request, { selftest: { ...resolveSelftest(NAME, request.options, request.kernel), isNewer: false } });
    const { layout } = test;
    const calls = Array.from({ length: test.vcpus }, (_, vcpu) => {
      const { firstPage, npages } = test.share(vcpu);
      const { pageFrames } = test.mode;
      return layout.again(guestPages({ vfn: layout.baseVfn + firstPage, count: npages / pageFrames, kind: AccessKind.Exec, pageFrames }));
    });
    const phases = [
      phase('populate', [guestStep(test.start(WRITE_ALL), test.shared)], 'Populating memory'),
      phase('execute', [guestStep(calls, test.shared)], 'Executing from memory'),
      destroyVmPhase(),
    ];
    return { vm: layout.vm, guestMode: test.mode.name, phases, notes: layout.notes };
  }
}
