/**
 * What the simulated tables did, in order, until somebody takes it: one end of the comparison.
 */
import { Step } from '@mmulab/api';
import type { EntryKind, TransitionObserver } from '@mmulab/api';

/** The hardware's own walks, by the names of their rules: nothing a kernel's trace has. */
const HARDWARE = new Set(['hardware-walk', 'hardware_walk']);

/** A change of an entry, or (`removed`) the mark that the table below it goes and what it held follows. */
export interface SimChange {
  readonly removed: boolean;
  readonly level: number;
  readonly gfn: number;
  readonly oldKind: EntryKind;
  readonly oldBits: number;
  readonly newKind: EntryKind;
  readonly newBits: number;
}

const NOTHING: readonly SimChange[] = [];

export class SimLog implements TransitionObserver {
  /** Whether changes of rights past the bookkeeping are kept as well. */
  keepsQuiet = false;
  /** Table pages taken since `take`. */
  tables = 0;
  /** Invalidations asked for since `take`. */
  invalidations = 0;
  private changes: SimChange[] = [];

  changed(_cause: string, level: number, gfn: number, oldKind: EntryKind, oldBits: number, newKind: EntryKind, newBits: number): void {
    this.changes.push({ removed: false, level, gfn, oldKind, oldBits, newKind, newBits });
  }

  quietly(cause: string, level: number, gfn: number, oldBits: number, newBits: number): void {
    if (!this.keepsQuiet || oldBits === newBits || HARDWARE.has(cause)) return;
    this.changes.push({ removed: false, level, gfn, oldKind: 1, oldBits, newKind: 1, newBits });
  }

  removed(level: number, gfn: number): void {
    this.changes.push({ removed: true, level, gfn, oldKind: 0, oldBits: 0, newKind: 0, newBits: 0 });
  }

  called(step: Step): void {
    if (step === Step.AllocTable) this.tables++;
    else if (step === Step.Tlbi || step === Step.Flush) this.invalidations++;
  }

  /** What has happened since it was last asked. */
  take(): readonly SimChange[] {
    this.tables = 0;
    this.invalidations = 0;
    if (this.changes.length === 0) return NOTHING;
    const taken = this.changes;
    this.changes = [];
    return taken;
  }
}
