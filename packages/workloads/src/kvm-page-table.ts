/**
 * kvm_page_table_test: all vCPUs walk the same memory through the stages create (map), update (with dirty logging: write-protect, split) and
 * adjust (rebuild the blocks). Even vCPUs write in the create stage, odd ones read.
 *
 * The step of the stages is the backing page. Memory in small pages that is not `anonymous` (shmem) meets a quirk of the test: the update
 * stage steps by half a large page, here 2 KiB, and so writes the first half of the region only, each page twice. The second write of a page is
 * left out: it follows the first at once, to a page that this very vCPU has just found or made writable and dirty, so it cannot fault.
 *
 * Models: Linux 6.1 and 6.12 tools/testing/selftests/kvm/kvm_page_table_test.c, guest_code().
 */
import 'reflect-metadata';
import {
  AccessKind,
  type HostBacking,
  type OptionSpec,
  type VcpuProgram,
  type Workload,
  type WorkloadDefinition,
  type WorkloadPlan,
  type WorkloadRequest,
} from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { memoryTooLarge } from './errors';
import { backingFrames, guestUnitFrames, layOutGuest, type GuestLayout } from './guest-layout';
import { resolveSelftest, selftestOption } from './generation';
import { guestModeOption, resolveGuestMode } from './guest-mode';
import {
  MAX_TEST_MEMORY_BYTES,
  backingFlag,
  backingOption,
  bytesOption,
  modeFlag,
  numberValue,
  physOffsetFrames,
  physOffsetOption,
  textValue,
  vcpusFlag,
  vcpusOption,
} from './option-values';
import { accesses, destroyVmPhase, guestStep, hostSteps, phase } from './steps';

const NAME = 'kvm_page_table_test';
/** The one backing whose update stage walks small pages. */
const ANONYMOUS = 'anonymous';
/** The stages under the names of the arm64 series they were written for; later versions of the test say KVM_ADJUST_MAPPINGS. */
const NAMES_NOTE =
  'create_mappings is KVM_CREATE_MAPPINGS, update_mappings KVM_UPDATE_MAPPINGS and adjust_mappings KVM_REBUILD_BLOCKS (later KVM_ADJUST_MAPPINGS) of the test.';

const options: readonly OptionSpec[] = [
  selftestOption,
  vcpusOption,
  bytesOption('Test memory in all, rounded up to the backing page; every vCPU touches all of it.'),
  backingOption,
  guestModeOption,
  physOffsetOption('Guest physical address of the test memory (-p); 0: at the top of memory.'),
];

const flags: readonly CommandFlag[] = [
  { letter: 'p', argument: 'offset', option: 'phys_offset', doc: 'guest physical address of the test memory, 0 for the top' },
  modeFlag,
  { letter: 'b', argument: 'size', option: 'bytes', doc: 'test memory in all, for example 1G' },
  vcpusFlag,
  backingFlag,
];

/** What kvm_page_table_test says of itself. */
export const kvmPageTableDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'Mapping, splitting and rebuilding: all vCPUs create mappings, update them under dirty logging, and touch everything once logging is off.',
  options,
  flags,
});

/** Sizes of a run, in frames: the test steps by pages of the host, whatever the guest's are. */
interface Sizes {
  /** One page of the backing. */
  readonly large: number;
  readonly npages: number;
}

/** kvm_page_table_test. */
@injectable()
export class KvmPageTable implements Workload {
  /** @throws MmulabError for sizes and places that do not fit */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    const { generation, isNewer } = resolveSelftest(NAME, values, request.kernel);
    const mode = resolveGuestMode(NAME, textValue(values, 'guest_mode'), generation, request);
    const backing = request.backing(textValue(values, 'backing'));
    const large = backingFrames(machine, backing);
    const sizes = { large, npages: regionPages(numberValue(values, 'bytes'), Math.max(large, guestUnitFrames(mode)), machine.pageSizeBytes) };
    const vcpus = numberValue(values, 'vcpus');
    const baseGfn = physOffsetFrames(NAME, values, mode.pageSizeBytes, machine.pageSizeBytes);
    const place = baseGfn === undefined ? {} : { baseGfn };
    const npages = sizes.npages;
    const layout = layOutGuest(request, { workload: NAME, program: 'page_table', isNewer, mode, vcpus, npages, backing, ...place });
    const names = machine.arch === 'arm64' ? [NAMES_NOTE] : [];
    return { vm: layout.vm, guestMode: mode.name, phases: stages(layout, sizes, backing, vcpus), notes: [...layout.notes, ...names] };
  }
}

function regionPages(bytes: number, alignFrames: number, pageSizeBytes: number): number {
  const npages = Math.ceil(bytes / pageSizeBytes / alignFrames) * alignFrames;
  if (npages * pageSizeBytes > MAX_TEST_MEMORY_BYTES) throw memoryTooLarge(NAME, npages * pageSizeBytes, MAX_TEST_MEMORY_BYTES);
  return npages;
}

function stages(layout: GuestLayout, sizes: Sizes, backing: HostBacking, vcpus: number): WorkloadPlan['phases'] {
  const everyone = Array.from({ length: vcpus }, (_, vcpu) => vcpu);
  const update = layout.again(updateStage(layout.baseVfn, sizes, backing));
  const adjust = layout.again(eachPage(layout.baseVfn, sizes, AccessKind.Read));
  const setLog = (on: boolean): ReturnType<typeof hostSteps> => hostSteps(layout.testSlots.map(slot => ({ op: 'set_dirty_log', slot, on })));
  const together = (program: (vcpu: number) => VcpuProgram): ReturnType<typeof guestStep> => guestStep(everyone.map(program), true);
  return [
    phase(
      'before_mappings',
      [
        guestStep(
          everyone.map(vcpu => layout.start(vcpu, [])),
          false,
        ),
      ],
      'KVM_BEFORE_MAPPINGS',
    ),
    phase('create_mappings', [together(vcpu => layout.again(createStage(layout.baseVfn, sizes, vcpu)))], 'KVM_CREATE_MAPPINGS'),
    phase('enable_log', setLog(true)),
    phase('update_mappings', [together(() => update)], 'KVM_UPDATE_MAPPINGS'),
    phase('disable_log', setLog(false)),
    phase('adjust_mappings', [together(() => adjust)], 'KVM_ADJUST_MAPPINGS'),
    destroyVmPhase(),
  ];
}

/** The first bytes of every large page. */
function createStage(baseVfn: number, { large, npages }: Sizes, vcpu: number): VcpuProgram {
  return [accesses(baseVfn, npages / large, vcpu % 2 === 0 ? AccessKind.Write : AccessKind.Read, { stride: large })];
}

function updateStage(baseVfn: number, sizes: Sizes, backing: HostBacking): VcpuProgram {
  const { large, npages } = sizes;
  if (backing.name === ANONYMOUS) return eachPage(baseVfn, sizes, AccessKind.Write);
  const half = large / 2;
  if (half < 1) return [accesses(baseVfn, Math.ceil(npages / large / 2), AccessKind.Write, { stride: large })];
  const block = [accesses(baseVfn, 1, AccessKind.Write), accesses(baseVfn + half, half, AccessKind.Read)];
  return [{ op: 'repeat', times: npages / large, shift: large, steps: block }];
}

/** Every page of the host. */
function eachPage(baseVfn: number, { npages }: Sizes, kind: AccessKind): VcpuProgram {
  return [accesses(baseVfn, npages, kind)];
}
