/**
 * The TDP MMU held against a trace, change by change.
 *
 * The trace says what happens and when: faults begin where it has them, and each change of the tables falls where its event stands, so that races between vCPUs come out as they did. What the change
 * is, the simulation says: level, old and new entry, which table is taken or zapped, what a host's walk touches and what it leaves. Host memory (how large a page, whether it is writable) is no affair
 * of the MMU and is taken over from the trace; so are accessed and dirty bits, which the hardware sets.
 *
 * A fault that ends without a change has been dropped: another vCPU or a notifier was faster, which shows, or the vCPU comes back for the same page, which shows as well.
 */
import { AccessKind, EntryKind, FaultStep, HostWalk } from '@mmulab/api';
import type { MmuBackend, ReplayPort } from '@mmulab/api';
import type { Actor, Actors } from './actors';
import { isAfterHardware, sameEntry } from './entry-copy';
import type { EntryCopy } from './entry-copy';
import type { GuestMemory } from './guest-memory';
import { HostOperations } from './host-operations';
import { matchChange, matchRemovedEntry, matchZap } from './removals';
import type { SimChange, SimLog } from './sim-log';
import { FastFaults } from './fast-faults';
import { RootDrops } from './root-drops';
import type { CheckTally } from './tally';
import { TdpView } from './tdp-view';
import type { TdpTraits } from './tdp-view';
import { ExitReason, Kind } from './trace-event';
import type { Takers, TraceEvent } from './trace-event';
import { X86Fault } from './x86-fault';

const { Empty, Leaf, Table } = EntryKind;

/** Compares one trace. */
export class TdpCheck {
  readonly tally: CheckTally;
  private readonly takers: Takers = {
    [Kind.Exit]: event => {
      this.endOf(event).lastExit = event.value;
    },
    [Kind.Entry]: event => void this.endOf(event),
    [Kind.PageFault]: event => this.begin(event),
    [Kind.FastFault]: event => this.fastFaults.fast(event),
    [Kind.GetPage]: event => event.value === 1 && this.getPage(event),
    [Kind.SpteChanged]: event => event.space === 0 && this.changed(event),
    [Kind.SetSpte]: event => !this.traits.tellsChanges && this.set(event),
    [Kind.ZapPage]: event => this.zapPage(event),
    [Kind.MarkMmio]: ({ gfn }) => {
      this.memory.touch(gfn);
      this.memory.learnMmio(gfn);
    },
    [Kind.Flush]: event => this.roots.flush(event),
    [Kind.Lost]: () => this.lost(),
  };
  private readonly view: TdpView;
  private readonly actors: Actors;
  private readonly fault = new X86Fault();
  private readonly old: EntryCopy;
  private readonly now: EntryCopy;
  private readonly host: HostOperations;
  private readonly fastFaults: FastFaults;
  private readonly roots: RootDrops;

  constructor(
    private readonly backend: MmuBackend,
    private readonly port: ReplayPort,
    private readonly log: SimLog,
    private readonly memory: GuestMemory,
    private readonly traits: TdpTraits,
  ) {
    const view = new TdpView(port, log, memory, traits);
    this.view = view;
    this.tally = view.tally;
    this.actors = view.actors;
    this.old = view.old;
    this.now = view.now;
    this.host = new HostOperations(port, log, memory, view.tally, traits);
    this.fastFaults = new FastFaults(view);
    this.roots = new RootDrops(view, backend);
  }

  /** The next event of the trace. */
  take(event: TraceEvent): void {
    this.takers[event.kind]?.(event);
  }

  /** The trace is at an end. Faults under way are cut off, not judged. */
  finish(): void {
    for (const actor of this.actors.all()) {
      this.host.end(actor);
      this.leftOver(actor, actor.faultLine);
    }
  }

  private endOf(event: TraceEvent): Actor {
    const actor = this.actors.vcpuOf(event);
    this.host.end(actor);
    if (actor.inFault) this.endFault(actor, event.line);
    return actor;
  }

  private begin(event: TraceEvent): void {
    const actor = this.endOf(event);
    this.tally.faults++;
    this.memory.touch(event.gfn);
    const fault = this.fault.decode(event.gfn, event.newHi, event.newLo, this.traits.ept);
    actor.inFault = true;
    actor.gfn = event.gfn;
    actor.kind = fault.kind;
    actor.faultLine = event.line;
    actor.changed = false;
    actor.disturbed = this.view.isFrozen(event.gfn);
    this.judgeDropped(actor, event.gfn);
    if (!this.traits.tellsChanges) this.inferHost(event, fault);
    this.port.beginFault(actor.vcpu, fault);
    this.memory.assume(event.gfn);
    this.log.take();
  }

