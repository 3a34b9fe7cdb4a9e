/**
 * What the parts of a comparison with the TDP MMU share: the trace's events and the simulation's tables at the moment, who acts, what the count is.
 */
import { AccessKind, EntryKind, FaultStep } from '@mmulab/api';
import type { ReplayPort } from '@mmulab/api';
import { Actors } from './actors';
import type { Actor } from './actors';
import { EntryCopy } from './entry-copy';
import type { GuestMemory } from './guest-memory';
import type { SimChange, SimLog } from './sim-log';
import { CheckTally } from './tally';
import type { TraceEvent } from './trace-event';

const { Leaf } = EntryKind;

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

export class TdpView {
  readonly tally = new CheckTally();
  readonly actors = new Actors();
  /** The entry of the event before and after. */
  readonly old = new EntryCopy();
  readonly now = new EntryCopy();
  /** The first events made the root: nothing is older than the trace. */
  fromStart: boolean | undefined = undefined;

  constructor(
    readonly port: ReplayPort,
    readonly log: SimLog,
    readonly memory: GuestMemory,
    readonly traits: TdpTraits,
  ) {}

  /** The first change tells whether anything is older than the trace. */
  sawFirst(isTop: boolean): void {
    this.fromStart ??= isTop;
    if (!this.fromStart) this.tally.attached = true;
  }

  /** The tables have the entry as the trace says it was. */
  adoptOld(gfn: number, level: number): void {
    const { port, old, memory, log } = this;
    port.adopt(gfn, level, old);
    if (old.kind === Leaf) memory.learnLeaf(gfn, level, old.hostWritable, true);
    log.take();
  }

  /** The hardware has set A or D since: the access is made up for. */
  syncHardware(gfn: number, level: number): void {
    const { port, old } = this;
    if (old.kind !== Leaf) return;
    const { kind, level: found, dirty, accessed } = port.entryAt(gfn, level);
    if (kind !== Leaf || found !== level) return;
    if (old.dirty && !dirty) port.hardware(gfn, 1);
    else if (old.accessed && !accessed) port.hardware(gfn, 0);
    this.log.take();
  }

  /** Another vCPU whose fault lies in a span, and that is about to change something. */
  otherAt(actor: Actor, gfn: number, npages: number): Actor | undefined {
    for (const other of this.actors.vcpus()) {
      if (other === actor || !other.inFault || other.gfn < gfn || other.gfn >= gfn + npages) continue;
      if (this.port.nextStep(other.vcpu) !== FaultStep.Done) return other;
    }
    return undefined;
  }

  switchLogging(event: TraceEvent, on: boolean): void {
    const start = this.memory.startOf(event.gfn);
    this.port.setLogged(start, this.memory.endOf(event.gfn) - start, on);
    this.tally.infer(event.line, `dirty logging of the memory around gfn 0x${event.gfn.toString(16)} is ${on ? 'on' : 'off'}`);
  }

  /** Whether something else than the host keeps a fault's leaf small. */
  isForced(actor: Actor): boolean {
    return this.port.isLogged(actor.gfn) || (actor.kind === AccessKind.Exec && this.traits.nxHugePages);
  }

  /** A table below an entry of `level`: the host's pages are smaller, unless it is known better. */
  learnTable(gfn: number, level: number): void {
    if (this.memory.levelOf(gfn) === 0) this.memory.assume(gfn, level - 1);
  }

  isFrozen(gfn: number): boolean {
    for (const actor of this.actors.all()) if (gfn >= actor.frozenFrom && gfn < actor.frozenTo) return true;
    return false;
  }

  miss(actor: Actor, line: number, simulated: string): void {
    this.tally.missing++;
    this.tally.differ(line, actor.name, 'nothing', simulated);
  }

  words(change: SimChange): string {
    if (change.removed) return `the table below gfn 0x${change.gfn.toString(16)} level ${change.level} goes`;
    const { level, gfn, oldKind, oldBits, newKind, newBits } = change;
    return `gfn 0x${gfn.toString(16)} level ${level}: ${this.port.describe(oldKind, oldBits)} -> ${this.port.describe(newKind, newBits)}`;
  }

  wordsFor(gfn: number, level: number, comparesOld: boolean): string {
    const { old, now, port } = this;
    const before = comparesOld ? `${port.describe(old.kind, old.bits)} -> ` : '';
    return `gfn 0x${gfn.toString(16)} level ${level}: ${before}${port.describe(now.kind, now.bits)}`;
  }

  wordsOf(level: number, kind: EntryKind, bits: number): string {
    return `level ${level}: ${this.port.describe(kind, bits)}`;
  }
}
