/**
 * One machine under one policy, driven by what a trace says happened: accesses of vCPUs, operations of the host. It faults where its own tables say so.
 */
import { RESULT_SCHEMA } from '@mmulab/api';
import type { AccessKind, CounterValues, MmuBackend, PhaseResult, ReplayPort, RunResult } from '@mmulab/api';
import { peakMemoryBytes } from '@mmulab/runner';
import type { Registry, ResolvedMachine, RunCounters } from '@mmulab/runner';
import type { GuestMemory } from './guest-memory';
import { createTracedVm } from './traced-vm';
import type { MemoryOptions, TracedShape } from './traced-vm';

export class PolicyMachine {
  readonly memory: GuestMemory;
  readonly port: ReplayPort;
  private readonly backend: MmuBackend;
  private readonly counters: RunCounters;
  private readonly entered = new Set<number>();
  private readonly phases: PhaseResult[] = [];
  private readonly totals: Float64Array;
  private vcpus = 1;
  private tableBytesReal = 0;

  constructor(
    readonly machine: ResolvedMachine,
    registry: Registry,
    shape: TracedShape,
    options: MemoryOptions,
  ) {
    const { backend, counters, port, memory } = createTracedVm(machine, registry, shape, options);
    this.backend = backend;
    this.counters = counters;
    this.port = port;
    this.memory = memory;
    this.totals = counters.emptyVector();
  }

  /** A vCPU touches a frame, or the hardware does for it on its way through the guest's tables. */
  access(vcpu: number, gfn: number, kind: AccessKind, guestTable: boolean): void {
    this.vcpus = Math.max(this.vcpus, vcpu + 1);
    this.enter(vcpu);
    this.port.access(vcpu, gfn, kind, guestTable);
  }

  /** Dirty logging of the memory around a frame. */
  log(gfn: number, on: boolean): void {
    for (const slot of this.slotsAround(gfn)) this.host(() => this.backend.host({ op: 'set_dirty_log', slot, on }));
  }

  /** The bitmap is read, and its pages are protected again. */
  readLog(gfn: number): void {
    for (const slot of this.slotsAround(gfn)) this.host(() => this.backend.host({ op: 'get_dirty_log', slot }));
  }

  /** The host takes frames away. */
  unmap(start: number, end: number): void {
    this.eachPart(start, end, (slot, firstPage, npages) => this.backend.host({ op: 'unmap', slot, firstPage, npages }));
    this.memory.forget(start, end);
  }

  age(start: number, end: number): void {
    this.eachPart(start, end, (slot, firstPage, npages) =>
      this.backend.host({ op: 'age', slot, firstPage, npages, pageByPage: false, flush: false }),
    );
  }

  /** A control register is written. */
  control(vcpu: number, write: Parameters<MmuBackend['control']>[1]): void {
    this.enter(vcpu);
    this.backend.control(vcpu, write);
  }

  zapAll(): void {
    this.host(() => this.backend.host({ op: 'zap_all' }));
  }

  endPhase(name: string): void {
    this.tableBytesReal = Math.max(this.tableBytesReal, this.backend.memory().tableBytesReal);
    const { all, vcpus } = this.counters.endPhase();
    this.counters.accumulate(this.totals, all);
    const values = (vector: Float64Array): CounterValues => this.counters.toValues(vector);
    this.phases.push({ phase: name, counters: values(all), vcpus: vcpus.slice(0, this.vcpus).map(vector => ({ counters: values(vector) })) });
  }

  /** What was counted. @param trace name of the trace */
  result(trace: string): RunResult {
    const { backend, host, variation, notes } = this.machine;
    return {
      schema: RESULT_SCHEMA,
      name: variation === '' ? 'replay' : `replay (${variation})`,
      config: { name: 'replay', source: 'simulated', backend, host, workload: { name: 'replay', options: { trace } } },
      seed: 1,
      notes,
      phases: this.phases,
      totals: { counters: this.counters.toValues(this.totals) },
      memory: { tableBytesReal: this.tableBytesReal, simulatorBytes: peakMemoryBytes() },
      wallMs: 0,
    };
  }

  private enter(vcpu: number): void {
    if (this.entered.has(vcpu)) return;
    this.entered.add(vcpu);
    this.backend.enter(vcpu);
  }

  /** A host operation: whoever runs next enters anew. */
  private host(operation: () => void): void {
    operation();
    this.entered.clear();
  }

  private slotsAround(gfn: number): readonly number[] {
    const start = this.memory.startOf(gfn);
    const end = this.memory.endOf(gfn);
    return this.memory.slots.filter(({ baseGfn, npages }) => baseGfn < end && baseGfn + npages > start).map(({ id }) => id);
  }

  private eachPart(start: number, end: number, call: (slot: number, firstPage: number, npages: number) => void): void {
    for (const { id, baseGfn, npages } of this.memory.slots) {
      const from = Math.max(start, baseGfn);
      const to = Math.min(end, baseGfn + npages);
      if (from < to) this.host(() => call(id, from - baseGfn, to - from));
    }
  }
}
