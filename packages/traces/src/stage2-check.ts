/**
 * Stage 2 held against a trace of aborts and of probes on the page-table walkers.
 *
 * arm64 has no event for a changed entry; the walkers' visits tell of it (stage2-call.ts). A fault takes the lock when its call begins, so that is when it is simulated; where faults run in parallel (6.2)
 * it goes down to the entry it takes at its call, and writes the leaf when the call returns.
 */
import { EntryKind, FaultStep, HostWalk } from '@mmulab/api';
import type { ReplayPort, ShownFault } from '@mmulab/api';
import { Actors } from './actors';
import type { Actor } from './actors';
import { CallCounts, type FaultCounters, compareCalls } from './call-counts';
import type { FaultMark, ToldCalls } from './call-counts';
import { Arm64Fault } from './arm64-fault';
import type { GuestMemory } from './guest-memory';
import type { SimChange, SimLog } from './sim-log';
import { Stage2Call, collapsed } from './stage2-call';
import type { RecordedChange } from './stage2-call';
import { CheckTally } from './tally';
import { Kind } from './trace-event';
import type { TraceEvent } from './trace-event';

/** What the check must know of the machine. */
export interface Stage2Traits {
  readonly pageBytes: number;
  /** Entries per table. */
  readonly entries: number;
  /** Faults run in parallel. */
  readonly shared: boolean;
  /** Calls of the walkers are told of; else only aborts are. */
  readonly tellsCalls: boolean;
  /** Which of their calls are. */
  readonly told: ToldCalls;
}

/** Which walk of the host, or call of a fault, a task is in. */
const In = { Nothing: 0, Map: 1, Relax: 2, Young: 3, Protect: 4, Old: 5, Unmap: 6, Split: 7, ChangePte: 8 } as const;

/** A task and its call. */
interface Caller {
  shown: ShownFault | undefined;
  call: Stage2Call | undefined;
  within: number;
  /** What the simulation has done of the call so far. */
  simulated: SimChange[];
  /** What the fault has cost so far, and the simulation's counters when it began. */
  costs: CallCounts;
  mark: FaultMark | undefined;
}

export class Stage2Check {
  readonly tally = new CheckTally();
  private readonly actors = new Actors();
  private readonly callers = new Map<Actor, Caller>();
  private readonly fault = new Arm64Fault();

  constructor(
    private readonly port: ReplayPort,
    private readonly log: SimLog,
    private readonly memory: GuestMemory,
    private readonly traits: Stage2Traits,
    private readonly counters: FaultCounters,
  ) {
    log.keepsQuiet = true;
  }

  /** The next event of the trace. */
  take(event: TraceEvent): void {
    switch (event.kind) {
      case Kind.GuestFault:
        return this.begin(event);
      case Kind.Map:
        return this.map(event);
      case Kind.Relax:
        return this.relax(event);
      case Kind.Mkyoung:
        return this.young(event);
      case Kind.MapVisit:
        return this.mapVisit(event);
      case Kind.AttrVisit:
        return this.attrVisit(event);
      case Kind.UnmapVisit:
        return this.unmapVisit(event);
      case Kind.MapReturn:
      case Kind.RelaxReturn:
        return this.returned(event);
      case Kind.WriteProtect:
        return this.protect(event);
      case Kind.Unmap:
        return this.hostCall(event, In.Unmap, HostWalk.Unmap);
      case Kind.Mkold:
        return this.hostCall(event, In.Old, HostWalk.Age);
      case Kind.Split:
        return this.hostCall(event, In.Split, HostWalk.Split);
      case Kind.SplitVisit:
        return this.splitVisit(event);
      case Kind.TableAlloc:
      case Kind.TlbiIpa:
      case Kind.TlbiVmid:
      case Kind.DcacheClean:
        return this.callOut(event);
      case Kind.Lost:
        for (const caller of this.callers.values()) this.forget(caller, false);
        return;
      case Kind.AbortReturn:
      case Kind.Marker:
      case Kind.Entry:
      case Kind.Exit:
        this.closeHostCall(event);
    }
  }

  /** The trace is at an end. Calls under way are cut off, not judged. */
  finish(): void {
    for (const [actor, caller] of this.callers) if (isOfHost(caller)) this.close(actor, caller, caller.call?.line ?? 0);
  }

