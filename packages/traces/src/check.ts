/**
 * `replay --check`: a backend held against a trace of a real kernel, change by change.
 */
import type { Registry, ResolvedMachine } from '@mmulab/runner';
import { FaultCounters } from './call-counts';
import { driveTrace } from './drive';
import type { TraceLines } from './drive';
import { traceNothingToCheck } from './errors';
import type { TraceSigns } from './signs';
import { SimLog } from './sim-log';
import { Stage2Check } from './stage2-check';
import type { CheckTally } from './tally';
import { TdpCheck } from './tdp-check';
import { Kind } from './trace-event';
import type { TraceEvent } from './trace-event';
import { assertArch, createTracedVm, shapeOf } from './traced-vm';
import type { MemoryOptions, TracedVm } from './traced-vm';

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
  const { pageBytes, entries, physBits } = shapeOf(signs, machine, registry);
  const vm = createTracedVm(machine, registry, { pageBytes, entries, physBits }, memory, log);
  if (signs.arch !== 'arm64') return makeTdpCheck(file, signs, machine, vm, log);
  if (!signs.has(Kind.GuestFault) && !signs.has(Kind.Map)) throw traceNothingToCheck(file, 'kvm_guest_fault or probes on the walkers');
  const shared = machine.backend.options['mmu_lock'] === 'shared';
  const told = { tables: signs.has(Kind.TableAlloc), cleans: signs.has(Kind.DcacheClean), invalidations: signs.has(Kind.TlbiIpa) };
  const traits = { pageBytes, entries, shared, told, tellsCalls: signs.has(Kind.Map) || signs.has(Kind.Relax) };
  return new Stage2Check(vm.port, log, vm.memory, traits, new FaultCounters(vm.counters, definition.events));
}

function makeTdpCheck(file: string, signs: TraceSigns, { backend, host }: ResolvedMachine, vm: TracedVm, log: SimLog): Check {
  if (!signs.has(Kind.SpteChanged) && !signs.has(Kind.SetSpte) && !signs.has(Kind.GetPage))
    throw traceNothingToCheck(file, 'kvmmmu:kvm_tdp_mmu_spte_changed, or kvm_mmu_set_spte and kvm_mmu_get_page');
  return new TdpCheck(vm.backend, vm.port, log, vm.memory, {
    ept: signs.ept,
    nxHugePages: backend.options['nx_huge_pages'] === 'Y',
    eagerSplit: backend.options['eager_page_split'] === 'Y',
    levels: signs.levels,
    pml: signs.ept && host['pml'] === 'Y',
    tellsChanges: signs.has(Kind.SpteChanged),
    tellsZaps: signs.has(Kind.ZapPage),
    tellsFastFaults: signs.has(Kind.FastFault),
    parentLevels: signs.parentLevels,
  });
}
