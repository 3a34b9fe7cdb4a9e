/**
 * demand_paging_test: every vCPU writes all its memory once. With a userfaultfd (-u) the host's page comes from a handler thread instead of the
 * kernel: a missing page is copied in, so that memory that could be huge is small; a minor one is there already. The MMU sees one fault per page of the host.
 *
 * Models: Linux 6.1 and 6.12 tools/testing/selftests/kvm/demand_paging_test.c, run_test().
 */
import 'reflect-metadata';
import type { BackingUse, OptionSpec, Workload, WorkloadDefinition, WorkloadPlan, WorkloadRequest } from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { optionConflict } from './errors';
import { Family, resolveSelftest, selftestOption, type FamilyOptions } from './generation';
import { guestModeOption } from './guest-mode';
import { WRITE_ALL, planMemstress } from './memstress';
import {
  backingFlag,
  backingOption,
  bytesFlag,
  bytesOption,
  modeFlag,
  overlapFlag,
  overlapOption,
  pinningFlag,
  pinningOption,
  switchOption,
  textValue,
  vcpusFlag,
  vcpusOption,
} from './option-values';
import { idleOptions } from './idle-options';
import { destroyVmPhase, guestStep, phase } from './steps';

const NAME = 'demand_paging_test';
/** Backings whose pages other mappings share: minor faults exist for these only. */
const SHARED_BACKINGS = ['shmem', 'shared_hugetlb', 'memfd', 'memfd_hugetlb'];

const options: readonly OptionSpec[] = [
  selftestOption,
  vcpusOption,
  bytesOption('Test memory per vCPU.'),
  backingOption,
  guestModeOption,
  overlapOption,
  {
    kind: 'choice',
    name: 'uffd',
    doc: 'Host pages come from a userfaultfd handler (-u): missing copies a page in, minor maps one that another mapping has filled.',
    choices: ['none', 'missing', 'minor'],
    default: 'none',
  },
  {
    kind: 'number',
    name: 'delay_us',
    doc: 'Pause of the handler before it answers (-d), in microseconds. Counts do not depend on it.',
    default: 0,
    min: 0,
    max: 2 ** 31 - 1,
    integer: true,
    unit: 'us',
  },
  switchOption('single_uffd', 'Newer tests (-a): one userfaultfd for all memory instead of one per vCPU. Counts do not depend on it.'),
  {
    kind: 'number',
    name: 'readers',
    doc: 'Newer tests (-r): handler threads per userfaultfd. Counts do not depend on it.',
    default: 1,
    min: 1,
    max: 2 ** 31 - 1,
    integer: true,
  },
  pinningOption,
];

const flags: readonly CommandFlag[] = [
  modeFlag,
  {
    letter: 'u',
    argument: 'MISSING|MINOR',
    option: 'uffd',
    values: { MISSING: 'missing', MINOR: 'minor' },
    doc: 'handle host faults by userfaultfd',
  },
  { letter: 'd', argument: 'usec', option: 'delay_us', doc: 'pause of the handler' },
  bytesFlag,
  backingFlag,
  vcpusFlag,
  overlapFlag,
  { letter: 'a', option: 'single_uffd', value: true, family: Family.Newer, doc: 'one userfaultfd for all vCPUs' },
  { letter: 'r', argument: 'readers', option: 'readers', family: Family.Newer, doc: 'handler threads per userfaultfd' },
  pinningFlag,
];

/** Options of newer tests alone. */
const OWN_OPTIONS: FamilyOptions = { [Family.Older]: {}, [Family.Newer]: { single_uffd: false, readers: 1, pinning: '' } };

/** What demand_paging_test says of itself. */
export const demandPagingDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'Demand paging: every vCPU writes its memory once, the host providing page by page.',
  options,
  flags,
});

/** demand_paging_test. */
@injectable()
export class DemandPaging implements Workload {
  /** @throws MmulabError WORKLOAD_OPTION_CONFLICT for minor faults of private memory */
  plan(request: WorkloadRequest): WorkloadPlan {
    const uffd = textValue(request.options, 'uffd');
    const backing = textValue(request.options, 'backing');
    if (uffd === 'minor' && !SHARED_BACKINGS.includes(backing)) {
      throw optionConflict(NAME, 'uffd', `minor faults need shared memory (${SHARED_BACKINGS.join(', ')}), not ${backing}`);
    }
    const use: BackingUse = uffd === 'missing' ? { userfaultfd: 'missing' } : {};
    const test = planMemstress(NAME, request, { selftest: resolveSelftest(NAME, request.options, request.kernel, OWN_OPTIONS), use });
    const phases = [phase('guest_execution', [guestStep(test.start(WRITE_ALL), test.shared)], 'Total guest execution time'), destroyVmPhase()];
    const idle = uffd === 'none' ? 'no userfaultfd hands faults to a handler (expected uffd=missing or minor, -u)' : undefined;
    const notes = idleOptions(NAME, options, request.options, { delay_us: idle, single_uffd: idle, readers: idle });
    return { vm: test.layout.vm, guestMode: test.mode.name, phases, notes: [...test.layout.notes, ...notes] };
  }
}
