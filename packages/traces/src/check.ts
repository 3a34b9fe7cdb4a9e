/**
 * `replay --check`: a backend held against a trace of a real kernel, change by change.
 */
import type { BackendDefinition, ReplayPort } from '@mmulab/api';
import { composeBackend } from '@mmulab/runner';
import { FaultCounters } from './call-counts';
import type { Registry, ResolvedMachine } from '@mmulab/runner';
import { driveTrace } from './drive';
import type { TraceLines } from './drive';
import { traceForeign, traceNothingToCheck, traceUndriven } from './errors';
import { flatVm } from './flat-vm';
import { GuestMemory } from './guest-memory';
import type { GivenSlot } from './guest-memory';
import { ipaBits } from './ipa-bits';
import { MAX_VCPUS } from './limits';
import type { TracedShape } from './policy-machine';
import type { TraceSigns } from './signs';
import { SimLog } from './sim-log';
import { Stage2Check } from './stage2-check';
import type { CheckTally } from './tally';
import { TdpCheck } from './tdp-check';
import { Kind } from './trace-event';
import type { TraceEvent } from './trace-event';

/** What the user says of the VM's memory. */
export interface MemoryOptions {
  readonly slots: readonly GivenSlot[];
  /** Level of the host's pages, 0 for "as the trace shows". */
  readonly backingLevel: number;
}

/** What a check found. */
export interface CheckOutcome {
  readonly machine: ResolvedMachine;
  readonly tally: CheckTally;
  readonly lines: TraceLines;
}

interface Check {
  readonly tally: CheckTally;
  take(event: TraceEvent): void;
  finish(): void;
}

/**
 * Checks a trace.
 * @param machineOf the machine to check with, once the signs of the trace's own are known
 * @throws TRACE_ARCH, TRACE_UNDRIVEN, TRACE_NOTHING_TO_CHECK, and what reading the trace throws
 */
export function checkTrace(file: string, machineOf: (signs: TraceSigns) => ResolvedMachine, registry: Registry, memory: MemoryOptions): CheckOutcome {
  let machine: ResolvedMachine | undefined;
  let check: Check | undefined;
  const lines = driveTrace(file, signs => {
    machine = machineOf(signs);
    const made = makeCheck(file, signs, machine, registry, memory);
    check = made;
    return event => made.take(event);
  });
  if (machine === undefined || check === undefined) throw traceNothingToCheck(file, 'events');
  check.finish();
  return { machine, tally: check.tally, lines };
}

function makeCheck(file: string, signs: TraceSigns, machine: ResolvedMachine, registry: Registry, memory: MemoryOptions): Check {
  const definition = registry.backend(machine.backend.name);
  assertArch(file, signs, definition);
  const log = new SimLog();
  const { backend, counters } = composeBackend(machine, MAX_VCPUS, registry, log);
  const { pageBytes, physBits } = shapeOf(signs, machine, registry);
  backend.create(flatVm(physBits, pageBytes));
  const port = portOf(backend.replayPort?.(), machine, registry);
  const entries = pageBytes / 8;
  const guest = new GuestMemory(backend, port, memory.slots, memory.backingLevel, 2 ** physBits / pageBytes, entries);
  if (signs.arch === 'arm64') {
    if (!signs.has(Kind.GuestFault) && !signs.has(Kind.Map)) throw traceNothingToCheck(file, 'kvm_guest_fault or probes on the walkers');
    const shared = machine.backend.options['mmu_lock'] === 'shared';
    const told = { tables: signs.has(Kind.TableAlloc), cleans: signs.has(Kind.DcacheClean), invalidations: signs.has(Kind.TlbiIpa) };
    const traits = { pageBytes, entries, shared, told, tellsCalls: signs.has(Kind.Map) || signs.has(Kind.Relax) };
    return new Stage2Check(port, log, guest, traits, new FaultCounters(counters, definition.events));
  }
  if (!signs.has(Kind.SpteChanged) && !signs.has(Kind.SetSpte) && !signs.has(Kind.GetPage))
    throw traceNothingToCheck(file, 'kvmmmu:kvm_tdp_mmu_spte_changed, or kvm_mmu_set_spte and kvm_mmu_get_page');
  return new TdpCheck(backend, port, log, guest, {
    ept: signs.ept,
    nxHugePages: machine.backend.options['nx_huge_pages'] === 'Y',
    eagerSplit: machine.backend.options['eager_page_split'] === 'Y',
    levels: signs.levels,
    pml: signs.ept && machine.host['pml'] === 'Y',
    tellsChanges: signs.has(Kind.SpteChanged),
    tellsZaps: signs.has(Kind.ZapPage),
    tellsFastFaults: signs.has(Kind.FastFault),
    parentLevels: signs.parentLevels,
  });
}

/** The VM's shape: size of a page, and how wide guest physical addresses are. */
export function shapeOf(signs: TraceSigns, machine: ResolvedMachine, registry: Registry): TracedShape {
  const pageBytes = registry.backend(machine.backend.name).machine(machine.host).pageSizeBytes;
  const physBits = signs.arch === 'arm64' ? ipaBits(signs.startLevel, signs.topAddress, pageBytes) : signs.levels === 5 ? 52 : 48;
  return { pageBytes, physBits };
}

/** @throws TRACE_ARCH */
export function assertArch(file: string, { arch }: TraceSigns, { name, arch: own }: BackendDefinition): void {
  if (arch !== undefined && arch !== own) throw traceForeign(file, arch, name, own);
}

function portOf(port: ReplayPort | undefined, machine: ResolvedMachine, registry: Registry): ReplayPort {
  if (port !== undefined) return port;
  const known = registry.backends().map(({ name }) => name);
  throw traceUndriven(
    machine.backend.name,
    known.filter(name => name !== machine.backend.name && name !== 'x86-shadow'),
  );
}
