/**
 * What the host does to the tables, told from the entries it changes: a change is of a kind that one walk makes, and the walk goes on in ascending order while such changes follow each other.
 *
 * The simulation walks along: at each event over the range since the last one. So it tells what the walk does to an entry and also what it must not leave out, however many vCPUs fault meanwhile.
 * A walk over a whole memslot (dirty logging switched on or off) is held to the memslot's ends too, as far as they can be told.
 */
import { EntryKind, HostWalk } from '@mmulab/api';
import type { ReplayPort } from '@mmulab/api';
import type { Actor } from './actors';
import type { EntryCopy } from './entry-copy';
import type { GuestMemory } from './guest-memory';
import { matchChange } from './removals';
import type { SimChange, SimLog } from './sim-log';
import type { CheckTally } from './tally';
import type { TraceEvent } from './trace-event';

const { Empty, Leaf, Table } = EntryKind;
const NO_WALK = -1;

export class HostOperations {
  constructor(
    private readonly port: ReplayPort,
    private readonly log: SimLog,
    private readonly memory: GuestMemory,
    private readonly tally: CheckTally,
    private readonly traits: { readonly pml: boolean; readonly eagerSplit: boolean },
  ) {}

  /** A change that no fault made. */
  change(event: TraceEvent, actor: Actor, old: EntryCopy, now: EntryCopy): void {
    const { port, log, tally } = this;
    const walk = this.walkOf(old, now, event.level);
    if (walk === NO_WALK) {
      this.end(actor);
      const words = `gfn 0x${event.gfn.toString(16)} level ${event.level}: ${port.describe(old.kind, old.bits)} -> ${port.describe(now.kind, now.bits)}`;
      tally.differ(event.line, actor.name, words, 'no walk that does this');
      return;
    }
    this.judgeEagerSplit(event, actor, walk);
    const end = event.gfn + 512 ** (event.level - 1);
    const from = this.continues(actor, walk, event) ? (actor.operation?.cursor ?? event.gfn) : this.begin(actor, walk, event);
    if (walk === HostWalk.Collapse) this.memory.learnLevel(event.gfn, event.level, true);
    if (walk === HostWalk.Unmap) this.judgeGap(event, actor, from);
    port.walk(walk as HostWalk, isExact(walk) ? event.gfn : from, end, event.level);
    actor.queue.add(log.take());
    matchChange(actor, event, old, now, tally, port);
    if (actor.operation !== undefined) actor.operation.cursor = end;
  }

  /** Leaves that a range without holes would have taken too: those of the same level, since roots die level by level. */
  private judgeGap(event: TraceEvent, actor: Actor, from: number): void {
    for (let gfn = from; gfn < event.gfn;) {
      const { kind, level, bits } = this.port.entryAt(gfn, 1);
      if (kind === Leaf && level === event.level) {
        this.tally.missing++;
        this.tally.differ(event.line, actor.name, 'nothing', `gfn 0x${gfn.toString(16)} level ${level}: ${this.port.describe(kind, bits)} -> empty`);
        return;
      }
      const span = 512 ** (level - 1);
      gfn += span - (gfn % span);
    }
  }

  /** The task does something else: a walk over a whole memslot goes to its end. */
  end(actor: Actor): void {
    const { operation } = actor;
    actor.operation = undefined;
    if (operation === undefined || !operation.whole) return;
    const end = this.memory.endOf(operation.cursor - 1);
    if (end <= operation.cursor) return;
    this.port.walk(operation.walk as HostWalk, operation.cursor, end, operation.level);
    const [change] = this.log.take();
    if (change === undefined) return;
    this.tally.missing++;
    this.tally.differ(0, actor.name, 'nothing', this.words(change));
  }

