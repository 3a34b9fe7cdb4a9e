/**
 * What a lifted run of one vCPU does beside counting: its memory cache, and tables that wait for a grace period.
 *
 * Models nothing of its own.
 */
import type { Journal } from '@mmulab/pgtable';
import type { MemoryCaches } from './memcache';
import type { CountingMmOps } from './mm-ops';

/** What one block did. */
interface Recording {
  readonly caches: unknown;
  /** Tables handed over to a grace period. */
  readonly waiting: number;
}

/** Recorder of runs within one memslot. */
export class RunJournal implements Journal {
  private readonly before: number[] = [];

  constructor(
    private readonly caches: MemoryCaches,
    private readonly mm: CountingMmOps,
  ) {}

  open(): void {
    this.caches.open();
    this.before.push(this.mm.waitingTables);
  }

  close(): unknown {
    const caches = this.caches.close();
    const waiting = this.mm.waitingTables - (this.before.pop() ?? 0);
    const recording: Recording = { caches, waiting };
    return caches === undefined && waiting === 0 ? undefined : recording;
  }

  replay(effects: unknown): void {
    const { caches, waiting } = effects as Recording;
    if (caches !== undefined) this.caches.replay(caches);
    if (waiting !== 0) this.mm.wait(waiting);
  }
}