  /** Where the trace tells of no entry, a fault that the tables do not explain tells what the host did to them. */
  private inferHost({ gfn, line }: TraceEvent, fault: X86Fault): void {
    const { port, memory, tally } = this;
    const { kind, writable, level } = port.entryAt(gfn, 1);
    if (kind !== Leaf) return;
    const span = 512 ** (level - 1);
    if (!fault.present) {
      port.walk(HostWalk.Unmap, gfn - (gfn % span), gfn - (gfn % span) + span, 1);
      tally.infer(line, `the host took gfn 0x${gfn.toString(16)} away`);
    } else if (fault.kind === AccessKind.Write && writable) {
      const start = memory.startOf(gfn);
      port.setLogged(start, memory.endOf(gfn) - start, true);
      port.walk(HostWalk.WriteProtect, start, memory.endOf(gfn), 1);
      tally.infer(line, `dirty logging has write-protected the memory around gfn 0x${gfn.toString(16)}`);
    }
  }

  /** A fault that ended without its change has come again, or should have made it. */
  private judgeDropped(actor: Actor, gfn: number): void {
    const { dropped } = actor;
    actor.dropped = undefined;
    if (dropped === undefined) return;
    if (dropped.gfn === gfn) this.tally.retries++;
    else this.view.miss(actor, dropped.line, dropped.simulated);
  }

  private endFault(actor: Actor, line: number): void {
    const { port } = this;
    actor.inFault = false;
    this.leftOver(actor, line);
    this.runEarlyStages(actor);
    if (port.wouldChange(actor.vcpu)) {
      if (actor.disturbed) this.tally.retries++;
      else actor.dropped = { gfn: actor.gfn, line: actor.faultLine, simulated: `a change for the fault at gfn 0x${actor.gfn.toString(16)}` };
    } else if (port.nextStep(actor.vcpu) === FaultStep.Map) {
      port.step(actor.vcpu);
    }
    port.endFault(actor.vcpu);
    this.log.take();
  }

  /** Runs the stages before the tables are changed. */
  private runEarlyStages(actor: Actor): void {
    const { port } = this;
    if (port.nextStep(actor.vcpu) === FaultStep.Fast) this.fastFaults.fastUntold(actor);
    if (port.nextStep(actor.vcpu) === FaultStep.Host) port.step(actor.vcpu);
  }

  /** A table has been taken: for a fault, for an eager split, or for a root. */
  private getPage(event: TraceEvent): void {
    const { tally, traits } = this;
    const actor = this.actors.of(event);
    const parent = traits.parentLevels ? event.level : event.level + 1;
    if (parent > traits.levels) {
      this.rootMade(event, actor);
      return;
    }
    tally.allocations.recorded++;
    this.memory.touch(event.gfn);
    if (actor.inFault) {
      this.runEarlyStages(actor);
      if (!this.view.isForced(actor)) this.view.learnTable(actor.gfn, parent);
      if (!traits.tellsChanges) this.roots.expectFreshRoot(event, actor, parent);
    }
    this.view.sawFirst(parent === traits.levels);
    if (this.takesTable(event, actor, parent)) tally.allocations.equal++;
    else if (tally.attached) tally.adopted++;
    else this.differTable(event, actor, parent);
    if (!traits.tellsChanges) this.linked(event, actor, parent);
  }

  /** Whether a table is to be taken for the entry of `parent`: for a fault that has not lost its race, or for a walk that splits. */
  private takesTable(event: TraceEvent, actor: Actor, parent: number): boolean {
    const { port } = this;
    if (!actor.inFault && actor.queue.find(({ level, gfn, newKind }) => level === parent && gfn === event.gfn && newKind === Table) >= 0) return true;
    if (actor.inFault && actor.disturbed) return true;
    const at = port.entryAt(actor.inFault ? actor.gfn : event.gfn, parent);
    return at.level === parent && at.kind !== Table && (!actor.inFault || port.wouldChange(actor.vcpu));
  }

  private differTable(event: TraceEvent, actor: Actor, parent: number): void {
    const at = this.port.entryAt(event.gfn, parent);
    this.tally.differ(
      event.line,
      actor.name,
      `a table below gfn 0x${event.gfn.toString(16)} level ${parent}`,
      this.view.wordsOf(at.level, at.kind, at.bits),
    );
  }

  private rootMade(event: TraceEvent, actor: Actor): void {
    this.view.fromStart ??= true;
    this.tally.allocations.recorded++;
    this.tally.allocations.equal++;
    this.log.take();
    this.roots.doomRoot(event);
    this.backend.enter(Math.max(0, actor.vcpu));
    actor.lastExit = ExitReason.Other;
  }

