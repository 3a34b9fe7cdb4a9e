/**
 * dirty_log_page_splitting_test: two vCPUs populate two memslots of huge pages, dirty logging splits them, stopping it brings them back. At each step the test asserts
 * how many pages of each size are mapped.
 *
 * The program runs two VMs: without manual dirty log protection huge pages are split as logging starts, with it (and an initially set bitmap) as the log is cleared
 * first.
 *
 * Models: Linux 6.3 and later, tools/testing/selftests/kvm/x86_64/dirty_log_page_splitting_test.c, run_test().
 */
import 'reflect-metadata';
import type { OptionSpec, PhaseCheck, Workload, WorkloadDefinition, WorkloadPhase, WorkloadPlan, WorkloadRequest } from '@mmulab/api';
import { formatSize } from '@mmulab/api';
import { injectable } from 'inversify';
import { counterCheck, sumCheck } from './checks';
import { defineWorkload, type CommandFlag } from './command-line';
import { notOnArch, sizeUnaligned, testNeeds } from './errors';
import { resolveSelftest, selftestOption, type Generation } from './generation';
import type { GuestLayout } from './guest-layout';
import { guestModeOption } from './guest-mode';
import { isBeforeRelease } from './kernel-release';
import { WRITE_ALL, planMemstress, type Memstress } from './memstress';
import { backingFlag, backingOption, bytesFlag, bytesOption, fixedVcpus, modeFlag, switchOption, switchValue } from './option-values';
import { destroyVmPhase, guestStep, hostSteps, phase } from './steps';

const NAME = 'dirty_log_page_splitting_test';
const VCPUS = 2;
const SLOTS = 2;
const ITERATIONS = 2;
const PAGES_2M = 512;
const PAGES_1G = 512 * 512;

const options: readonly OptionSpec[] = [
  selftestOption,
  fixedVcpus(VCPUS),
  bytesOption('Test memory per vCPU.'),
  { ...backingOption, default: 'anonymous_hugetlb' },
  guestModeOption,
  switchOption('manual_protect', 'This is the second VM: manual dirty log protection with an initially set bitmap.'),
];

const flags: readonly CommandFlag[] = [bytesFlag, backingFlag, modeFlag];

/** What dirty_log_page_splitting_test says of itself. */
export const dirtyLogPageSplittingDefinition: WorkloadDefinition = {
  ...defineWorkload({
    name: NAME,
    doc: 'Huge pages split by dirty logging and mapped back after it, the page counts asserted at each step.',
    options,
    flags,
  }),
  runsOf: () => ({ manual_protect: [false, true] }),
};

/** dirty_log_page_splitting_test. */
@injectable()
export class DirtyLogPageSplitting implements Workload {
  /** @throws MmulabError WORKLOAD_NOT_ON_ARCH, WORKLOAD_TEST_NEEDS without eager page splitting or the TDP MMU, and for sizes */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, settings, machine } = request;
    if (machine.arch !== 'x86') throw notOnArch(NAME, machine.arch, 'x86');
    checkParameters(settings);
    const { generation } = resolveSelftest(NAME, values, request.kernel);
    const test = planMemstress(
      NAME,
      { ...request, options: { ...values, overlap: false } },
      { selftest: { generation, isNewer: true }, slots: SLOTS },
    );
    const { npages } = test.layout;
    if (npages % PAGES_2M !== 0) throw sizeUnaligned(NAME, 'bytes', npages * machine.pageSizeBytes, PAGES_2M * machine.pageSizeBytes);
    const manual = switchValue(values, 'manual_protect');
    const isOlder = isExact(generation, request.kernel);
    const asserts = new Assertions(npages, isOlder);
    const notes = [...test.layout.notes, ...unsuitedMemory(test.layout, machine.pageSizeBytes, isOlder)];
    return { vm: test.layout.vm, guestMode: test.mode.name, phases: phases(test, manual, asserts), notes };
  }
}

/** Memory that no huge page maps whole: the program takes it, and what it asserts of it fails or says nothing. */
function unsuitedMemory({ vm, testSlots, pagesPerSlot }: GuestLayout, pageSizeBytes: number, isOlder: boolean): readonly string[] {
  const backing = vm.memslots.find(({ id }) => id === testSlots[0])?.backing;
  const outcome = isOlder
    ? 'the program finds little or nothing to split, and passes'
    : 'the program asserts that huge pages map all test memory, and fails';
  const unsuited = (given: string, why: string, expected: string): string => `${NAME}: ${given}: ${why}: ${outcome} (expected ${expected})`;
  if (backing?.states.some(({ level }) => level > 1) !== true) {
    const expected = 'hugetlb memory, or anonymous_thp on a host with thp=always or madvise';
    return [unsuited(`backing=${backing?.name} (-s)`, 'on this host it has no huge pages', expected)];
  }
  if (pagesPerSlot % PAGES_2M === 0) return [];
  const [size, huge] = [pagesPerSlot, PAGES_2M].map(pages => formatSize(pages * pageSizeBytes));
  return [unsuited(`bytes=${size} (-b)`, `each of ${SLOTS} memslots ends within a huge page`, `a multiple of ${huge}`)];
}