  private begin(event: TraceEvent): void {
    const actor = this.actors.vcpuOf(event);
    const caller = this.callerOf(actor, event.line);
    const fault = this.fault.decode(this.frame(event), event.value);
    if (!fault.isMmu) return;
    this.tally.faults++;
    this.forget(caller, false);
    caller.shown = fault.copy();
    if (!this.traits.tellsCalls) this.faultAlone(event, actor, caller.shown);
  }

  /** A fault of which nothing more is told: its class and level are what the tables must give. */
  private faultAlone(event: TraceEvent, actor: Actor, shown: ShownFault): void {
    const { port, tally, memory } = this;
    memory.touch(shown.gfn);
    const { kind, level } = port.entryAt(shown.gfn, 1);
    tally.transitions.recorded++;
    const isEqual = shown.present === (kind === EntryKind.Leaf) && (shown.level === 0 || shown.level === level);
    if (isEqual) tally.transitions.equal++;
    else tally.differ(event.line, actor.name, this.faultWords(shown), this.faultWords({ ...shown, present: kind === EntryKind.Leaf, level }));
    memory.assume(shown.gfn, 1);
    port.beginFault(actor.vcpu, shown);
    this.run(actor);
    port.endFault(actor.vcpu);
    this.log.take();
  }

  /** The map walker is called: by a fault, under the lock. */
  private map(event: TraceEvent): void {
    const actor = this.actors.of(event);
    const caller = this.callerOf(actor, event.line);
    const { shown } = caller;
    const level = this.levelOf(event.npages);
    const gfn = this.frame(event);
    caller.call = new Stage2Call(event.line, gfn, level, event.value, this.port, this.traits.entries);
    caller.within = In.Map;
    if (event.space === 1) {
      this.changePte(caller, gfn);
      return;
    }
    if (shown === undefined) return;
    this.memory.touch(shown.gfn);
    this.inferLogging(event, shown.gfn, level);
    const logged = this.port.isLogged(shown.gfn);
    this.memory.assume(shown.gfn, level);
    this.memory.learnLeaf(level === 1 ? shown.gfn : gfn, level, (event.value & 2) !== 0 || logged, logged);
    this.start(actor, caller, shown);
  }

  /** A map without a memory cache: the host's copy-on-write tells of the copy. */
  private changePte(caller: Caller, gfn: number): void {
    caller.within = In.ChangePte;
    this.log.take();
    this.port.walk(HostWalk.ChangePte, gfn, gfn + 1, 1);
    this.keep(caller);
  }

  private relax(event: TraceEvent): void {
    const actor = this.actors.of(event);
    const caller = this.callerOf(actor, event.line);
    const { shown } = caller;
    caller.call = new Stage2Call(event.line, this.frame(event), 0, event.value, this.port, this.traits.entries);
    caller.within = In.Relax;
    if (shown === undefined) return;
    this.memory.touch(shown.gfn);
    const { level } = this.port.entryAt(shown.gfn, 1);
    if ((event.value & 2) !== 0) this.memory.learnLeaf(shown.gfn, level, true, this.port.isLogged(shown.gfn));
    this.start(actor, caller, shown);
  }

  private young(event: TraceEvent): void {
    const actor = this.actors.of(event);
    const caller = this.callerOf(actor, event.line);
    caller.call = new Stage2Call(event.line, this.frame(event), 0, 0, this.port, this.traits.entries);
    caller.within = In.Young;
    if (caller.shown !== undefined) this.start(actor, caller, caller.shown);
  }

  /** The fault as far as it goes when its call begins. */
  private start(actor: Actor, caller: Caller, shown: ShownFault): void {
    const { port } = this;
    port.beginFault(actor.vcpu, shown);
    caller.mark = this.counters.mark();
    while (port.nextStep(actor.vcpu) === FaultStep.Host) port.step(actor.vcpu);
    this.log.take();
    if (this.traits.shared && port.nextStep(actor.vcpu) === FaultStep.Map) port.step(actor.vcpu);
    else this.run(actor);
    this.keep(caller);
  }

  private run(actor: Actor): void {
    const { port } = this;
    while (port.nextStep(actor.vcpu) !== FaultStep.Done) port.step(actor.vcpu);
  }

  /** Takes over what the simulation has just done. */
  private keep(caller: Caller): void {
    caller.simulated.push(...this.log.take());
  }