  /** Where huge pages are split eagerly none is there to be protected when logging starts; where they are not, none is split. */
  private judgeEagerSplit(event: TraceEvent, actor: Actor, walk: number): void {
    const { eagerSplit } = this.traits;
    const place = `gfn 0x${event.gfn.toString(16)} level ${event.level}`;
    if (walk === HostWalk.Split && !eagerSplit) this.tally.differ(event.line, actor.name, `${place}: split`, 'no eager split');
    const protects = walk === HostWalk.WriteProtect || walk === HostWalk.WriteProtectHuge;
    if (eagerSplit && protects && event.level > 1) this.tally.differ(event.line, actor.name, `${place}: write-protected`, 'split before');
  }

  /** Which walk changes an entry like this. */
  private walkOf(old: EntryCopy, now: EntryCopy, level: number): number {
    if (old.kind === Leaf && now.kind === Leaf) return this.leafWalk(old, now, level);
    if (old.kind === Leaf && now.kind === Table) return HostWalk.Split;
    if (old.kind === Table) return now.frozen || now.kind === Leaf ? HostWalk.Collapse : now.kind === Empty ? HostWalk.Zap : NO_WALK;
    return old.kind !== Empty && (now.kind === Empty || now.frozen) ? HostWalk.Unmap : NO_WALK;
  }

  private leafWalk(old: EntryCopy, now: EntryCopy, level: number): number {
    if (old.writable && !now.writable) {
      if (now.bits !== old.bits && !now.mmuWritable && old.mmuWritable) return HostWalk.ClearMmuWritable;
      return this.traits.pml && level > 1 ? HostWalk.WriteProtectHuge : isAged(old, now) ? HostWalk.Age : HostWalk.WriteProtect;
    }
    if (old.mmuWritable && !now.mmuWritable) return HostWalk.ClearMmuWritable;
    if (old.dirty && !now.dirty) return HostWalk.ClearDirty;
    return isAged(old, now) ? HostWalk.Age : NO_WALK;
  }

  private continues(actor: Actor, walk: number, event: TraceEvent): boolean {
    const { operation } = actor;
    if (operation === undefined || operation.walk !== walk || event.gfn < operation.cursor) return false;
    if (walk === HostWalk.Zap && operation.level !== event.level) return false;
    return this.memory.isContiguous(operation.cursor, event.gfn);
  }

  /** @returns where the walk begins */
  private begin(actor: Actor, walk: number, event: TraceEvent): number {
    this.end(actor);
    const { memory, port } = this;
    const start = memory.startOf(event.gfn);
    const logged = port.isLogged(event.gfn);
    const switchesOn = !logged && (walk === HostWalk.WriteProtect || walk === HostWalk.ClearDirty || walk === HostWalk.Split);
    const switchesOff = walk === HostWalk.Collapse && logged;
    const npages = memory.endOf(event.gfn) - start;
    if (switchesOn || switchesOff) {
      port.setLogged(start, npages, switchesOn);
      this.tally.infer(event.line, `dirty logging of the memory around gfn 0x${event.gfn.toString(16)} is switched ${switchesOn ? 'on' : 'off'}`);
    }
    // A bitmap that is cleared word by word splits what the word needs and no more.
    const whole = (switchesOn && walk !== HostWalk.Split) || walk === HostWalk.Collapse;
    actor.operation = { walk, level: event.level, cursor: event.gfn, whole };
    return whole ? start : event.gfn;
  }

  private words({ gfn, level, oldKind, oldBits, newKind, newBits }: SimChange): string {
    const { port } = this;
    return `gfn 0x${gfn.toString(16)} level ${level}: ${port.describe(oldKind, oldBits)} -> ${port.describe(newKind, newBits)}`;
  }
}

function isExact(walk: number): boolean {
  return walk === HostWalk.Zap || walk === HostWalk.ClearMmuWritable || walk === HostWalk.Unmap;
}

/** Whether only the accessed state went: A, or without A bits all rights. */
function isAged(old: EntryCopy, now: EntryCopy): boolean {
  return (old.accessed && !now.accessed) || now.bits > old.bits;
}