/** The module parameters that the program asks for; tdp_mmu reads N without two-dimensional paging. */
function checkParameters(settings: WorkloadRequest['settings']): void {
  const [parameter] = ['eager_page_split', 'tdp_mmu', 'npt'].filter(name => settings?.[name] === 'N');
  if (parameter === undefined) return;
  const wanted = parameter === 'npt' ? 'tdp_mmu' : parameter;
  throw testNeeds(NAME, `${wanted}=Y`, 'the program skips itself without it', `${parameter}=N`);
}

/** Up to 6.7 the test asked for exact numbers of small pages; page migration made that fail. */
function isExact(generation: Generation, kernel: string | undefined): boolean {
  return ['5.12', '6.1', '6.2'].includes(generation) || isBeforeRelease(kernel, [6, 8, 0]);
}

/** What the test asserts of its two slots. */
class Assertions {
  constructor(
    private readonly npages: number,
    private readonly isExact: boolean,
  ) {}

  populated(): readonly PhaseCheck[] {
    if (this.isExact) return [];
    const mapped = [
      { counter: 'pages_2m', times: PAGES_2M },
      { counter: 'pages_1g', times: PAGES_1G },
    ];
    return [sumCheck('all test memory is mapped by huge pages', mapped, this.npages)];
  }

  split(): readonly PhaseCheck[] {
    const small = [
      { counter: 'pages_4k', phase: 'populate' },
      { counter: 'pages_2m', phase: 'populate', times: PAGES_2M },
      { counter: 'pages_1g', phase: 'populate', times: PAGES_1G },
    ];
    return [
      sumCheck('no huge page is left', HUGE, 0),
      this.isExact
        ? counterCheck('all memory is mapped by small pages', 'pages_4k', small)
        : counterCheck('all test memory is mapped by small pages', 'pages_4k', this.npages, '>='),
    ];
  }

  unsplit(): readonly PhaseCheck[] {
    return [
      sumCheck(
        'no huge page is split yet',
        HUGE,
        HUGE.map(one => ({ ...one, phase: 'populate' })),
      ),
    ];
  }

  repopulated(): readonly PhaseCheck[] {
    const sizes = [...(this.isExact ? ['pages_4k'] : []), 'pages_2m', 'pages_1g'];
    return sizes.map(counter => counterCheck(`${counter} is what it was after populating`, counter, [{ counter, phase: 'populate' }]));
  }
}

const HUGE = [{ counter: 'pages_2m' }, { counter: 'pages_1g' }];

function phases(test: Memstress, manual: boolean, asserts: Assertions): WorkloadPhase[] {
  const { testSlots } = test.layout;
  const perSlot = (op: 'get_dirty_log' | 'clear_dirty_log'): WorkloadPhase['steps'] => hostSteps(testSlots.map(slot => ({ op, slot })));
  const setLog = (on: boolean): WorkloadPhase['steps'] => hostSteps(testSlots.map(slot => ({ op: 'set_dirty_log', slot, on })));
  const touch = guestStep(test.again(WRITE_ALL), false);
  const protect = hostSteps(manual ? [{ op: 'manual_protect', initiallySet: true }] : []);
  const iterations = Array.from({ length: ITERATIONS }, (_, index) => index + 1).flatMap(k => [
    phase(`dirty_${k}`, [touch]),
    phase(`get_log_${k}`, perSlot('get_dirty_log')),
    ...(manual ? [{ ...phase(`clear_log_${k}`, perSlot('clear_dirty_log')), checks: k === 1 ? asserts.split() : [] }] : []),
  ]);
  return [
    { ...phase('populate', [...protect, guestStep(test.start(WRITE_ALL), false)]), checks: asserts.populated() },
    { ...phase('enable_log', setLog(true)), checks: manual ? asserts.unsplit() : asserts.split() },
    ...iterations,
    phase('disable_log', setLog(false)),
    { ...phase('repopulate', [touch]), checks: asserts.repopulated() },
    destroyVmPhase(),
  ];
}
