/**
 * The TDP MMU held against a trace, change by change.
 *
 * The trace says what happens and when: faults begin where it has them, and each change of the tables falls where its event stands, so that races between vCPUs come out as they did. What the change
 * is, the simulation says: level, old and new entry, which table is taken or zapped, what a host's walk touches and what it leaves. Host memory (how large a page, whether it is writable) is no affair
 * of the MMU and is taken over from the trace; so are accessed and dirty bits, which the hardware sets.
 *
 * A fault that ends without a change has been dropped: another vCPU or a notifier was faster, which shows, or the vCPU comes back for the same page, which shows as well.
 */
import { EntryKind, FaultStep, HostWalk } from '@mmulab/api';
import type { MmuBackend, ReplayPort } from '@mmulab/api';
import { Actors } from './actors';
import type { Actor } from './actors';
import { EntryCopy, isAfterHardware, sameEntry } from './entry-copy';
import type { GuestMemory } from './guest-memory';
import { HostOperations } from './host-operations';
import { matchChange, matchRemovedEntry, matchZap } from './removals';
import type { SimChange, SimLog } from './sim-log';
import { CheckTally } from './tally';
import { ExitReason, Kind } from './trace-event';
import type { TraceEvent } from './trace-event';
import { X86Fault } from './x86-fault';

const { Empty, Leaf, Table } = EntryKind;

/** What the check must know of the machine. */
export interface TdpTraits {
  /** Descriptors and fault codes are Intel's. */
  readonly ept: boolean;
  readonly nxHugePages: boolean;
  /** Huge pages are split when dirty logging starts. */
  readonly eagerSplit: boolean;
  /** Levels of the tables. */
  readonly levels: number;
  /** Dirty pages are logged by hardware: huge leaves alone lose W. */
  readonly pml: boolean;
  /** The trace tells of every changed entry; else leaves by kvm_mmu_set_spte, tables by kvm_mmu_get_page. */
  readonly tellsChanges: boolean;
  /** Tables are told of when they are zapped. */
  readonly tellsZaps: boolean;
  /** Lockless attempts are told of. */
  readonly tellsFastFaults: boolean;
  /** kvm_mmu_get_page names the level of the entry that a table hangs below (5.10), not the table's own. */
  readonly parentLevels: boolean;
}

/** Compares one trace. */
export class TdpCheck {
  readonly tally = new CheckTally();
  private readonly actors = new Actors();
  private readonly fault = new X86Fault();
  private readonly old = new EntryCopy();
  private readonly now = new EntryCopy();
  private readonly host: HostOperations;
  /** Pages whose lockless fix was told of by the wrong one of two vCPUs. */
  private readonly swapped = new Set<number>();
  /** Entries of roots that went at once, whose events are still to come, by level and frame. */
  private readonly doomed = new Map<number, SimChange>();
  /** The first events made the root: nothing is older than the trace. */
  private fromStart: boolean | undefined = undefined;

  constructor(
    private readonly backend: MmuBackend,
    private readonly port: ReplayPort,
    private readonly log: SimLog,
    private readonly memory: GuestMemory,
    private readonly traits: TdpTraits,
  ) {
    this.host = new HostOperations(port, log, memory, this.tally, traits);
  }

  /** The next event of the trace. */
  take(event: TraceEvent): void {
    switch (event.kind) {
      case Kind.Exit: {
        const actor = this.endOf(event);
        actor.lastExit = event.value;
        break;
      }
      case Kind.Entry:
        this.endOf(event);
        break;
      case Kind.PageFault:
        this.begin(event);
        break;
      case Kind.FastFault:
        this.fast(event);
        break;
      case Kind.GetPage:
        if (event.value === 1) this.getPage(event);
        break;
      case Kind.SpteChanged:
        if (event.space === 0) this.changed(event);
        break;
      case Kind.SetSpte:
        if (!this.traits.tellsChanges) this.set(event);
        break;
      case Kind.ZapPage:
        this.zapPage(event);
        break;
      case Kind.MarkMmio:
        this.memory.touch(event.gfn);
        this.memory.learnMmio(event.gfn);
        break;
      case Kind.Flush:
        this.flush(event);
        break;
      case Kind.Lost:
        this.lost();
        break;
    }
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
    actor.disturbed = this.isFrozen(event.gfn);
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
    } else if (fault.kind === 1 && writable) {
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
    else this.miss(actor, dropped.line, dropped.simulated);
  }

