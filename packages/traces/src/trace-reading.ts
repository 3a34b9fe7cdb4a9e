/**
 * What a trace says happened, apart from what its kernel made of it: which vCPU touched which frame how, and what the host did. That goes to machines under other policies.
 *
 * An access is known where it faulted. It is made when its fault has ended, so that vCPUs keep the trace's order; how large and how writable the host's page behind it is, the leaf tells that the fault
 * mapped. Host operations are told from the entries they change, once per walk.
 */
import { AccessKind, EntryKind } from '@mmulab/api';
import type { ReplayPort } from '@mmulab/api';
import { Actors } from './actors';
import type { Actor } from './actors';
import { Arm64Fault } from './arm64-fault';
import { EntryCopy } from './entry-copy';
import type { PolicyMachine } from './policy-machine';
import type { RecordedCounts } from './recorded-counts';
import { ExitReason, Kind } from './trace-event';
import type { Takers, TraceEvent } from './trace-event';
import { X86Fault } from './x86-fault';

const { Empty, Leaf, Table } = EntryKind;
const KIND_NAMES = ['read', 'write', 'exec'];

/** Events that name a frame, and those that name an address. */
const BY_FRAME: ReadonlySet<number> = new Set([Kind.PageFault, Kind.SpteChanged, Kind.SetSpte]);
const BY_ADDRESS: ReadonlySet<number> = new Set([Kind.GuestFault, Kind.Map, Kind.Relax, Kind.WriteProtect, Kind.Unmap]);

/** Operations of the host, by what they change. */
const Host = { None: 0, Protect: 1, Split: 2, Collapse: 3, Unmap: 4, Age: 5, Zap: 6 } as const;

/** What the reading must know of the trace. */
export interface ReadingTraits {
  readonly ept: boolean;
  readonly pageBytes: number;
  /** First frame beyond the VM's address space. */
  readonly frameLimit: number;
  readonly tellsChanges: boolean;
  readonly tellsRegisters: boolean;
}

/** Lines whose event cannot have been as it stands there. */
export interface DoubtfulLines {
  /** What cannot have been, and what was made of it. */
  readonly why: string;
  readonly lines: number;
  readonly first: number;
}

/** Counts doubtful lines of one kind. */
class Doubt implements DoubtfulLines {
  lines = 0;
  first = 0;

  constructor(readonly why: string) {}

  add(line: number): void {
    if (this.lines++ === 0) this.first = line;
  }
}

export class TraceReading {
  private readonly takers: Takers = {
    [Kind.Exit]: event => this.exit(event),
    [Kind.Entry]: event => this.end(this.actors.vcpuOf(event)),
    [Kind.PageFault]: event => this.begin(event),
    [Kind.FastFault]: event => this.mended(event),
    [Kind.SpteChanged]: event => event.space === 0 && this.changed(event),
    [Kind.SetSpte]: event => !this.traits.tellsChanges && this.set(event),
    [Kind.ControlRegister]: event => event.space === 1 && this.register(event),
    [Kind.GuestFault]: event => this.beginAbort(event),
    [Kind.Map]: event => this.map(event),
    [Kind.Relax]: event => this.relax(event),
    [Kind.AbortReturn]: event => this.end(this.actors.of(event)),
    [Kind.WriteProtect]: event => this.operation(this.actors.of(event), Host.Protect, this.frame(event), this.frame(event) + 1),
    [Kind.Unmap]: event => this.unmap(event),
    [Kind.Marker]: event => this.marker(event.text),
  };
  private readonly actors = new Actors();
  private readonly fault = new X86Fault();
  private readonly abort = new Arm64Fault();
  private readonly old = new EntryCopy();
  private readonly now = new EntryCopy();
  private readonly operations = new Map<Actor, { readonly host: number; end: number }>();
  private readonly registers = new Map<number, { hi: number; lo: number }>();
  private phase = 'trace';
  /** How often a name was given to a phase. */
  private readonly named = new Map<string, number>();
  private marked = false;
  /** Leaves that deny the write they were mapped for, which no kernel maps. */
  private readonly denying = new Doubt('a leaf that denies the write it was mapped for; taken for one that does not');
  /** Frames beyond the VM's address space. */
  private readonly beyond = new Doubt("an address beyond the VM's; left out");

  constructor(
    private readonly machines: readonly PolicyMachine[],
    private readonly counts: RecordedCounts,
    private readonly port: ReplayPort,
    private readonly traits: ReadingTraits,
  ) {}

  /** The next event of the trace. */
  take(event: TraceEvent): void {
    this.counts.event(event);
    if (this.place(event) >= this.traits.frameLimit) return this.beyond.add(event.line);
    this.takers[event.kind]?.(event);
  }

  /** Lines that contradict the fault they belong to. */
  get doubts(): readonly DoubtfulLines[] {
    return [this.denying, this.beyond].filter(({ lines }) => lines > 0);
  }

  /** The trace is at an end. */
  finish(): void {
    for (const actor of this.actors.all()) this.end(actor);
    this.endPhase();
  }

