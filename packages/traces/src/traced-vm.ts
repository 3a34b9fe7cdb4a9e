/**
 * The VM a trace is replayed in: a backend composed by itself, driven through its replay port, with no memory but what the trace lets be seen.
 */
import type { BackendDefinition, MmuBackend, ReplayPort, TransitionObserver } from '@mmulab/api';
import { composeBackend } from '@mmulab/runner';
import type { Registry, ResolvedMachine, RunCounters } from '@mmulab/runner';
import { traceForeign, traceUndriven } from './errors';
import { flatVm } from './flat-vm';
import { GuestMemory } from './guest-memory';
import type { GivenSlot } from './guest-memory';
import { ipaBits } from './ipa-bits';
import { MAX_VCPUS } from './limits';
import type { TraceSigns } from './signs';

/** What the user says of the VM's memory. */
export interface MemoryOptions {
  readonly slots: readonly GivenSlot[];
  /** Level of the host's pages, 0 for "as the trace shows". */
  readonly backingLevel: number;
}

/** Shape of the VM, from the trace. */
export interface TracedShape {
  readonly physBits: number;
  readonly pageBytes: number;
  /** Entries per table. */
  readonly entries: number;
}

/** A backend that a trace drives, and what it is driven through. */
export interface TracedVm {
  readonly backend: MmuBackend;
  readonly counters: RunCounters;
  readonly port: ReplayPort;
  readonly memory: GuestMemory;
}

/**
 * Composes one.
 * @param observer is told of every change of its tables
 * @throws TRACE_UNDRIVEN
 */
export function createTracedVm(
  machine: ResolvedMachine,
  registry: Registry,
  { physBits, pageBytes, entries }: TracedShape,
  { slots, backingLevel }: MemoryOptions,
  observer?: TransitionObserver,
): TracedVm {
  const { backend, counters } = composeBackend(machine, MAX_VCPUS, registry, observer);
  backend.create(flatVm(physBits, pageBytes));
  const port = backend.replayPort?.();
  if (port === undefined) throw traceUndriven(machine.backend.name, othersOf(machine, registry));
  return { backend, counters, port, memory: new GuestMemory(backend, port, slots, backingLevel, 2 ** physBits / pageBytes, entries) };
}

/** Backends to be tried in place of one: those of its architecture, if there are others. */
function othersOf({ backend }: ResolvedMachine, registry: Registry): readonly string[] {
  const { arch } = registry.backend(backend.name);
  const others = registry.backends().filter(({ name }) => name !== backend.name);
  const kin = others.filter(other => other.arch === arch);
  return (kin.length > 0 ? kin : others).map(({ name }) => name);
}

/** The VM's shape: size of a page, and how wide guest physical addresses are. */
export function shapeOf(signs: TraceSigns, machine: ResolvedMachine, registry: Registry): TracedShape {
  const pageBytes = registry.backend(machine.backend.name).machine(machine.host).pageSizeBytes;
  const physBits = signs.arch === 'arm64' ? ipaBits(signs.startLevel, signs.topAddress, pageBytes) : signs.levels === 5 ? 52 : 48;
  return { pageBytes, physBits, entries: pageBytes / 8 };
}

/** @throws TRACE_ARCH */
export function assertArch(file: string, { arch }: TraceSigns, { name, arch: own }: BackendDefinition): void {
  if (arch !== undefined && arch !== own) throw traceForeign(file, arch, name, own);
}
