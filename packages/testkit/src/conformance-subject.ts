/**
 * One backend under test: a VM on it, its counters, and the ways in which it can be made to perform a run of accesses.
 */
import { ACCESS_DONE, AccessKind } from '@mmulab/api';
import type { AccessRun, BackendDefinition, Counters, HostOp, ControlWrite, MmuBackend, OptionValues, Translation } from '@mmulab/api';
import type { EngineFactory } from '@mmulab/pgtable';
import { RunCounters } from '@mmulab/runner';
import { InvariantError } from '@mmulab/api';
import type { TestVm } from './conformance-vm';
import { checkCounters } from './invariants';

/** Builds a backend for one VM. Without engines it takes its own. */
export type CreateBackend = (options: OptionValues, host: OptionValues, counters: Counters, engines?: EngineFactory) => MmuBackend;

/** How a run of accesses is performed: whole, access by access, or stage by stage. All must count the same. */
export type Manner = 'run' | 'touch' | 'stages';

/** More stages than one access with nobody beside it takes. */
const MAX_STAGES = 5000;

/** Everything one operation may be. */
export type SubjectStep =
  | { readonly step: 'run'; readonly vcpu: number; readonly run: AccessRun }
  | { readonly step: 'control'; readonly vcpu: number; readonly write: ControlWrite }
  | { readonly step: 'host'; readonly op: HostOp };

/** A backend, its VM and its counters. */
export class Subject {
  readonly counters: RunCounters;
  readonly backend: MmuBackend;
  private readonly vcpus: number;
  private totals: Float64Array;
  /** What user space has seen of the last host operation, as text. */
  answer = '';

  /**
   * @param name for messages
   * @param engines where its engines and frame maps come from; undefined: the backend's own
   */
  constructor(
    readonly name: string,
    private readonly definition: BackendDefinition,
    create: CreateBackend,
    values: { readonly options: OptionValues; readonly host: OptionValues },
    vm: TestVm,
    private readonly manner: Manner,
    engines?: EngineFactory,
  ) {
    this.vcpus = vm.layout.vcpus;
    this.counters = new RunCounters(definition.events, this.vcpus);
    this.totals = this.counters.emptyVector();
    this.backend = create(values.options, values.host, this.counters, engines);
    this.backend.create(vm.layout);
  }

  /**
   * Performs one operation.
   * @returns what it counted: all actors together, then each vCPU, by event name; gauges hold their value
   */
  perform(step: SubjectStep, what: string): readonly Readonly<Record<string, number>>[] {
    this.attempt(step);
    return this.counted(what);
  }

  /** Performs one operation; what it counts is in what `counted` returns next. */
  attempt(step: SubjectStep): void {
    if (step.step === 'host') {
      this.counters.select(-1);
      this.answer = '';
      const tell = (what: string, ...numbers: readonly number[]): void => void (this.answer += `${what} ${numbers.join(',')}; `);
      this.backend.host(step.op, {
        dirty: (first, npages) => tell('dirty', first, npages),
        collected: (slot, first, npages) => tell('collected', slot, first, npages),
        ringEntries: count => tell('entries', count),
        young: leaves => tell('young', leaves),
      });
      return;
    }
    this.backend.enter(step.vcpu);
    if (step.step === 'control') this.backend.control(step.vcpu, step.write);
    else this.access(step.vcpu, step.run);
    this.backend.leave?.(step.vcpu);
  }

  /** Every vCPU enters the guest and does nothing. @returns what that counted, as `perform` does */
  enterAll(what: string): readonly Readonly<Record<string, number>>[] {
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) this.backend.enter(vcpu);
    return this.counted(what);
  }

  /** Sums over everything so far. */
  get sums(): Float64Array {
    return this.totals;
  }

  /** What frames translate to now. */
  translations(gfns: readonly number[]): readonly (Translation | undefined)[] {
    return gfns.map(gfn => this.backend.translate(gfn));
  }

  /** What was counted since the last time: all actors together, then each vCPU. */
  counted(what: string): readonly Readonly<Record<string, number>>[] {
    const phase = this.counters.endPhase();
    const before = this.totals;
    this.totals = before.map((value, i) => (this.definition.events[i]?.gauge === true ? 0 : value) + (phase.all[i] ?? 0));
    checkCounters(this.definition.events, before, this.totals, `${what} (${this.name})`);
    return [phase.all, ...phase.vcpus].map(vector => this.counters.toValues(vector));
  }

  private access(vcpu: number, run: AccessRun): void {
    if (this.manner === 'run') {
      this.backend.run(vcpu, run);
      return;
    }
    for (let i = 0; i < run.count; i++) {
      const kind = run.writeEvery > 0 && i % run.writeEvery === 0 ? AccessKind.Write : run.kind;
      const vfn = run.vfn + i * run.stride;
      if (this.manner === 'touch') this.backend.touch(vcpu, vfn, kind);
      else this.inStages(vcpu, vfn, kind);
    }
  }

  private inStages(vcpu: number, vfn: number, kind: AccessKind): void {
    let stage = this.backend.begin(vcpu, vfn, kind);
    for (let taken = 0; stage !== ACCESS_DONE; taken++) {
      if (taken > MAX_STAGES) throw new InvariantError('STAGES_ENDLESS', 'an access does not end', vfn, 1, `stage ${stage}`);
      stage = this.backend.advance(vcpu);
    }
  }
}