  private exit(event: TraceEvent): void {
    const actor = this.actors.vcpuOf(event);
    this.end(actor);
    if (event.value !== ExitReason.ControlWrite || this.traits.tellsRegisters) return;
    // Which bit it was the trace does not tell; CR0.WP is what guests change.
    for (const machine of this.machines) machine.control(actor.vcpu, { register: 'cr0', bit: 'wp', value: 'toggle' });
  }

  private begin(event: TraceEvent): void {
    const actor = this.actors.vcpuOf(event);
    this.end(actor);
    const { kind, present, guestTable } = this.fault.decode(event.gfn, event.newHi, event.newLo, this.traits.ept);
    this.counts.add('page_fault');
    if (kind === AccessKind.Write) this.counts.add('page_fault.write');
    if (kind === AccessKind.Exec) this.counts.add('page_fault.fetch');
    if (present) this.counts.add('page_fault.present');
    if (guestTable) this.counts.add('page_fault.guest_table');
    actor.guestTable = guestTable;
    this.pend(actor, event.gfn, kind);
  }

  private beginAbort(event: TraceEvent): void {
    const actor = this.actors.vcpuOf(event);
    this.end(actor);
    const abort = this.abort.decode(this.frame(event), event.value);
    this.counts.add('guest_abort');
    if (!abort.isMmu) return;
    if (abort.guestTable) this.counts.add('guest_abort.s1ptw');
    if (!abort.accessFlag) this.counts.add(`guest_abort.${abort.present ? 'permission' : 'translation'}.${KIND_NAMES[abort.kind] ?? ''}`);
    // Until something is mapped for it, it may be a device.
    actor.gfn = abort.gfn;
    actor.kind = abort.kind;
    actor.guestTable = abort.guestTable;
  }

  private unmap(event: TraceEvent): void {
    const start = this.frame(event);
    const npages = (event.npages * 4096) / this.traits.pageBytes;
    for (const machine of this.machines) machine.unmap(start, start + npages);
  }

  private pend(actor: Actor, gfn: number, kind: AccessKind): void {
    for (const { memory } of this.machines) memory.touch(gfn);
    actor.inFault = true;
    actor.gfn = gfn;
    actor.kind = kind;
    actor.changed = false;
  }

  /** A fault has ended: its access is made. */
  private end(actor: Actor): void {
    if (this.operations.size > 0) this.operations.delete(actor);
    if (actor.inFault) this.make(actor);
  }

  /** An access is made. */
  private make(actor: Actor): void {
    actor.inFault = false;
    if (!actor.changed) for (const { memory } of this.machines) if (memory.levelOf(actor.gfn) === 0) memory.assume(actor.gfn, 1);
    for (const machine of this.machines) machine.access(actor.vcpu, actor.gfn, actor.kind as AccessKind, actor.guestTable);
  }

  /** The lockless path has mended an entry: the fault is over. */
  private mended(event: TraceEvent): void {
    const actor = this.actors.of(event);
    if (actor.inFault && event.value !== 0) this.make(actor);
  }

  private changed(event: TraceEvent): void {
    const { port, old, now } = this;
    const actor = this.actors.of(event);
    old.of(port.readDescriptor(event.oldHi, event.oldLo, event.level));
    now.of(port.readDescriptor(event.newHi, event.newLo, event.level));
    const end = event.gfn + 512 ** (event.level - 1);
    const ofFault = actor.inFault && actor.gfn >= event.gfn && actor.gfn < end && !(old.kind === Leaf && now.kind === Empty);
    if (ofFault) this.learn(actor, event);
    else this.operation(actor, hostOperation(old, now), event.gfn, end);
    this.counts.changed(event.level, old, now);
  }

  private set(event: TraceEvent): void {
    const actor = this.actors.of(event);
    this.now.of(this.port.readDescriptor(event.newHi, event.newLo, event.level));
    if (actor.inFault) this.learn(actor, event);
  }

  private learn(actor: Actor, { gfn, level, line }: TraceEvent): void {
    const { now } = this;
    if (now.kind !== Leaf) return;
    actor.changed = true;
    const writable = this.believe(actor, now.hostWritable, line);
    for (const { memory, port } of this.machines)
      memory.learnLeaf(level === 1 ? actor.gfn : gfn, level, writable, port.isLogged(gfn) || actor.kind === AccessKind.Exec);
    this.make(actor);
  }

  /** Whether the page behind a leaf that a fault mapped may be written: always where the fault was a write. @param says what the line has of it */
  private believe(actor: Actor, says: boolean, line: number): boolean {
    if (says || actor.kind !== AccessKind.Write) return says;
    this.denying.add(line);
    return true;
  }

  private map(event: TraceEvent): void {
    const actor = this.actors.of(event);
    if (event.space === 1 || actor.vcpu < 0) return;
    this.pend(actor, actor.gfn, actor.kind as AccessKind);
    actor.changed = true;
    const bytes = event.npages * 4096;
    const level = bytes <= this.traits.pageBytes ? 1 : bytes <= this.traits.pageBytes * (this.traits.pageBytes / 8) ? 2 : 3;
    const writable = this.believe(actor, (event.value & 2) !== 0, event.line);
    for (const { memory, port } of this.machines) {
      const logged = port.isLogged(actor.gfn);
      memory.assume(actor.gfn, level);
      memory.learnLeaf(level === 1 ? actor.gfn : this.frame(event), level, writable || logged, logged);
      if (logged && level > 1) machineLogOff(this.machines, actor.gfn);
    }
  }