  /** Where tables are told of and entries are not, taking one is linking it. */
  private linked(event: TraceEvent, actor: Actor, parent: number): void {
    if (!actor.inFault) return;
    this.tally.transitions.recorded++;
    this.now.of(this.port.entryAt(event.gfn, 5));
    this.now.kind = Table;
    this.now.bits = 0;
    this.stepMap(event, actor, parent, false);
  }

  /** An entry has changed. */
  private changed(event: TraceEvent): void {
    const { port, memory } = this;
    const actor = this.actors.of(event);
    this.view.sawFirst(event.level === this.traits.levels);
    this.tally.transitions.recorded++;
    this.old.of(port.readDescriptor(event.oldHi, event.oldLo, event.level));
    this.now.of(port.readDescriptor(event.newHi, event.newLo, event.level));
    if (matchRemovedEntry(actor, event, this.old, this.tally, this.traits.tellsZaps, port.hardwareBits)) return;
    memory.touch(event.gfn);
    if (!actor.inFault && this.roots.isDoomed(event)) return;
    if (actor.queue.length > 0) matchChange(actor, event, this.old, this.now, this.tally, port);
    else if (this.isOfFault(actor, event)) this.faultChange(event, actor);
    else this.hostChange(event, actor);
    this.disturb(actor, event);
  }

  /** A leaf has been set by a fault, on kernels that tell of no other change. */
  private set(event: TraceEvent): void {
    const actor = this.actors.of(event);
    this.tally.transitions.recorded++;
    this.now.of(this.port.readDescriptor(event.newHi, event.newLo, event.level));
    if (!actor.inFault) {
      this.tally.differ(event.line, actor.name, 'a leaf outside of a fault', 'none');
      return;
    }
    this.runEarlyStages(actor);
    this.roots.expectFreshRoot(event, actor, event.level);
    if (event.level > 1 && this.port.isLogged(event.gfn)) this.view.switchLogging(event, false);
    this.learnFrom(actor, event, false);
    this.stepMap(event, actor, event.level, false);
  }

  /** Whether an event is a change that the task's fault makes. */
  private isOfFault(actor: Actor, event: TraceEvent): boolean {
    if (!actor.inFault) return false;
    const span = 512 ** (event.level - 1);
    if (actor.gfn < event.gfn || actor.gfn >= event.gfn + span) return false;
    // A page that goes without being frozen first was taken by a notifier: the host's copy-on-write.
    return !(this.old.kind === Leaf && this.now.kind === Empty);
  }

  private faultChange(event: TraceEvent, actor: Actor): void {
    this.runEarlyStages(actor);
    this.catchUp(event, actor);
    this.checkOld(event, actor);
    this.inferLogging(event, actor);
    this.learnFrom(actor, event, true);
    this.stepMap(event, actor, event.level, true);
  }

  /** The next change of a fault, and whether it is the recorded one. */
  private stepMap(event: TraceEvent, actor: Actor, level: number, comparesOld: boolean): void {
    const { port, log, tally } = this;
    actor.changed = true;
    if (port.nextStep(actor.vcpu) === FaultStep.Map) port.step(actor.vcpu);
    const [change, ...others] = log.take();
    const recorded = (): string => this.view.wordsFor(event.gfn, level, comparesOld);
    if (change === undefined && this.isThere(event.gfn, level, comparesOld)) tally.transitions.equal++;
    else if (change === undefined) tally.differ(event.line, actor.name, recorded(), 'no change');
    else if (this.isSame(change, event.gfn, level, comparesOld)) tally.transitions.equal++;
    else tally.differ(event.line, actor.name, recorded(), this.view.words(change));
    actor.queue.add(others);
    if (!this.traits.tellsChanges) this.roots.expectFlushes(actor, others);
  }

  /** A leaf that a spurious fault tells of once more. */
  private isThere(gfn: number, level: number, comparesOld: boolean): boolean {
    const at = this.port.entryAt(gfn, level);
    return !comparesOld && at.level === level && isAfterHardware(at.kind, at.bits & ~this.port.hardwareBits, this.now, this.port.hardwareBits);
  }

  private isSame(change: SimChange, gfn: number, level: number, comparesOld: boolean): boolean {
    const { old, now } = this;
    if (change.level !== level || change.gfn !== (this.traits.tellsChanges ? gfn : gfn - (gfn % 512 ** (level - 1)))) return false;
    if (!sameEntry(change.newKind, change.newBits, now)) return false;
    return !comparesOld || sameEntry(change.oldKind, change.oldBits, old);
  }

  private hostChange(event: TraceEvent, actor: Actor): void {
    this.checkOld(event, actor);
    const isUnmap = this.old.kind === Leaf && this.now.kind === Empty;
    this.host.change(event, actor, this.old, this.now);
    if (!isUnmap) return;
    this.memory.forget(event.gfn, event.gfn + 512 ** (event.level - 1));
    // A notifier drops every fault that has looked before and maps after it.
    for (const other of this.actors.vcpus()) if (other.inFault) other.disturbed = true;
  }

