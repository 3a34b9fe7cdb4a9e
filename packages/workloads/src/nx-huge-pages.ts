/**
 * nx_huge_pages_test: a guest reads from and executes in three pages of 2 MiB, one access per entry; huge pages are split where they are executed, recovered by the
 * worker, and mapped huge again. After each entry the test asserts how many pages of 2 MiB are mapped and how many tables are listed for recovery.
 *
 * With -r the program runs a second VM that opts out of the workaround (`disable_nx_huge_pages`). Without two-dimensional paging the guest itself maps the memory with
 * 2 MiB entries, as its tables are what KVM shadows.
 *
 * Models: Linux 6.0 and later, tools/testing/selftests/kvm/x86_64/nx_huge_pages_test.c and .sh.
 */
import 'reflect-metadata';
import { AccessKind, type OptionSpec, type Workload, type WorkloadDefinition, type WorkloadPlan, type WorkloadRequest } from '@mmulab/api';
import { injectable } from 'inversify';
import { counterCheck } from './checks';
import { defineWorkload, type CommandFlag } from './command-line';
import { notOnArch, testNeeds } from './errors';
import { resolveSelftest } from './generation';
import { layOutGuest, type GuestLayout } from './guest-layout';
import { resolveGuestMode } from './guest-mode';
import { isBeforeRelease } from './kernel-release';
import { fixedVcpus, numberValue, switchOption, switchValue } from './option-values';
import { accesses, destroyVmPhase, guestStep, hostSteps, phase } from './steps';

const NAME = 'nx_huge_pages_test';
/** What -t has to say: that somebody set the module parameters. */
const MAGIC_TOKEN = 887563923;
const SLOT = 10;
/** 4 GiB, in pages: behind slot 0; the guest's addresses are the same. */
const BASE_GFN = 2 ** 20;
const PAGES_PER_HUGE = 512;
const HUGE_PAGES = 3;
/** The test sleeps for so many periods of the worker. */
const PERIODS = 5;
const HOUR_MS = 3_600_000;

const options: readonly OptionSpec[] = [
  fixedVcpus(1),
  {
    kind: 'number',
    name: 'reclaim_period_ms',
    doc: 'Period of the recovery worker as the test is told it (-p); it waits for five. 0: the period in force. (Without -p the program itself would not wait at all.)',
    default: 0,
    min: 0,
    max: 2 ** 31 - 1,
    integer: true,
    unit: 'ms',
  },
  {
    kind: 'number',
    name: 'token',
    doc: `The magic token ${MAGIC_TOKEN} (-t): the module parameters are set up. 0: they are looked at, and the run is refused where the test cannot pass.`,
    default: 0,
    min: 0,
    max: 2 ** 31 - 1,
    integer: true,
  },
  switchOption('reboot_permissions', 'The process may disable the workaround for its VM (-r): the program runs a second VM that does.'),
  switchOption('disable_nx_huge_pages', 'This is the second VM: it opts out (KVM_CAP_VM_DISABLE_NX_HUGE_PAGES, 6.0). Needs reboot_permissions.'),
];

const flags: readonly CommandFlag[] = [
  { letter: 'p', argument: 'period_ms', option: 'reclaim_period_ms', doc: 'the recovery period in milliseconds' },
  { letter: 't', argument: 'token', option: 'token', doc: 'the magic token: the environment is set up' },
  { letter: 'r', option: 'reboot_permissions', value: true, doc: 'may disable NX huge pages: run the VM that does, too' },
];

/** What nx_huge_pages_test says of itself. */
export const nxHugePagesDefinition: WorkloadDefinition = {
  ...defineWorkload({
    name: NAME,
    doc: 'NX huge pages: split as they are executed, recovered, mapped huge again; the counts asserted.',
    options,
    flags,
  }),
  runsOf: options => (options['reboot_permissions'] === true ? { disable_nx_huge_pages: [false, true] } : {}),
};

/** One entry of the guest, and what is asserted after it: pages of 2 MiB and tables listed, with the workaround and without. */
interface Entry {
  readonly name: string;
  readonly kind: AccessKind;
  /** From 0. */
  readonly page: number;
  readonly on: readonly [pages2m: number, splits: number];
  readonly off: readonly [pages2m: number, splits: number];
}

const { Read, Exec } = AccessKind;
const BEFORE_RECOVERY: readonly Entry[] = [
  { name: 'read_1', kind: Read, page: 0, on: [1, 0], off: [1, 0] },
  { name: 'read_2', kind: Read, page: 1, on: [2, 0], off: [2, 0] },
  { name: 'execute_1', kind: Exec, page: 0, on: [1, 1], off: [2, 0] },
  { name: 'execute_3', kind: Exec, page: 2, on: [1, 2], off: [3, 0] },
  { name: 'read_1_again', kind: Read, page: 0, on: [1, 2], off: [3, 0] },
];
const AFTER_RECOVERY: Entry = { name: 'read_3', kind: Read, page: 2, on: [2, 0], off: [3, 0] };
const RECOVERED = { on: [1, 0], off: [3, 0] } as const;