  private endFault(actor: Actor, line: number): void {
    const { port } = this;
    actor.inFault = false;
    this.leftOver(actor, line);
    this.settle(actor);
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
  private settle(actor: Actor): void {
    const { port } = this;
    if (port.nextStep(actor.vcpu) === FaultStep.Fast) this.fastUntold(actor);
    if (port.nextStep(actor.vcpu) === FaultStep.Host) port.step(actor.vcpu);
  }

  /** The lockless path, of which the trace has no event here. */
  private fastUntold(actor: Actor): void {
    this.log.keepsQuiet = true;
    this.port.step(actor.vcpu);
    this.log.keepsQuiet = false;
    const [fixed] = this.log.take();
    if (fixed !== undefined && this.traits.tellsFastFaults && !actor.disturbed) this.miss(actor, actor.faultLine, this.words(fixed));
  }

  private fast(event: TraceEvent): void {
    const { port, tally } = this;
    const actor = this.actors.vcpuOf(event);
    tally.fastFaults.recorded++;
    // Something to mend before anything was made: the tables are older than the trace.
    this.sawFirst(false);
    if (!actor.inFault || port.nextStep(actor.vcpu) !== FaultStep.Fast) {
      tally.differ(event.line, actor.name, 'a lockless attempt', 'none');
      return;
    }
    const { level, kind } = port.entryAt(actor.gfn, 1);
    const isOlder = tally.attached && kind !== Leaf;
    this.old.of(port.readDescriptor(event.oldHi, event.oldLo, isOlder ? 1 : level));
    this.now.of(port.readDescriptor(event.newHi, event.newLo, isOlder ? 1 : level));
    if (isOlder) this.adoptOld(actor.gfn, 1);
    this.syncHardware(actor.gfn, isOlder ? 1 : level);
    this.log.keepsQuiet = true;
    port.step(actor.vcpu);
    this.log.keepsQuiet = false;
    const [change] = this.log.take();
    const fixed = (event.value & 2) !== 0;
    const spurious = (event.value & 1) !== 0;
    const done = port.nextStep(actor.vcpu) === FaultStep.Done;
    const isEqual = fixed ? change !== undefined && change.newBits === this.now.bits : change === undefined && done === spurious;
    if (fixed) actor.changed = true;
    if (isEqual || this.isSwapped(actor, fixed, spurious, change !== undefined, done)) tally.fastFaults.equal++;
    else tally.differ(event.line, actor.name, outcome(fixed, spurious), outcome(change !== undefined, done));
  }

  /** Two vCPUs mend the same page, and the one that came second tells of it first. */
  private isSwapped(actor: Actor, fixed: boolean, spurious: boolean, simulatedFix: boolean, done: boolean): boolean {
    if (spurious && simulatedFix) {
      const other = this.otherAt(actor, actor.gfn, 1);
      if (other === undefined || this.port.nextStep(other.vcpu) !== FaultStep.Fast) return false;
      this.swapped.add(actor.gfn);
      return true;
    }
    return fixed && done && !simulatedFix && this.swapped.delete(actor.gfn);
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
      this.settle(actor);
      if (!this.isForced(actor)) this.learnTable(actor.gfn, parent);
      if (!traits.tellsChanges) this.expectFreshRoot(event, actor, parent);
    }
    this.sawFirst(parent === traits.levels);
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
      this.wordsOf(at.level, at.kind, at.bits),
    );
  }

  /** The first change tells whether anything is older than the trace. */
  private sawFirst(isTop: boolean): void {
    this.fromStart ??= isTop;
    if (!this.fromStart) this.tally.attached = true;
  }

  private rootMade(event: TraceEvent, actor: Actor): void {
    this.fromStart ??= true;
    this.tally.allocations.recorded++;
    this.tally.allocations.equal++;
    this.log.take();
    this.doomRoot(event);
    this.backend.enter(Math.max(0, actor.vcpu));
    actor.lastExit = ExitReason.Other;
  }

  /** A new root while there is one with entries: that one has been invalidated, and is emptied by and by. */
  private doomRoot(event: TraceEvent): void {
    const { port, tally, log } = this;
    if (!this.traits.tellsChanges || !port.hasEntries()) return;
    port.dropRoots();
    for (const change of log.take()) if (!change.removed) this.doomed.set(placeOf(change.gfn, change.level), change);
    tally.infer(event.line, 'all roots were invalidated');
  }

  /** An entry of an invalidated root goes. @returns whether it was one */
  private isDoomed(event: TraceEvent): boolean {
    if (this.doomed.size === 0 || (this.now.kind !== Empty && !this.now.frozen)) return false;
    const place = placeOf(event.gfn, event.level);
    const change = this.doomed.get(place);
    if (change === undefined) return this.old.kind === Empty && this.equalTransition();
    if (!isAfterHardware(change.oldKind, change.oldBits, this.old, this.port.hardwareBits)) return false;
    this.doomed.delete(place);
    return this.equalTransition();
  }

  private equalTransition(): true {
    this.tally.transitions.equal++;
    return true;
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
    this.sawFirst(event.level === this.traits.levels);
    this.tally.transitions.recorded++;
    this.old.of(port.readDescriptor(event.oldHi, event.oldLo, event.level));
    this.now.of(port.readDescriptor(event.newHi, event.newLo, event.level));
    if (matchRemovedEntry(actor, event, this.old, this.tally, this.traits.tellsZaps, port.hardwareBits)) return;
    memory.touch(event.gfn);
    if (!actor.inFault && this.isDoomed(event)) return;
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
    this.settle(actor);
    this.expectFreshRoot(event, actor, event.level);
    if (event.level > 1 && this.port.isLogged(event.gfn)) this.switchLogging(event, false);
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
    this.settle(actor);
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
    const recorded = (): string => this.wordsFor(event.gfn, level, comparesOld);
    if (change === undefined && this.isThere(event.gfn, level, comparesOld)) tally.transitions.equal++;
    else if (change === undefined) tally.differ(event.line, actor.name, recorded(), 'no change');
    else if (this.isSame(change, event.gfn, level, comparesOld)) tally.transitions.equal++;
    else tally.differ(event.line, actor.name, recorded(), this.words(change));
    actor.queue.add(others);
    if (!this.traits.tellsChanges) this.expectFlushes(actor, others);
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
    this.syncHardware(event.gfn, event.level);
    const { kind, level, bits } = port.entryAt(event.gfn, event.level);
    if (level === event.level && sameEntry(kind, bits, old)) return;
    const isOlder = tally.attached && (kind === Empty || level > event.level);
    if (isOlder) tally.adopted++;
    else tally.differ(event.line, actor.name, `${this.wordsOf(event.level, old.kind, old.bits)} before the change`, this.wordsOf(level, kind, bits));
    if (!old.frozen) this.adoptOld(event.gfn, event.level);
  }

  /** The tables have the entry as the trace says it was. */
  private adoptOld(gfn: number, level: number): void {
    const { port, old, memory, log } = this;
    port.adopt(gfn, level, old);
    if (old.kind === Leaf) memory.learnLeaf(gfn, level, old.hostWritable, true);
    log.take();
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
      const ahead = this.otherAt(actor, gfn, 512 ** (level - 1));
      if (ahead === undefined) return;
      this.settle(ahead);
      if (old.kind === Leaf && level === event.level) this.memory.learnLeaf(event.gfn, level, old.hostWritable, true);
      else this.learnTable(ahead.gfn, level);
      port.step(ahead.vcpu);
      ahead.changed = true;
      ahead.queue.add(this.log.take());
    }
  }

  /** Another vCPU whose fault lies in a span, and that is about to change something. */
  private otherAt(actor: Actor, gfn: number, npages: number): Actor | undefined {
    for (const other of this.actors.vcpus()) {
      if (other === actor || !other.inFault || other.gfn < gfn || other.gfn >= gfn + npages) continue;
      if (this.port.nextStep(other.vcpu) !== FaultStep.Done) return other;
    }
    return undefined;
  }

  /** The hardware has set A or D since: the access is made up for. */
  private syncHardware(gfn: number, level: number): void {
    const { port, old } = this;
    if (old.kind !== Leaf) return;
    const { kind, level: found, dirty, accessed } = port.entryAt(gfn, level);
    if (kind !== Leaf || found !== level) return;
    if (old.dirty && !dirty) port.hardware(gfn, 1);
    else if (old.accessed && !accessed) port.hardware(gfn, 0);
    this.log.take();
  }

  /** A change by a fault that only dirty logging explains, or rules out: it has been switched without a trace. */
  private inferLogging(event: TraceEvent, actor: Actor): void {
    const { old, now, memory, port } = this;
    const { level, gfn } = event;
    const logged = port.isLogged(gfn);
    if (logged && now.kind === Leaf && level > 1) this.switchLogging(event, false);
    const isSmaller = level > 1 && (now.kind === Table || (old.kind === Leaf && now.frozen));
    if (logged || !isSmaller || memory.levelOf(actor.gfn) < level) return;
    if (!(actor.kind === 2 && this.traits.nxHugePages)) this.switchLogging(event, true);
  }

  private switchLogging(event: TraceEvent, on: boolean): void {
    const start = this.memory.startOf(event.gfn);
    this.port.setLogged(start, this.memory.endOf(event.gfn) - start, on);
    this.tally.infer(event.line, `dirty logging of the memory around gfn 0x${event.gfn.toString(16)} is ${on ? 'on' : 'off'}`);
  }

  /** Whether something else than the host keeps a fault's leaf small. */
  private isForced(actor: Actor): boolean {
    return this.port.isLogged(actor.gfn) || (actor.kind === 2 && this.traits.nxHugePages);
  }

  private learnFrom(actor: Actor, event: TraceEvent, mayBeLogged: boolean): void {
    const { now, memory } = this;
    if (now.mmio) memory.learnMmio(actor.gfn);
    else if (now.kind === Leaf) memory.learnLeaf(event.level === 1 ? actor.gfn : event.gfn, event.level, now.hostWritable, this.isForced(actor));
    else if (now.kind === Table && !(mayBeLogged && this.isForced(actor))) this.learnTable(actor.gfn, event.level);
  }

  /** A table below an entry of `level`: the host's pages are smaller, unless it is known better. */
  private learnTable(gfn: number, level: number): void {
    if (this.memory.levelOf(gfn) === 0) this.memory.assume(gfn, level - 1);
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

  private isFrozen(gfn: number): boolean {
    for (const actor of this.actors.all()) if (gfn >= actor.frozenFrom && gfn < actor.frozenTo) return true;
    return false;
  }

  private zapPage(event: TraceEvent): void {
    const actor = this.actors.of(event);
    this.tally.zaps.recorded++;
    if (this.doomed.size > 0 && actor.queue.length === 0) this.tally.zaps.equal++;
    else matchZap(actor, event, this.tally);
  }

  /** 5.10 tells of removed tables by the flush that each of them asks for. */
  private flush(event: TraceEvent): void {
    if (this.traits.tellsChanges || event.gfn < 0) return;
    const actor = this.actors.of(event);
    this.tally.zaps.recorded++;
    if (actor.flushes.length === 0) this.dropRoot(event, actor);
    const expected = actor.flushes.shift();
    const recorded = `a table of ${event.npages} pages at gfn 0x${event.gfn.toString(16)}`;
    if (expected?.gfn === event.gfn && expected.npages === event.npages) this.tally.zaps.equal++;
    else
      this.tally.differ(
        event.line,
        actor.name,
        recorded,
        expected === undefined ? 'none' : `one of ${expected.npages} pages at gfn 0x${expected.gfn.toString(16)}`,
      );
  }

  /** A root goes: by a vCPU's control register, or with the VM. */
  private dropRoot(event: TraceEvent, actor: Actor): void {
    this.log.take();
    if (actor.vcpu >= 0 && actor.lastExit === ExitReason.ControlWrite) {
      this.tally.infer(event.line, `vcpu ${actor.vcpu} wrote a control register that its role contains`);
      this.backend.control(actor.vcpu, { register: 'cr0', bit: 'wp', value: 'toggle' });
      actor.lastExit = ExitReason.Other;
    } else {
      this.port.dropRoots();
    }
    this.expectFlushes(actor, this.log.take());
  }

  /** A fault builds where there is something already: the root went without a word. */
  private expectFreshRoot(event: TraceEvent, actor: Actor, level: number): void {
    const at = this.port.entryAt(actor.gfn, level);
    const isTop = level === this.traits.levels;
    if (at.level !== level || at.kind === Empty || !(isTop || actor.lastExit === ExitReason.ControlWrite)) return;
    this.dropRoot(event, actor);
  }

  /** Tables that went: their flushes come after those of the tables below them. */
  private expectFlushes(actor: Actor, changes: readonly SimChange[]): void {
    const open: SimChange[] = [];
    const close = (above: number): void => {
      for (let last = open.at(-1); last !== undefined && last.level <= above; last = open.at(-1)) {
        open.pop();
        actor.flushes.push({ gfn: last.gfn, npages: 512 ** (last.level - 1) });
      }
    };
    for (const change of changes) {
      if (!change.removed) continue;
      close(change.level);
      open.push(change);
    }
    close(Infinity);
    actor.queue.clear();
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
    this.fromStart = false;
    this.tally.attached = true;
  }

  /** Simulated changes whose events did not come. */
  private leftOver(actor: Actor, line: number): void {
    for (let change = actor.queue.head; change !== undefined; change = actor.queue.head) {
      if (!change.removed || this.traits.tellsZaps) this.miss(actor, line, this.words(change));
      actor.queue.drop();
    }
    actor.queue.clear();
    actor.removals.length = 0;
  }

  private miss(actor: Actor, line: number, simulated: string): void {
    this.tally.missing++;
    this.tally.differ(line, actor.name, 'nothing', simulated);
  }

  private words(change: SimChange): string {
    if (change.removed) return `the table below gfn 0x${change.gfn.toString(16)} level ${change.level} goes`;
    const { level, gfn, oldKind, oldBits, newKind, newBits } = change;
    return `gfn 0x${gfn.toString(16)} level ${level}: ${this.port.describe(oldKind, oldBits)} -> ${this.port.describe(newKind, newBits)}`;
  }

  private wordsFor(gfn: number, level: number, comparesOld: boolean): string {
    const { old, now, port } = this;
    const before = comparesOld ? `${port.describe(old.kind, old.bits)} -> ` : '';
    return `gfn 0x${gfn.toString(16)} level ${level}: ${before}${port.describe(now.kind, now.bits)}`;
  }

  private wordsOf(level: number, kind: EntryKind, bits: number): string {
    return `level ${level}: ${this.port.describe(kind, bits)}`;
  }
}

/** A place in the tables as one number. */
function placeOf(gfn: number, level: number): number {
  return gfn * 8 + level;
}

function outcome(fixed: boolean, spurious: boolean): string {
  return fixed ? 'a lockless fix' : spurious ? 'a spurious lockless fault' : 'a lockless attempt in vain';
}
