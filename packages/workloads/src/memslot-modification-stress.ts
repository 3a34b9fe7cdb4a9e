/**
 * memslot_modification_stress_test: vCPUs write their memory without a pause while the host adds a memslot of one page below it and takes it away again. The test asserts
 * that the guest is none the wiser: no access fails, none comes to user space but to synchronise.
 *
 * How far the vCPUs come between two modifications depends on the machine; here each makes a pass over its memory (`passes`).
 *
 * Models: Linux 6.1 and later, tools/testing/selftests/kvm/memslot_modification_stress_test.c, add_remove_memslot().
 */
import 'reflect-metadata';
import type { MemslotSpec, OptionSpec, PhaseCheck, Workload, WorkloadDefinition, WorkloadPlan, WorkloadRequest } from '@mmulab/api';
import { injectable } from 'inversify';
import { counterCheck, sumCheck } from './checks';
import { defineWorkload, type CommandFlag } from './command-line';
import { resolveSelftest, selftestOption } from './generation';
import { guestModeOption } from './guest-mode';
import { guestUnitFrames } from './guest-layout';
import { LazyPhases } from './lazy-phases';
import { mmioCounter, slotZapCapabilities } from './memslot-limits';
import { WRITE_ALL, planMemstress, type Memstress } from './memstress';
import {
  bytesFlag,
  bytesOption,
  modeFlag,
  numberValue,
  overlapFlag,
  overlapOption,
  switchOption,
  switchValue,
  vcpusFlag,
  vcpusOption,
} from './option-values';
import { destroyVmPhase, guestStep, hostSteps, phase } from './steps';

const NAME = 'memslot_modification_stress_test';
const DUMMY_SLOT = 7;
const MAX_INT = 2 ** 31 - 1;

const options: readonly OptionSpec[] = [
  selftestOption,
  vcpusOption,
  bytesOption('Test memory per vCPU.'),
  guestModeOption,
  overlapOption,
  { kind: 'number', name: 'iterations', doc: 'How often the memslot is added and deleted (-i).', default: 10, min: 1, max: MAX_INT, integer: true },
  {
    kind: 'number',
    name: 'delay_us',
    doc: 'Pause before each iteration (-d), in microseconds. Counts do not depend on it: see passes.',
    default: 0,
    min: 0,
    max: MAX_INT,
    integer: true,
    unit: 'us',
  },
  {
    kind: 'number',
    name: 'passes',
    doc: 'Passes over its memory that a vCPU makes before each iteration. Not in the test, where time decides.',
    default: 1,
    min: 1,
    max: 1000,
    integer: true,
  },
  switchOption(
    'disable_slot_zap_quirk',
    'KVM_X86_QUIRK_SLOT_ZAP_ALL is disabled (-q, 6.12): a memslot that goes takes its own mappings along, and no others.',
  ),
];

const flags: readonly CommandFlag[] = [
  modeFlag,
  { letter: 'd', argument: 'usec', option: 'delay_us', doc: 'pause before each iteration' },
  { letter: 'q', option: 'disable_slot_zap_quirk', value: true, doc: 'disable the memslot zap quirk' },
  bytesFlag,
  vcpusFlag,
  overlapFlag,
  { letter: 'i', argument: 'iterations', option: 'iterations', doc: 'how often the memslot is added and deleted' },
];

/** What memslot_modification_stress_test says of itself. */
export const memslotModificationStressDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'A memslot comes and goes while vCPUs write others.',
  options,
  flags,
});

/** memslot_modification_stress_test. */
@injectable()
export class MemslotModificationStress implements Workload {
  /** @throws MmulabError for sizes that do not fit together, and for -q where there is no such quirk */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    const selftest = resolveSelftest(NAME, values, request.kernel);
    const test = planMemstress(NAME, { ...request, options: { ...values, backing: 'anonymous' } }, { selftest });
    const capabilities = slotZapCapabilities(NAME, request, switchValue(values, 'disable_slot_zap_quirk'));
    const spec = dummySlot(request, test);
    const passes = Array.from({ length: numberValue(values, 'passes') }, (_, pass) => pass);
    const access = passes.map(() => guestStep(test.again(WRITE_ALL), test.shared));
    const syncs = request.guest().syncsByStore ? test.vcpus * passes.length : 0;
    const checks = assertions(test, machine.arch, syncs);
    const phases = new LazyPhases({
      first: [],
      iterations: numberValue(values, 'iterations'),
      perIteration: 3,
      iteration: k => [
        { ...phase(`access_${k}`, k === 1 ? [guestStep(test.start(WRITE_ALL), test.shared), ...access.slice(1)] : access), checks },
        phase(`add_memslot_${k}`, hostSteps([{ op: 'create_memslot', spec }])),
        phase(`delete_memslot_${k}`, hostSteps([{ op: 'delete_memslot', slot: DUMMY_SLOT }])),
      ],
      last: [destroyVmPhase()],
    });
    return { vm: { ...test.layout.vm, ...capabilities }, guestMode: test.mode.name, phases, notes: [...test.layout.notes, PASSES_NOTE] };
  }
}

const PASSES_NOTE =
  'How far vCPUs come between two modifications is a matter of time in the program; here each makes its passes over its memory first.';

/** One page of guest and host, just below the test memory. */
function dummySlot(request: WorkloadRequest, { layout, mode }: Memstress): MemslotSpec {
  const npages = guestUnitFrames(mode);
  const last = layout.vm.memslots.at(-1);
  const hvf = (last?.hvf ?? 0) + (last?.npages ?? 0);
  return { id: DUMMY_SLOT, baseGfn: layout.baseGfn - npages, npages, hvf, backing: request.backing('anonymous'), readonly: false, populated: [] };
}

/**
 * Every access found its memory, and it is mapped in the end.
 * @param syncs stores by which vCPUs synchronise: those come to user space
 */
function assertions({ layout }: Memstress, arch: string, syncs: number): readonly PhaseCheck[] {
  const counter = mmioCounter(arch);
  const mapped = (gfn: number, what: string): PhaseCheck =>
    sumCheck(`${what} page of the test memory is mapped`, [{ mapped: 'writable', gfn, npages: 1 }], 1);
  return [
    ...(counter === undefined ? [] : [counterCheck('no access comes to user space but to synchronise', counter, syncs)]),
    mapped(layout.baseGfn, 'the first'),
    mapped(layout.baseGfn + layout.npages - 1, 'the last'),
  ];
}
