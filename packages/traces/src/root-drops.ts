/**
 * Roots that go: with a control register, with the VM, or all at once; and what the trace tells of them afterwards.
 */
import { EntryKind } from '@mmulab/api';
import type { MmuBackend } from '@mmulab/api';
import type { Actor } from './actors';
import { isAfterHardware } from './entry-copy';
import type { SimChange } from './sim-log';
import type { TdpView } from './tdp-view';
import { ExitReason } from './trace-event';
import type { TraceEvent } from './trace-event';

const { Empty } = EntryKind;

export class RootDrops {
  /** Entries of roots that went at once, whose events are still to come, by level and frame. */
  private readonly doomed = new Map<number, SimChange>();

  constructor(
    private readonly view: TdpView,
    private readonly backend: MmuBackend,
  ) {}

  /** Whether entries of roots that went at once are still to be told of. */
  get isPending(): boolean {
    return this.doomed.size > 0;
  }

  /** A new root while there is one with entries: that one has been invalidated, and is emptied by and by. */
  doomRoot(event: TraceEvent): void {
    const { port, tally, log } = this.view;
    if (!this.view.traits.tellsChanges || !port.hasEntries()) return;
    port.dropRoots();
    for (const change of log.take()) if (!change.removed) this.doomed.set(placeOf(change.gfn, change.level), change);
    tally.infer(event.line, 'all roots were invalidated');
  }

  /** An entry of an invalidated root goes. @returns whether it was one */
  isDoomed(event: TraceEvent): boolean {
    if (this.doomed.size === 0 || (this.view.now.kind !== Empty && !this.view.now.frozen)) return false;
    const place = placeOf(event.gfn, event.level);
    const change = this.doomed.get(place);
    if (change === undefined) return this.view.old.kind === Empty && this.equalTransition();
    if (!isAfterHardware(change.oldKind, change.oldBits, this.view.old, this.view.port.hardwareBits)) return false;
    this.doomed.delete(place);
    return this.equalTransition();
  }

  /** 5.10 tells of removed tables by the flush that each of them asks for. */
  flush(event: TraceEvent): void {
    if (this.view.traits.tellsChanges || event.gfn < 0) return;
    const actor = this.view.actors.of(event);
    this.view.tally.zaps.recorded++;
    if (actor.flushes.length === 0) this.dropRoot(event, actor);
    const expected = actor.flushes.shift();
    const recorded = `a table of ${event.npages} pages at gfn 0x${event.gfn.toString(16)}`;
    if (expected?.gfn === event.gfn && expected.npages === event.npages) this.view.tally.zaps.equal++;
    else
      this.view.tally.differ(
        event.line,
        actor.name,
        recorded,
        expected === undefined ? 'none' : `one of ${expected.npages} pages at gfn 0x${expected.gfn.toString(16)}`,
      );
  }

  /** A fault builds where there is something already: the root went without a word. */
  expectFreshRoot(event: TraceEvent, actor: Actor, level: number): void {
    const at = this.view.port.entryAt(actor.gfn, level);
    const isTop = level === this.view.traits.levels;
    if (at.level !== level || at.kind === Empty || !(isTop || actor.lastExit === ExitReason.ControlWrite)) return;
    this.dropRoot(event, actor);
  }

  /** Tables that went: their flushes come after those of the tables below them. */
  expectFlushes(actor: Actor, changes: readonly SimChange[]): void {
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

  private equalTransition(): true {
    this.view.tally.transitions.equal++;
    return true;
  }

  /** A root goes: by a vCPU's control register, or with the VM. */
  private dropRoot(event: TraceEvent, actor: Actor): void {
    this.view.log.take();
    if (actor.vcpu >= 0 && actor.lastExit === ExitReason.ControlWrite) {
      this.view.tally.infer(event.line, `vcpu ${actor.vcpu} wrote a control register that its role contains`);
      this.backend.control(actor.vcpu, { register: 'cr0', bit: 'wp', value: 'toggle' });
      actor.lastExit = ExitReason.Other;
    } else {
      this.view.port.dropRoots();
    }
    this.expectFlushes(actor, this.view.log.take());
  }
}

/** A place in the tables as one number. */
function placeOf(gfn: number, level: number): number {
  return gfn * 8 + level;
}