  /** Rights are added to the leaf that a fault met. */
  private relax(event: TraceEvent): void {
    const actor = this.actors.of(event);
    if (actor.vcpu < 0) return;
    this.pend(actor, actor.gfn, actor.kind as AccessKind);
    actor.changed = true;
    if ((event.value & 2) === 0) return;
    for (const { memory, port } of this.machines) memory.learnLeaf(actor.gfn, port.entryAt(actor.gfn, 1).level, true, port.isLogged(actor.gfn));
  }

  /** A change that no fault made: the first of a walk is the operation. */
  private operation(actor: Actor, host: number, gfn: number, end: number): void {
    if (host === Host.None) return;
    const under = this.operations.get(actor);
    if (host === Host.Unmap) for (const machine of this.machines) machine.unmap(gfn, end);
    if (host === Host.Age) for (const machine of this.machines) machine.age(gfn, end);
    if (under !== undefined && under.host === host && gfn >= under.end) {
      under.end = end;
      return;
    }
    this.operations.set(actor, { host, end });
    if (host === Host.Zap && gfn === 0) for (const machine of this.machines) machine.zapAll();
    if (host !== Host.Protect && host !== Host.Split && host !== Host.Collapse) return;
    if (host === Host.Collapse) this.cut('after_log');
    else if (!this.isLogged(gfn)) this.cut('logged');
    for (const machine of this.machines) {
      machine.memory.touch(gfn);
      if (host === Host.Collapse) machine.log(gfn, false);
      else if (!machine.port.isLogged(gfn)) machine.log(gfn, true);
      else if (host === Host.Protect && under?.host !== Host.Split) machine.readLog(gfn);
    }
  }

  private isLogged(gfn: number): boolean {
    return this.machines[0]?.port.isLogged(gfn) ?? false;
  }

  /** Bits of CR0 and CR4 that a guest has changed. */
  private register(event: TraceEvent): void {
    const actor = this.actors.of(event);
    if (actor.vcpu < 0) return;
    const key = actor.vcpu * 16 + event.value;
    const before = this.registers.get(key);
    this.registers.set(key, { hi: event.newHi, lo: event.newLo });
    if (before === undefined) return;
    const changed = before.lo ^ event.newLo;
    const write = (register: 'cr0' | 'cr4', bit: 'wp' | 'pge' | 'smep' | 'smap', number: number): void => {
      if (((changed >>> number) & 1) === 0) return;
      const value = ((event.newLo >>> number) & 1) as 0 | 1;
      for (const machine of this.machines) machine.control(actor.vcpu, { register, bit, value } as Parameters<PolicyMachine['control']>[1]);
    };
    if (event.value === 0) write('cr0', 'wp', 16);
    if (event.value !== 4) return;
    write('cr4', 'pge', 7);
    write('cr4', 'smep', 20);
    write('cr4', 'smap', 21);
  }

  private marker(text: string): void {
    const name = /^PH\s+(\S+)/.exec(text)?.[1] ?? text.trim();
    if (name === '') return;
    this.marked = true;
    this.endPhase();
    this.phase = name.toLowerCase();
  }

  /** A phase of the trace begins, where it has no markers of its own. */
  private cut(name: string): void {
    if (this.marked || this.phase.replace(/_\d+$/, '') === name) return;
    this.endPhase();
    const times = (this.named.get(name) ?? 0) + 1;
    this.named.set(name, times);
    this.phase = times === 1 ? name : `${name}_${times}`;
  }

  private endPhase(): void {
    this.counts.endPhase(this.phase);
    for (const machine of this.machines) machine.endPhase(this.phase);
  }

  /** Frame an event is about, or -1. */
  private place(event: TraceEvent): number {
    return BY_FRAME.has(event.kind) ? event.gfn : BY_ADDRESS.has(event.kind) ? this.frame(event) : -1;
  }

  private frame(event: TraceEvent): number {
    return Math.floor(event.address / this.traits.pageBytes);
  }
}

function machineLogOff(machines: readonly PolicyMachine[], gfn: number): void {
  for (const machine of machines) machine.log(gfn, false);
}

/** Which operation of the host changes an entry like this. */
function hostOperation(old: EntryCopy, now: EntryCopy): number {
  if (old.kind === Leaf && now.kind === Leaf)
    return (old.writable && !now.writable) || (old.dirty && !now.dirty) ? Host.Protect : old.accessed && !now.accessed ? Host.Age : Host.None;
  if (old.kind === Leaf && now.kind === Table) return Host.Split;
  if (old.kind === Table) return now.frozen || now.kind === Leaf ? Host.Collapse : now.kind === Empty ? Host.Zap : Host.None;
  return old.kind === Leaf && now.kind === Empty ? Host.Unmap : Host.None;
}