  private mapVisit(event: TraceEvent): void {
    const { call } = this.callers.get(this.actors.of(event)) ?? {};
    call?.mapVisit(this.frame(event), 4 - event.level, event.oldHi, event.oldLo, event.value);
  }

  private attrVisit(event: TraceEvent): void {
    const actor = this.actors.of(event);
    const caller = this.callers.get(actor);
    const { call } = caller ?? {};
    if (caller === undefined || call === undefined) return;
    const gfn = this.frame(event);
    const level = 4 - event.level;
    const { oldHi, oldLo } = event;
    if (caller.within === In.Relax) call.relaxVisit(gfn, level, oldHi, oldLo);
    else if (caller.within === In.Protect) call.protectVisit(gfn, level, oldHi, oldLo);
    else call.accessVisit(gfn, level, oldHi, oldLo, caller.within === In.Young);
  }

  private unmapVisit(event: TraceEvent): void {
    const { call } = this.callers.get(this.actors.of(event)) ?? {};
    const level = 4 - event.level;
    const { kind, bits } = this.port.readDescriptor(event.oldHi, event.oldLo, level);
    if (call === undefined || kind !== EntryKind.Leaf) return;
    const gfn = this.frame(event);
    call.changes.push({
      gfn: gfn - (gfn % this.traits.entries ** (level - 1)),
      level,
      oldKind: kind,
      oldBits: bits,
      newKind: EntryKind.Empty,
      newBits: 0,
    });
  }

  private returned(event: TraceEvent): void {
    const actor = this.actors.of(event);
    const caller = this.callers.get(actor);
    if (caller?.call === undefined || caller.within === In.Nothing || isOfHost(caller)) return;
    if (caller.within === In.Map || caller.within === In.ChangePte) caller.call.mapReturn(event.value);
    caller.costs.result = event.value;
    if (caller.mark !== undefined && caller.within !== In.ChangePte) {
      this.run(actor);
      this.keep(caller);
      compareCalls(this.tally, caller.costs, this.counters.since(caller.mark), this.traits.told, event.line, actor.name);
      this.port.endFault(actor.vcpu);
      this.log.take();
    }
    this.compare(actor, caller, event.line);
  }

  /** Dirty logging takes write access back: of a memslot when it is switched on, of pages when the bitmap is read. */
  private protect(event: TraceEvent): void {
    const start = this.frame(event);
    const npages = (event.npages * 4096) / this.traits.pageBytes;
    this.memory.touch(start);
    if (!this.port.isLogged(start)) {
      this.port.setLogged(start, npages, true);
      this.tally.infer(event.line, `dirty logging from gfn 0x${start.toString(16)} is switched on`);
    }
    this.hostCall(event, In.Protect, HostWalk.WriteProtect);
  }

  private hostCall(event: TraceEvent, within: number, walk: HostWalk): void {
    const actor = this.actors.of(event);
    const caller = this.callerOf(actor, event.line);
    const start = this.frame(event);
    const npages = (event.npages * 4096) / this.traits.pageBytes;
    caller.call = new Stage2Call(event.line, start, 0, 0, this.port, this.traits.entries);
    caller.within = within;
    this.log.take();
    this.port.walk(walk, start, start + npages, 1);
    if (walk === HostWalk.Unmap) this.memory.forget(start, start + npages);
    this.keep(caller);
  }

  private splitVisit(event: TraceEvent): void {
    const { call } = this.callers.get(this.actors.of(event)) ?? {};
    const level = 4 - event.level;
    const { kind, bits } = this.port.readDescriptor(event.oldHi, event.oldLo, level);
    if (call === undefined || kind !== EntryKind.Leaf || level === 1) return;
    call.changes.push({ gfn: this.frame(event), level, oldKind: kind, oldBits: bits, newKind: EntryKind.Table, newBits: 0 });
  }

  /** A call out of the tables: of the fault that the task is in, unless a notifier has come between. */
  private callOut(event: TraceEvent): void {
    const { kind, value } = event;
    const caller = this.callers.get(this.actors.of(event));
    if (caller?.shown === undefined || isOfHost(caller) || caller.within === In.ChangePte) return;
    const { costs } = caller;
    if (kind === Kind.TableAlloc) costs.tables++;
    else if (kind === Kind.DcacheClean) costs.cleans++;
    else if (kind === Kind.TlbiVmid) costs.vmid++;
    else {
      costs.ipa++;
      if (value === 1) costs.ipaLocal++;
    }
  }