  /** The entry as the trace has it before the change, against the tables; afterwards the tables have it so. */
  private checkOld(event: TraceEvent, actor: Actor): void {
    const { port, old, tally } = this;
    const at = port.entryAt(event.gfn, event.level);
    if (at.level === event.level && sameEntry(at.kind, at.bits, old)) return;
    this.view.syncHardware(event.gfn, event.level);
    const { kind, level, bits } = port.entryAt(event.gfn, event.level);
    if (level === event.level && sameEntry(kind, bits, old)) return;
    const isOlder = tally.attached && (kind === Empty || level > event.level);
    if (isOlder) tally.adopted++;
    else
      tally.differ(
        event.line,
        actor.name,
        `${this.view.wordsOf(event.level, old.kind, old.bits)} before the change`,
        this.view.wordsOf(level, kind, bits),
      );
    if (!old.frozen) this.view.adoptOld(event.gfn, event.level);
  }

  /**
   * An event is written after its change: another vCPU may have changed the entry, or linked the table that holds it, and tell of it later. Its change is made now, and expected.
   */
  private catchUp(event: TraceEvent, actor: Actor): void {
    const { port, old } = this;
    for (let tries = 0; tries < this.traits.levels; tries++) {
      const at = port.entryAt(event.gfn, event.level);
      const { level, gfn } = { level: at.level, gfn: event.gfn - (event.gfn % 512 ** (at.level - 1)) };
      if (level === event.level && (at.kind !== Empty || old.kind === Empty || old.frozen)) return;
      const ahead = this.view.otherAt(actor, gfn, 512 ** (level - 1));
      if (ahead === undefined) return;
      this.runEarlyStages(ahead);
      if (old.kind === Leaf && level === event.level) this.memory.learnLeaf(event.gfn, level, old.hostWritable, true);
      else this.view.learnTable(ahead.gfn, level);
      port.step(ahead.vcpu);
      ahead.changed = true;
      ahead.queue.add(this.log.take());
    }
  }

  /** A change by a fault that only dirty logging explains, or rules out: it has been switched without a trace. */
  private inferLogging(event: TraceEvent, actor: Actor): void {
    const { old, now, memory, port } = this;
    const { level, gfn } = event;
    const logged = port.isLogged(gfn);
    if (logged && now.kind === Leaf && level > 1) this.view.switchLogging(event, false);
    const isSmaller = level > 1 && (now.kind === Table || (old.kind === Leaf && now.frozen));
    if (logged || !isSmaller || memory.levelOf(actor.gfn) < level) return;
    if (!(actor.kind === AccessKind.Exec && this.traits.nxHugePages)) this.view.switchLogging(event, true);
  }

  private learnFrom(actor: Actor, event: TraceEvent, mayBeLogged: boolean): void {
    const { now, memory } = this;
    if (now.mmio) memory.learnMmio(actor.gfn);
    else if (now.kind === Leaf) memory.learnLeaf(event.level === 1 ? actor.gfn : event.gfn, event.level, now.hostWritable, this.view.isForced(actor));
    else if (now.kind === Table && !(mayBeLogged && this.view.isForced(actor))) this.view.learnTable(actor.gfn, event.level);
  }

  /** Faults whose frame lies in a changed entry may be lost to it. */
  private disturb(actor: Actor, event: TraceEvent): void {
    const end = event.gfn + 512 ** (event.level - 1);
    actor.frozenTo = 0;
    if (this.now.frozen) {
      actor.frozenFrom = event.gfn;
      actor.frozenTo = end;
    }
    for (const other of this.actors.vcpus())
      if (other !== actor && other.inFault && other.gfn >= event.gfn && other.gfn < end) other.disturbed = true;
  }

  private zapPage(event: TraceEvent): void {
    const actor = this.actors.of(event);
    this.tally.zaps.recorded++;
    if (this.roots.isPending && actor.queue.length === 0) this.tally.zaps.equal++;
    else matchZap(actor, event, this.tally);
  }

  /** Events were lost: what was under way is not judged. */
  private lost(): void {
    for (const actor of this.actors.all()) {
      actor.inFault = false;
      actor.dropped = undefined;
      actor.queue.clear();
      actor.removals.length = 0;
      actor.operation = undefined;
    }
    this.view.fromStart = false;
    this.tally.attached = true;
  }

  /** Simulated changes whose events did not come. */
  private leftOver(actor: Actor, line: number): void {
    for (let change = actor.queue.head; change !== undefined; change = actor.queue.head) {
      if (!change.removed || this.traits.tellsZaps) this.view.miss(actor, line, this.view.words(change));
      actor.queue.drop();
    }
    actor.queue.clear();
    actor.removals.length = 0;
  }
}
