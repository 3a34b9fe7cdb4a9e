/**
 * dirty_log_test: a vCPU writes all memory of a memslot that is logged from the beginning, then pages at random, while the host harvests the dirty log. The test asserts
 * of every harvest that each page written since the last one is in it, and no page that was not written lately.
 *
 * In the program harvests fall into a guest that runs on; here the guest writes for an interval, then the host harvests. What the program writes between a harvest and
 * its look at the memory is told by the next one: so it is here, since an interval begins where the last harvest ended. How much a vCPU writes in an interval depends
 * on the machine; here it is one loop of 1024 pages per millisecond of -I. The program runs one VM per log mode that the kernel has: a bitmap got, one got and cleared, or
 * a dirty ring collected and reset, of which it asserts too that as many entries are reset as were collected.
 *
 * Models: Linux 6.1 and later, tools/testing/selftests/kvm/dirty_log_test.c, run_test(), guest_code(), vm_dirty_log_verify().
 */
import 'reflect-metadata';
import {
  AccessKind,
  type GuestMode,
  type HostOp,
  type OptionSpec,
  type VcpuProgram,
  type VcpuStep,
  type Workload,
  type WorkloadDefinition,
  type WorkloadPhase,
  type WorkloadPlan,
  type WorkloadRequest,
} from '@mmulab/api';
import { injectable } from 'inversify';
import { harvestChecks, sumCheck } from './checks';
import { defineWorkload, type CommandFlag } from './command-line';
import { noRoom } from './errors';
import { resolveSelftest, selftestOption } from './generation';
import { guestUnitFrames, layOutGuest, type GuestLayout } from './guest-layout';
import { guestModeOption, resolveGuestMode } from './guest-mode';
import { guestPages } from './guest-pages';
import { isBeforeRelease } from './kernel-release';
import { idleOptions } from './idle-options';
import { LazyPhases } from './lazy-phases';
import { bytesOption, fixedVcpus, modeFlag, numberValue, physOffsetFrames, physOffsetOption, textValue } from './option-values';
import { PageDraws } from './page-draws';
import { accesses, destroyVmPhase, guestStep, hostSteps, phase } from './steps';

const NAME = 'dirty_log_test';
const SLOT = 1;
/** A little more than the size, so that it is no multiple of 64 pages. */
const EXTRA_PAGES = 3;
/** Pages written in one loop of the guest (TEST_PAGES_PER_LOOP). */
const PAGES_PER_LOOP = 1024;
const MODES = ['dirty-log', 'clear-log'] as const;
const DIRTY_RING = 'dirty-ring';
/** First release with KVM_CAP_DIRTY_LOG_RING, by architecture. */
const RINGS_SINCE: Readonly<Record<string, readonly [number, number, number]>> = { x86: [5, 11, 0], arm64: [6, 2, 0] };

const options: readonly OptionSpec[] = [
  selftestOption,
  fixedVcpus(1),
  bytesOption('Test memory, and three pages more. 1 GiB in the test, which has no flag for it.'),
  guestModeOption,
  {
    kind: 'number',
    name: 'iterations',
    doc: 'Iterations (-i), more than two; the first harvest begins the second, so there is one less of them.',
    default: 32,
    min: 3,
    max: 2 ** 31 - 1,
    integer: true,
  },
  {
    kind: 'number',
    name: 'interval_ms',
    doc: 'Time from harvest to harvest (-I). The guest writes one loop of 1024 random pages per millisecond of it.',
    default: 10,
    min: 1,
    max: 100_000,
    integer: true,
    unit: 'ms',
  },
  { kind: 'choice', name: 'log_mode', doc: 'How the host harvests (-M).', choices: [...MODES, DIRTY_RING], default: MODES[0] },
  {
    kind: 'number',
    name: 'ring_size',
    doc: 'Entries of the dirty ring (-c), at most: the largest power of two up to it and up to the pages of the test memory.',
    default: 65_536,
    min: 1,
    max: 2 ** 31 - 1,
    integer: true,
  },
  physOffsetOption('Guest physical address of the test memory (-p); 0: at the top of memory.'),
  {
    kind: 'number',
    name: 'random_seed',
    doc: 'Seed of the random pages. The program takes the time of day.',
    default: 1,
    min: 1,
    max: 2 ** 31 - 2,
    integer: true,
  },
];