  private closeHostCall(event: TraceEvent): void {
    const actor = this.actors.of(event);
    const caller = this.callers.get(actor);
    if (caller !== undefined && (isOfHost(caller) || caller.within === In.Young)) this.close(actor, caller, event.line);
  }

  private close(actor: Actor, caller: Caller, line: number): void {
    if (caller.call === undefined) return;
    // Tables that an unmap frees are not told of.
    if (caller.within === In.Unmap) caller.simulated = caller.simulated.filter(({ removed, oldKind }) => !removed && oldKind === EntryKind.Leaf);
    if (caller.within === In.Young && caller.shown !== undefined) this.port.endFault(actor.vcpu);
    this.compare(actor, caller, line);
  }

  /** What a call did against what it was simulated to do. */
  private compare(actor: Actor, caller: Caller, line: number): void {
    const { call } = caller;
    const { tally, traits } = this;
    if (call === undefined) return;
    const simulated = collapsed(caller.simulated, traits.entries);
    tally.transitions.recorded += call.changes.length;
    call.changes.forEach((change, i) => {
      const other = simulated[i];
      if (other !== undefined && this.isSame(change, other)) tally.transitions.equal++;
      else tally.differ(line, actor.name, this.words(change), other === undefined ? 'no change' : this.words(other));
    });
    for (const extra of simulated.slice(call.changes.length)) {
      tally.missing++;
      tally.differ(line, actor.name, 'nothing', this.words(extra));
    }
    this.forget(caller, isOfHost(caller) || caller.within === In.ChangePte);
  }

  private isSame(one: RecordedChange, other: RecordedChange): boolean {
    return (
      one.gfn === other.gfn &&
      one.level === other.level &&
      one.oldKind === other.oldKind &&
      one.newKind === other.newKind &&
      (one.oldKind === EntryKind.Table || one.oldBits === other.oldBits) &&
      (one.newKind === EntryKind.Table || one.newBits === other.newBits)
    );
  }

  /** A size that only dirty logging explains, or rules out: it has been switched without a trace. */
  private inferLogging(event: TraceEvent, gfn: number, level: number): void {
    const { port, memory, tally } = this;
    const logged = port.isLogged(gfn);
    const known = memory.levelOf(gfn);
    const on = !logged && known > level;
    if (!on && !(logged && level > 1)) return;
    const start = memory.startOf(gfn);
    port.setLogged(start, memory.endOf(gfn) - start, on);
    tally.infer(event.line, `dirty logging of the memory around gfn 0x${gfn.toString(16)} is ${on ? 'on' : 'off'}`);
  }

  private callerOf(actor: Actor, line: number): Caller {
    let caller = this.callers.get(actor);
    if (caller === undefined) {
      caller = { shown: undefined, call: undefined, within: In.Nothing, simulated: [], costs: new CallCounts(), mark: undefined };
      this.callers.set(actor, caller);
    }
    if (caller.call !== undefined && isOfHost(caller)) this.close(actor, caller, line);
    return caller;
  }

  /** The call is over. @param keepsFault it was the host's, and the fault around it goes on */
  private forget(caller: Caller, keepsFault: boolean): void {
    caller.call = undefined;
    caller.within = In.Nothing;
    caller.simulated = [];
    if (keepsFault) return;
    caller.shown = undefined;
    caller.mark = undefined;
    caller.costs = new CallCounts();
  }

  private frame(event: TraceEvent): number {
    return Math.floor(event.address / this.traits.pageBytes);
  }

  private levelOf(npages: number): number {
    const bytes = npages * 4096;
    let level = 1;
    while (level < 4 && this.traits.pageBytes * this.traits.entries ** level <= bytes) level++;
    return level;
  }

  private words({ gfn, level, oldKind, oldBits, newKind, newBits }: RecordedChange): string {
    return `gfn 0x${gfn.toString(16)} level ${4 - level}: ${this.port.describe(oldKind, oldBits)} -> ${this.port.describe(newKind, newBits)}`;
  }

  private faultWords({ gfn, present, level }: ShownFault): string {
    return `${present ? 'permission' : 'translation'} fault at gfn 0x${gfn.toString(16)} level ${4 - level}`;
  }
}

/** Whether a task is in a walk of the host. */
function isOfHost({ within }: Caller): boolean {
  return within >= In.Protect && within !== In.ChangePte;
}
