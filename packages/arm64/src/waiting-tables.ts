/**
 * Tables that a lifted run leaves waiting for a grace period: a part of the side state.
 *
 * Models nothing of its own.
 */
import type { Journal } from '@mmulab/pgtable';
import type { CountingMmOps } from './mm-ops';

/** Recorder of the tables that blocks handed over to a grace period, within one memslot. */
export class WaitingTables implements Journal {
  private readonly before: number[] = [];

  constructor(private readonly mm: CountingMmOps) {}

  open(): void {
    this.before.push(this.mm.waitingTables);
  }

  close(): unknown {
    const waiting = this.mm.waitingTables - (this.before.pop() ?? 0);
    return waiting === 0 ? undefined : waiting;
  }

  replay(effects: unknown): void {
    this.mm.wait(effects as number);
  }
}
