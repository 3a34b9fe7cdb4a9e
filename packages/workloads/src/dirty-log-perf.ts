/**
 * dirty_log_perf_test: populate memory, switch dirty logging on, then per iteration touch the memory, get the log and (with manual protection)
 * clear it; switch logging off.
 *
 * Models: Linux 6.1 and 6.12 tools/testing/selftests/kvm/dirty_log_perf_test.c, run_test().
 */
import 'reflect-metadata';
import type { HostOp, OptionSpec, Workload, WorkloadDefinition, WorkloadPhase, WorkloadPlan, WorkloadRequest } from '@mmulab/api';
import { injectable } from 'inversify';
import { defineWorkload, type CommandFlag } from './command-line';
import { Family, resolveSelftest, selftestOption, type FamilyOptions } from './generation';
import { guestModeOption } from './guest-mode';
import { idleOptions } from './idle-options';
import { LazyPhases } from './lazy-phases';
import { WRITE_ALL, planMemstress, type Memstress, type PassStyle } from './memstress';
import {
  backingFlag,
  backingOption,
  bytesFlag,
  bytesOption,
  modeFlag,
  numberValue,
  overlapFlag,
  overlapOption,
  physOffsetOption,
  pinningFlag,
  pinningOption,
  switchOption,
  switchValue,
  vcpusFlag,
  vcpusOption,
} from './option-values';
import { destroyVmPhase, guestStep, hostSteps, phase } from './steps';

const NAME = 'dirty_log_perf_test';
/** Largest number the flags' atoi() can give. */
const MAX_INT = 2 ** 31 - 1;
/** Memslots of user space, less slot 0. */
const MAX_TEST_SLOTS = 32763;

const options: readonly OptionSpec[] = [
  selftestOption,
  vcpusOption,
  bytesOption('Test memory per vCPU.'),
  backingOption,
  guestModeOption,
  overlapOption,
  {
    kind: 'number',
    name: 'write_fraction',
    doc: 'Tests up to 6.1 (-f): one page in so many is written, the others are read; every pass alike, populating included.',
    default: 1,
    min: 1,
    max: MAX_INT,
    integer: true,
  },
  {
    kind: 'number',
    name: 'write_percent',
    doc: 'Tests from 6.2 on (-w): chance that a page is written, in percent; drawn per page. Populating writes every page.',
    default: 100,
    min: 0,
    max: 100,
    integer: true,
  },
  switchOption('random_order', 'Tests from 6.2 on (-a): pages are drawn at random instead of taken in order.'),
  {
    kind: 'number',
    name: 'random_seed',
    doc: 'Tests from 6.2 on (-r): seed of the generator. The test never hands it to the guest, so it changes nothing.',
    default: 1,
    min: 0,
    max: 2 ** 32 - 1,
    integer: true,
  },
  { kind: 'number', name: 'iterations', doc: 'Rounds of touching memory and getting the log.', default: 2, min: 2, max: MAX_INT, integer: true },
  { kind: 'number', name: 'slots', doc: 'Memslots the test memory is divided into, evenly.', default: 1, min: 1, max: MAX_TEST_SLOTS, integer: true },
  switchOption('manual_protect', 'Use manual dirty log protection with an initially set bitmap (off: -g).', true),
  switchOption('run_while_disabling', 'vCPUs go on touching memory while logging is switched off (-e). In 6.1 this implies -g.'),
  switchOption(
    'nested',
    'The vCPUs touch the memory from guests of their guest, behind second-stage tables of 1 GiB identity entries (-n); x86, from 5.19 on.',
  ),
  physOffsetOption('Read and not used by this test (-p).'),
  pinningOption,
  switchOption(
    'after_disable_access',
    'One more pass of the same accesses once logging is off, as phase after_disable_access. Not in the test itself.',
  ),
];

const flags: readonly CommandFlag[] = [
  { letter: 'i', argument: 'iterations', option: 'iterations', doc: 'iterations, at least 2' },
  { letter: 'g', option: 'manual_protect', value: false, doc: 'no manual dirty log protection' },
  { letter: 'p', argument: 'offset', option: 'phys_offset', doc: 'guest physical offset (read and not used)' },
  modeFlag,
  { letter: 'n', option: 'nested', value: true, doc: 'run in nested guests (x86)' },
  bytesFlag,
  { letter: 'f', argument: 'fraction', option: 'write_fraction', family: Family.Older, doc: 'write every n-th page' },
  { letter: 'w', argument: 'percent', option: 'write_percent', family: Family.Newer, doc: 'chance of a write, in percent' },
  { letter: 'a', option: 'random_order', value: true, family: Family.Newer, doc: 'touch pages in random order' },
  { letter: 'r', argument: 'seed', option: 'random_seed', family: Family.Newer, doc: 'seed (without effect in the guest)' },
  vcpusFlag,
  overlapFlag,
  backingFlag,
  { letter: 'x', argument: 'slots', option: 'slots', doc: 'divide the memory into so many memslots' },
  { letter: 'e', option: 'run_while_disabling', value: true, doc: 'run vCPUs while logging is switched off' },
  pinningFlag,
];