const flags: readonly CommandFlag[] = [
  { letter: 'i', argument: 'iterations', option: 'iterations', doc: 'iterations, more than 2' },
  { letter: 'I', argument: 'msec', option: 'interval_ms', doc: 'time from harvest to harvest' },
  { letter: 'p', argument: 'offset', option: 'phys_offset', doc: 'guest physical address of the test memory, 0 for the top' },
  { letter: 'M', argument: 'mode', option: 'log_mode', doc: 'log mode: dirty-log, clear-log, dirty-ring, or all one after the other' },
  { letter: 'c', argument: 'entries', option: 'ring_size', doc: 'entries of the dirty ring, at most' },
  modeFlag,
];

const definition = defineWorkload({
  name: NAME,
  doc: 'Random writes while the host harvests the dirty log: each written page is in it, no other.',
  options,
  flags,
});

/** What dirty_log_test says of itself. */
export const dirtyLogDefinition: WorkloadDefinition = {
  ...definition,
  parseArguments: argv => {
    const { log_mode: mode, ...others } = definition.parseArguments(argv);
    return mode === undefined || mode === 'all' ? others : { ...others, log_mode: mode };
  },
  runsOf: (_options, { arch, kernel }) => {
    const since = RINGS_SINCE[arch];
    const hasRings = since !== undefined && kernel !== undefined && !isBeforeRelease(kernel, since);
    return { log_mode: hasRings ? [...MODES, DIRTY_RING] : MODES };
  },
};

/** dirty_log_test. */
@injectable()
export class DirtyLogTest implements Workload {
  /** @throws MmulabError for a place that does not fit, and for a log mode there is not */
  plan(request: WorkloadRequest): WorkloadPlan {
    const { options: values, machine } = request;
    const logMode = textValue(values, 'log_mode');
    const { generation } = resolveSelftest(NAME, values, request.kernel);
    const mode = resolveGuestMode(NAME, textValue(values, 'guest_mode'), generation, request);
    const npages = regionFrames(numberValue(values, 'bytes'), mode, machine.pageSizeBytes);
    const baseGfn = physOffsetFrames(NAME, values, mode.pageSizeBytes, machine.pageSizeBytes);
    const backing = request.backing('anonymous');
    const place = baseGfn === undefined ? {} : { baseGfn };
    const layout = layOutGuest(request, { workload: NAME, program: 'dirty_log', isNewer: false, mode, vcpus: 1, npages, backing, ...place });
    const spec = layout.vm.memslots.find(({ id }) => id === SLOT);
    if (spec === undefined) throw noRoom(NAME, mode.physBits, 'no memslot for the test memory');
    const manual: HostOp[] = logMode === 'clear-log' ? [{ op: 'manual_protect', initiallySet: true }] : [];
    const setUp = hostSteps([...manual, { op: 'create_memslot', spec: { ...spec, logged: true } }]);
    const ringSize = numberValue(values, 'ring_size');
    const dirtyRing = { entries: ringEntries(ringSize, npages), given: `${NAME}: ring_size=${ringSize} (-c)` };
    const rings = logMode === DIRTY_RING ? { dirtyRing } : {};
    const vm = { ...layout.vm, ...rings, memslots: layout.vm.memslots.filter(({ id }) => id !== SLOT) };
    const test = { layout, mode, npages, loops: numberValue(values, 'interval_ms'), logMode };
    const phases = new LazyPhases({
      first: [phase('setup', setUp)],
      iterations: numberValue(values, 'iterations') - 1,
      perIteration: logMode === 'clear-log' ? 3 : 2,
      iteration: k => iteration(k, test, numberValue(values, 'random_seed')),
      last: [destroyVmPhase()],
    });
    const ring_size = logMode === DIRTY_RING ? undefined : `with log_mode=${logMode} there is no ring (expected log_mode=${DIRTY_RING}, -M)`;
    const notes = [...layout.notes, HARVEST_NOTE, ...idleOptions(NAME, definition.options, values, { ring_size })];
    return { vm, guestMode: mode.name, phases, notes };
  }
}

