/**
 * Lockless attempts: how they end, held against the trace.
 */
import { EntryKind, FaultStep } from '@mmulab/api';
import type { Actor } from './actors';
import type { TdpView } from './tdp-view';
import type { TraceEvent } from './trace-event';

const { Leaf } = EntryKind;

export class FastFaults {
  /** Pages whose lockless fix was told of by the wrong one of two vCPUs. */
  private readonly swapped = new Set<number>();

  constructor(private readonly view: TdpView) {}

  /** The lockless path, of which the trace has no event here. */
  fastUntold(actor: Actor): void {
    this.view.log.keepsQuiet = true;
    this.view.port.step(actor.vcpu);
    this.view.log.keepsQuiet = false;
    const [fixed] = this.view.log.take();
    if (fixed !== undefined && this.view.traits.tellsFastFaults && !actor.disturbed) this.view.miss(actor, actor.faultLine, this.view.words(fixed));
  }

  fast(event: TraceEvent): void {
    const { port, tally } = this.view;
    const actor = this.view.actors.vcpuOf(event);
    tally.fastFaults.recorded++;
    // Something to mend before anything was made: the tables are older than the trace.
    this.view.sawFirst(false);
    if (!actor.inFault || port.nextStep(actor.vcpu) !== FaultStep.Fast) {
      tally.differ(event.line, actor.name, 'a lockless attempt', 'none');
      return;
    }
    const { level, kind } = port.entryAt(actor.gfn, 1);
    const isOlder = tally.attached && kind !== Leaf;
    this.view.old.of(port.readDescriptor(event.oldHi, event.oldLo, isOlder ? 1 : level));
    this.view.now.of(port.readDescriptor(event.newHi, event.newLo, isOlder ? 1 : level));
    if (isOlder) this.view.adoptOld(actor.gfn, 1);
    this.view.syncHardware(actor.gfn, isOlder ? 1 : level);
    this.view.log.keepsQuiet = true;
    port.step(actor.vcpu);
    this.view.log.keepsQuiet = false;
    const [change] = this.view.log.take();
    const fixed = (event.value & 2) !== 0;
    const spurious = (event.value & 1) !== 0;
    const done = port.nextStep(actor.vcpu) === FaultStep.Done;
    const isEqual = fixed ? change !== undefined && change.newBits === this.view.now.bits : change === undefined && done === spurious;
    if (fixed) actor.changed = true;
    if (isEqual || this.isSwapped(actor, fixed, spurious, change !== undefined, done)) tally.fastFaults.equal++;
    else tally.differ(event.line, actor.name, outcome(fixed, spurious), outcome(change !== undefined, done));
  }

  /** Two vCPUs mend the same page, and the one that came second tells of it first. */
  private isSwapped(actor: Actor, fixed: boolean, spurious: boolean, simulatedFix: boolean, done: boolean): boolean {
    if (spurious && simulatedFix) {
      const other = this.view.otherAt(actor, actor.gfn, 1);
      if (other === undefined || this.view.port.nextStep(other.vcpu) !== FaultStep.Fast) return false;
      this.swapped.add(actor.gfn);
      return true;
    }
    return fixed && done && !simulatedFix && this.swapped.delete(actor.gfn);
  }
}

function outcome(fixed: boolean, spurious: boolean): string {
  return fixed ? 'a lockless fix' : spurious ? 'a spurious lockless fault' : 'a lockless attempt in vain';
}
