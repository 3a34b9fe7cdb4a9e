/**
 * nested_rounds: the rounds of access_rounds run by an L2 guest.
 *
 * One vCPU. L1 builds an NPT12 of one top table and one table of 512 identity entries of 1 GiB, starts L2 on its own CR3 and never gets it back:
 * L2's port I/O goes straight to user space.
 */
import 'reflect-metadata';
import type { OptionSpec, PhaseStep, VcpuProgram, Workload, WorkloadDefinition, WorkloadPlan, WorkloadRequest } from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { noRoom, notOnArch, sizeUnaligned } from './errors';
import { layOutGuest, slotsOf, type GuestLayout } from './guest-layout';
import { resolveGuestMode } from './guest-mode';
import { NESTED_ROUNDS, enterNested } from './nested-guest';
import { numberValue, switchValue, textValue, vcpusFlag, vcpusOption } from './option-values';
import { protectSteps, ringOf, roundFlags, roundOptions, planRounds, type PassRound } from './rounds';
import { accesses, destroyVmPhase, fetchPage, guestStep, phase, writePage } from './steps';

const NAME = 'nested_rounds';
/** Test memory lies at 8 GiB. */
const BASE_BYTES = 8 * 2 ** 30;
/** Frames NPT12 maps: 512 entries of 1 GiB. */
const NPT12_FRAMES = 512 ** 3;

const options: readonly OptionSpec[] = [{ ...vcpusOption, doc: 'One vCPU.', max: 1 }, ...roundOptions];
const flags: readonly CommandFlag[] = [vcpusFlag, ...roundFlags];

/** What nested_rounds says of itself. */
export const nestedRoundsDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'The rounds of access_rounds, run by an L2 guest behind an NPT12 of 1 GiB identity entries.',
  options,
  flags,
});

/** nested_rounds. */
@injectable()
export class NestedRounds implements Workload {
  /** @throws MmulabError WORKLOAD_NOT_ON_ARCH; for sizes that do not fit and rounds the kernel would refuse */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    if (machine.arch !== 'x86') throw notOnArch(NAME, machine.arch, 'x86');
    const mode = resolveGuestMode(NAME, '', '6.1', request);
    const bytes = numberValue(values, 'bytes');
    if (bytes % mode.pageSizeBytes !== 0) throw sizeUnaligned(NAME, 'bytes', bytes, mode.pageSizeBytes);
    const [npages, baseGfn] = [bytes / mode.pageSizeBytes, BASE_BYTES / mode.pageSizeBytes];
    if (baseGfn + npages > NPT12_FRAMES) throw noRoom(NAME, mode.physBits, 'the NPT12 maps 512 GiB, and test memory begins at 8 GiB');
    const backing = request.backing(textValue(values, 'backing'));
    const layout = layOutGuest(request, {
      workload: NAME,
      program: 'nested',
      isNewer: false,
      mode,
      vcpus: 1,
      npages,
      baseGfn,
      backing,
      populated: switchValue(values, 'prefilled'),
      hugeEntries: switchValue(values, 'huge_guest_entries'),
      nested: NESTED_ROUNDS,
    });
    const pageBytes = mode.pageSizeBytes;
    const pass = ({ kind, stride, range: { start, end } }: PassRound): PhaseStep[] => {
      const count = Math.ceil((end - start) / pageBytes / stride);
      return [guestStep([[accesses(layout.baseVfn + start / pageBytes, count, kind, { stride })]], false)];
    };
    const manualProtect = textValue(values, 'manual_protect');
    const dirtyRing = ringOf(NAME, values);
    const rounds = textValue(values, 'rounds');
    const planned = planRounds({
      workload: NAME,
      rounds,
      manualProtect,
      dirtyRing,
      ...slotsOf(layout, machine),
      passPageBytes: pageBytes,
      passUnitBytes: pageBytes,
      pass,
      settings: request.settings,
    });
    const phases = [phase('noop', [...protectSteps(manualProtect), guestStep([startNested(layout)], false)]), ...planned.phases, destroyVmPhase()];
    const vm = dirtyRing === undefined ? layout.vm : { ...layout.vm, dirtyRing };
    return { vm, phases, notes: [...layout.notes, ...planned.notes] };
  }
}

/** L1 sets up and enters L2; L2 starts and synchronises. Its stack lies among the globals. */
function startNested(layout: GuestLayout): VcpuProgram {
  const { image } = layout;
  return [...enterNested(layout, 0, NESTED_ROUNDS), fetchPage(image.entryCode), ...image.globals.map(writePage), fetchPage(image.syncCode)];
}