const HARVEST_NOTE =
  'The program harvests beside a guest that runs; here harvests stand between intervals of one loop of 1024 random pages per millisecond of -I.';

interface Test {
  readonly layout: GuestLayout;
  readonly mode: GuestMode;
  readonly npages: number;
  /** Loops of the guest in one interval. */
  readonly loops: number;
  readonly logMode: string;
}

/** Whole guest pages and host pages: as many as the size has, and three. */
function regionFrames(bytes: number, mode: GuestMode, pageSizeBytes: number): number {
  const guestPages = Math.floor(bytes / mode.pageSizeBytes) + EXTRA_PAGES;
  const unit = guestUnitFrames(mode);
  return Math.ceil((guestPages * mode.pageSizeBytes) / pageSizeBytes / unit) * unit;
}

function iteration(k: number, test: Test, seed: number): WorkloadPhase[] {
  const { layout, logMode } = test;
  const draws = new PageDraws(seed, (k - 1) * test.loops * PAGES_PER_LOOP);
  const loops = Array.from({ length: test.loops }, () => loop(test, draws)).flat();
  const program = k === 1 ? layout.start(0, [...fill(test), ...loops]) : layout.again(loops);
  return [
    phase(`dirty_${k}`, [guestStep([program], false)]),
    ...(logMode === DIRTY_RING ? ringHarvest(k) : bitmapHarvest(k, logMode === 'clear-log')),
  ];
}

function bitmapHarvest(k: number, isCleared: boolean): WorkloadPhase[] {
  return [
    { ...phase(`get_log_${k}`, hostSteps([{ op: 'get_dirty_log', slot: SLOT }])), checks: harvestChecks(SLOT) },
    ...(isCleared ? [phase(`clear_log_${k}`, hostSteps([{ op: 'clear_dirty_log', slot: SLOT }]))] : []),
  ];
}

function ringHarvest(k: number): WorkloadPhase[] {
  const steps = hostSteps([{ op: 'collect_dirty_rings' }, { op: 'reset_dirty_rings' }]);
  const entries = sumCheck('as many entries are reset as were collected', [{ answer: 'ring.reset' }, { answer: 'ring.collected', times: -1 }], 0);
  return [{ ...phase(`collect_rings_${k}`, steps), checks: [...harvestChecks(SLOT), entries] }];
}

/** The ring has to be able to get full. */
function ringEntries(wanted: number, npages: number): number {
  return 2 ** Math.floor(Math.log2(Math.min(wanted, npages)));
}

/** Every page of the guest, in order. */
function fill({ layout, mode, npages }: Test): VcpuProgram {
  return guestPages({ vfn: layout.baseVfn, count: Math.floor(npages / mode.pageFrames), kind: AccessKind.Write, pageFrames: mode.pageFrames });
}

/** Random pages, then the way to the host for more random numbers. */
function loop({ layout, mode, npages }: Test, draws: PageDraws): VcpuStep[] {
  const count = Math.floor(npages / mode.pageFrames);
  const write = (): VcpuStep => accesses(layout.baseVfn + Math.floor((draws.next() % count) * mode.pageFrames), 1, AccessKind.Write);
  return [...Array.from({ length: PAGES_PER_LOOP }, write), { op: 'exit' }];
}