/** What dirty_log_perf_test says of itself. */
export const dirtyLogPerfDefinition: WorkloadDefinition = defineWorkload({
  name: NAME,
  doc: 'Dirty logging: populate, enable, touch and get (and clear) the log per iteration, disable.',
  options,
  flags,
});

/** Options of one family alone. */
const OWN_OPTIONS: FamilyOptions = {
  [Family.Older]: { write_fraction: 1 },
  [Family.Newer]: { write_percent: 100, random_order: false, random_seed: 1, pinning: '' },
};

/** dirty_log_perf_test. */
@injectable()
export class DirtyLogPerf implements Workload {
  /** @throws MmulabError for values that do not go together */
  plan(request: WorkloadRequest): WorkloadPlan {
    const values = request.options;
    const selftest = resolveSelftest(NAME, values, request.kernel, OWN_OPTIONS);
    const nested = switchValue(values, 'nested');
    const test = planMemstress(NAME, request, { selftest, slots: numberValue(values, 'slots'), nested });
    const whileDisabling = switchValue(values, 'run_while_disabling');
    const manual = switchValue(values, 'manual_protect') && !(whileDisabling && !test.isNewer);
    const touch: PassStyle = {
      writeFraction: numberValue(values, 'write_fraction'),
      writePercent: numberValue(values, 'write_percent'),
      randomOrder: switchValue(values, 'random_order'),
    };
    const again = switchValue(values, 'after_disable_access') ? [phase('after_disable_access', [touchStep(test, touch)])] : [];
    const disable = whileDisabling ? disableWhileRunning(test, touch) : logPhase(test, 'disable_log', false);
    const phases = new LazyPhases({
      first: [populatePhase(test, touch, manual), logPhase(test, 'enable_log', true)],
      iterations: numberValue(values, 'iterations'),
      perIteration: manual ? 3 : 2,
      iteration: iterations(test, touch, manual),
      last: [disable, ...again, destroyVmPhase()],
    });
    const impliesOff = switchValue(values, 'manual_protect') && !manual;
    const notes = [
      ...test.layout.notes,
      ...(whileDisabling ? [RUNNING_NOTE] : []),
      ...(impliesOff ? [IMPLIED_NOTE] : []),
      ...(nested ? [NESTED_NOTE] : []),
      ...idleOptions(NAME, options, values, IDLE),
    ];
    return { vm: test.layout.vm, guestMode: test.mode.name, phases, notes };
  }
}

const NESTED_NOTE =
  'The pages of memslot 0 that L1 touches before it enters L2 were measured on nested_rounds, not on this test; on VMX they are those its library writes.';
const IMPLIED_NOTE = 'In the test of 6.1 -e implies -g: manual_protect=true does nothing beside it.';
/** What the test reads and makes nothing of. */
const IDLE = {
  random_seed: 'the test never hands the seed to the guest',
  phys_offset: 'the test reads the offset and places its memory at the top all the same',
};
const RUNNING_NOTE = 'With -e the real test disables logging at some moment of a pass; here a whole pass runs before and one after.';

/** 6.1 populates with the configured fraction, 6.12 writes everything. */
function populatePhase(test: Memstress, touch: PassStyle, manual: boolean): WorkloadPhase {
  const programs = test.start(test.isNewer ? WRITE_ALL : touch);
  const before = hostSteps(manual ? [{ op: 'manual_protect', initiallySet: true }] : []);
  return phase('populate', [...before, guestStep(programs, test.shared)], 'Populate memory time');
}

/** What every iteration does is the same; only the names of its phases are its own. */
function iterations(test: Memstress, touch: PassStyle, manual: boolean): (k: number) => WorkloadPhase[] {
  const dirty = [touchStep(test, touch)];
  const get = hostSteps(perSlot(test, slot => ({ op: 'get_dirty_log', slot })));
  const clear = hostSteps(perSlot(test, slot => ({ op: 'clear_dirty_log', slot })));
  return k => {
    const phases = [phase(`dirty_${k}`, dirty, `Iteration ${k} dirty memory time`), phase(`get_log_${k}`, get, `Iteration ${k} get dirty log time`)];
    return manual ? [...phases, phase(`clear_log_${k}`, clear, `Iteration ${k} clear dirty log time`)] : phases;
  };
}

function logPhase(test: Memstress, name: string, on: boolean): WorkloadPhase {
  return phase(name, hostSteps(setLog(test, on)), `${on ? 'Enabling' : 'Disabling'} dirty logging time`);
}

function disableWhileRunning(test: Memstress, touch: PassStyle): WorkloadPhase {
  const steps = [touchStep(test, touch), ...hostSteps(setLog(test, false)), touchStep(test, touch)];
  return phase('disable_log', steps, 'Disabling dirty logging time');
}

function setLog(test: Memstress, on: boolean): HostOp[] {
  return perSlot(test, slot => ({ op: 'set_dirty_log', slot, on }));
}

function touchStep(test: Memstress, touch: PassStyle): ReturnType<typeof guestStep> {
  return guestStep(test.again(touch), test.shared);
}

function perSlot(test: Memstress, op: (slot: number) => HostOp): HostOp[] {
  return test.layout.testSlots.map(op);
}
