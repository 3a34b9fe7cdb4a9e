/**
 * access_rounds: passes over memory and host operations in any order, one phase each, after a round that only starts the vCPUs.
 */
import 'reflect-metadata';
import type { OptionSpec, PhaseStep, VcpuProgram, Workload, WorkloadDefinition, WorkloadPlan, WorkloadRequest } from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { memoryTooLarge, sizeUnaligned } from './errors';
import { guestUnitFrames, layOutGuest, slotsOf } from './guest-layout';
import { resolveSelftest, selftestOption } from './generation';
import { guestModeOption, resolveGuestMode } from './guest-mode';
import { guestPages } from './guest-pages';
import {
  MAX_TEST_MEMORY_BYTES,
  modeFlag,
  numberValue,
  overlapFlag,
  overlapOption,
  switchValue,
  textValue,
  vcpusFlag,
  vcpusOption,
} from './option-values';
import { protectSteps, ringOf, roundFlags, roundOptions, planRounds, type PassRound } from './rounds';
import { destroyVmPhase, guestStep, phase } from './steps';

const NAME = 'access_rounds';

const options: readonly OptionSpec[] = [selftestOption, vcpusOption, ...roundOptions, overlapOption, guestModeOption];
const flags: readonly CommandFlag[] = [vcpusFlag, ...roundFlags, overlapFlag, modeFlag];

/** What access_rounds says of itself. */
export const accessRoundsDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'Rounds of writing, reading, executing and of host operations, one phase each.',
  options,
  flags,
});

/** Test memory of all shares together, each a multiple of `unit` bytes. @throws MmulabError for a size that is none, and for too much memory */
function testMemoryBytes(bytes: number, shares: number, unit: number): number {
  if (bytes % unit !== 0) throw sizeUnaligned(NAME, 'bytes', bytes, unit);
  const totalBytes = bytes * shares;
  if (totalBytes > MAX_TEST_MEMORY_BYTES) throw memoryTooLarge(NAME, totalBytes, MAX_TEST_MEMORY_BYTES);
  return totalBytes;
}

/** access_rounds. */
@injectable()
export class AccessRounds implements Workload {
  /** @throws MmulabError for sizes that do not fit together and rounds the kernel would refuse */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    const selftest = resolveSelftest(NAME, values, request.kernel);
    const mode = resolveGuestMode(NAME, textValue(values, 'guest_mode'), selftest.generation, request);
    const [vcpus, bytes] = [numberValue(values, 'vcpus'), numberValue(values, 'bytes')];
    const overlap = switchValue(values, 'overlap');
    const totalBytes = testMemoryBytes(bytes, overlap ? 1 : vcpus, guestUnitFrames(mode) * machine.pageSizeBytes);
    const backing = request.backing(textValue(values, 'backing'));
    const layout = layOutGuest(request, {
      workload: NAME,
      program: 'rounds',
      isNewer: selftest.isNewer,
      mode,
      vcpus,
      npages: totalBytes / machine.pageSizeBytes,
      backing,
      populated: switchValue(values, 'prefilled'),
      hugeEntries: switchValue(values, 'huge_guest_entries'),
    });
    const everyone = Array.from({ length: vcpus }, (_, vcpu) => vcpu);
    const { pageFrames, pageSizeBytes } = mode;
    const steps = (vcpu: number, { kind, stride, range }: PassRound): VcpuProgram => {
      const share = overlap ? 0 : vcpu * bytes;
      const [start, end] = [Math.max(share, range.start), Math.min(share + bytes, range.end)];
      const count = Math.max(0, Math.ceil((end - start) / pageSizeBytes / stride));
      if (count === 0) return layout.again([]);
      return layout.again(guestPages({ vfn: layout.baseVfn + start / machine.pageSizeBytes, count, kind, pageFrames, stride }));
    };
    const pass = (round: PassRound): PhaseStep[] => [
      guestStep(
        everyone.map(vcpu => steps(vcpu, round)),
        overlap,
      ),
    ];
    const manualProtect = textValue(values, 'manual_protect');
    const dirtyRing = ringOf(NAME, values);
    const noop = guestStep(
      everyone.map(vcpu => layout.start(vcpu, [])),
      false,
    );
    const planned = planRounds({
      workload: NAME,
      rounds: textValue(values, 'rounds'),
      manualProtect,
      dirtyRing,
      ...slotsOf(layout, machine),
      passPageBytes: pageSizeBytes,
      passUnitBytes: guestUnitFrames(mode) * machine.pageSizeBytes,
      pass,
      settings: request.settings,
    });
    const phases = [phase('noop', [...protectSteps(manualProtect), noop]), ...planned.phases, destroyVmPhase()];
    const vm = dirtyRing === undefined ? layout.vm : { ...layout.vm, dirtyRing };
    return { vm, guestMode: mode.name, phases, notes: [...layout.notes, ...planned.notes] };
  }
}