/** nx_huge_pages_test. */
@injectable()
export class NxHugePages implements Workload {
  /** @throws MmulabError WORKLOAD_NOT_ON_ARCH, WORKLOAD_TEST_NEEDS for a kernel or module parameters the program would not run with */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, settings } = request;
    if (request.machine.arch !== 'x86') throw notOnArch(NAME, request.machine.arch, 'x86');
    const optsOut = switchValue(values, 'disable_nx_huge_pages');
    checkProgram(request);
    const { generation } = resolveSelftest(NAME, values, request.kernel);
    const mode = resolveGuestMode(NAME, '', generation, request);
    const layout = layOutGuest(request, {
      workload: NAME,
      program: 'nx',
      isNewer: false,
      mode,
      vcpus: 1,
      npages: HUGE_PAGES * PAGES_PER_HUGE,
      backing: request.backing('anonymous_hugetlb'),
      baseGfn: BASE_GFN,
      baseVfn: BASE_GFN,
      firstSlot: SLOT,
      populated: true,
      hugeEntries: settings?.['npt'] === 'N',
    });
    const vm = optsOut ? { ...layout.vm, capabilities: ['disable_nx_huge_pages'] } : layout.vm;
    const notes = switchValue(values, 'reboot_permissions') ? [] : [NO_SECOND_VM];
    return { vm, guestMode: mode.name, phases: phases(layout, optsOut, waitMs(request)), notes: [...layout.notes, ...notes] };
  }
}

const NO_SECOND_VM = 'Without -r the second VM of the program, which opts out of the workaround, ends at once: KVM_ENABLE_CAP answers EPERM.';

/** What the program looks at before it runs. */
function checkProgram({ options: values, settings, kernel }: WorkloadRequest): void {
  const token = numberValue(values, 'token');
  if (isBeforeRelease(kernel, [6, 0, 0])) throw testNeeds(NAME, 'KVM_CAP_VM_DISABLE_NX_HUGE_PAGES', 'it came with 6.0', `kernel ${kernel ?? ''}`);
  if (token !== 0 && token !== MAGIC_TOKEN)
    throw testNeeds(NAME, `the magic token ${MAGIC_TOKEN}`, 'or none, then the module parameters are looked at', `-t ${token}`);
  if (switchValue(values, 'disable_nx_huge_pages') && !switchValue(values, 'reboot_permissions'))
    throw testNeeds(NAME, 'reboot permissions for disable_nx_huge_pages', 'give -r', 'none');
  if (token === MAGIC_TOKEN || settings === undefined) return;
  const setUp = `nx_huge_pages_test.sh sets nx_huge_pages=Y, nx_huge_pages_recovery_ratio=1, nx_huge_pages_recovery_period_ms=100; with -t ${MAGIC_TOKEN} it runs as things are`;
  const { nx_huge_pages: nx, nx_huge_pages_recovery_ratio: ratio } = settings;
  if (nx !== 'Y' && nx !== 'auto') throw testNeeds(NAME, 'nx_huge_pages=Y', setUp, `nx_huge_pages=${String(nx)}`);
  if (ratio === 0) throw testNeeds(NAME, 'a recovery that is on', setUp, 'nx_huge_pages_recovery_ratio=0');
}

/** How long the test sleeps. */
function waitMs({ options: values, settings = {} }: WorkloadRequest): number {
  const told = numberValue(values, 'reclaim_period_ms');
  const period = Number(settings['nx_huge_pages_recovery_period_ms'] ?? 0);
  const ratio = Number(settings['nx_huge_pages_recovery_ratio'] ?? 0);
  // As calc_nx_huge_pages_recovery_period() derives it: a full turn takes an hour.
  const inForce = period !== 0 || ratio === 0 ? period : Math.floor(HOUR_MS / Math.min(ratio, HOUR_MS / 1000));
  return PERIODS * (told === 0 ? inForce : told);
}

function phases(layout: GuestLayout, optsOut: boolean, sleepMs: number): WorkloadPlan['phases'] {
  const checks = ({ on, off }: Pick<Entry, 'on' | 'off'>, when: string): ReturnType<typeof counterCheck>[] => {
    const [pages2m, splits] = optsOut ? off : on;
    return [counterCheck(`2 MiB pages ${when}`, 'pages_2m', pages2m), counterCheck(`NX splits ${when}`, 'nx_lpage_splits', splits)];
  };
  const entry = ({ name, kind, page, ...counts }: Entry, isFirst: boolean): ReturnType<typeof phase> => {
    const access = [accesses(layout.baseVfn + page * PAGES_PER_HUGE, 1, kind)];
    const step = guestStep([isFirst ? layout.start(0, access) : layout.again(access)], false);
    return { ...phase(name, [step]), checks: checks(counts, `after ${kind === Exec ? 'executing in' : 'reading from'} huge page ${page + 1}`) };
  };
  const nothing = { on: [0, 0], off: [0, 0] } as const;
  return [
    { ...phase('setup', []), checks: checks(nothing, 'before the guest runs') },
    ...BEFORE_RECOVERY.map((one, index) => entry(one, index === 0)),
    { ...phase('recovery', hostSteps([{ op: 'idle', ms: sleepMs }])), checks: checks(RECOVERED, 'after recovery') },
    entry(AFTER_RECOVERY, false),
    destroyVmPhase(),
  ];
}
