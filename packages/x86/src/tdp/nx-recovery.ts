/**
 * The NX huge page recovery worker: zaps the oldest tables that exist only because huge pages must not be executable, so that a later access
 * may map a huge page again.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_recover_nx_huge_pages(), calc_nx_huge_pages_recovery_period().
 */
import type { Counters } from '@mmulab/api';
import { PAGES_PER_LEVEL } from '@mmulab/api';
import type { RunList } from '@mmulab/pgtable';
import { Ev } from '../events';
import type { Memslots } from '../memslots';
import type { VmJournal } from '../vm-journal';
import type { TdpMmu } from './tdp-mmu';

/** What recovery asks of a VM's page tables. Entries of the list at `NX_SHADOW_LEVEL` are shadow pages: a number takes the place of the frame. */
export type RecoverableTables = Pick<TdpMmu, 'zapTableAt' | 'forgetNx' | 'listedGfn'> & { readonly book: Pick<TdpMmu['book'], 'flush'> };

/** Module parameters and policy of the worker. */
export interface NxRecoveryPolicy {
  readonly enabled: boolean;
  readonly ratio: number;
  readonly periodMs: number;
  /** Tables of logged slots are only unlisted. */
  readonly unlistLogged: boolean;
}

const HOUR_MS = 3_600_000;

/** Recovery worker of one VM. */
export class NxRecovery {
  private sinceMs = 0;

  constructor(
    private readonly list: RunList,
    private readonly mmu: RecoverableTables,
    private readonly slots: Memslots,
    private readonly journal: VmJournal,
    private readonly counters: Counters,
    private readonly policy: NxRecoveryPolicy,
  ) {}

  /** Milliseconds between passes; 0 when the worker is off. */
  get periodMs(): number {
    const { enabled, ratio, periodMs } = this.policy;
    if (!enabled || ratio === 0) return 0;
    return periodMs !== 0 ? periodMs : Math.floor(HOUR_MS / Math.min(ratio, HOUR_MS / 1000));
  }

  /** Time passes: runs as many passes as fall due. The worker sleeps a full period before its first one. */
  elapse(ms: number): void {
    const period = this.periodMs;
    if (period === 0) return;
    this.sinceMs += ms;
    while (this.sinceMs >= period) {
      this.sinceMs -= period;
      this.pass();
    }
  }

  /** One pass: the oldest 1/ratio of the list, rounded up; one flush when anything was zapped. */
  pass(): void {
    const { ratio, enabled } = this.policy;
    if (!enabled || ratio === 0) return;
    let toZap = Math.ceil(this.list.length / ratio);
    let zapped = false;
    for (; toZap > 0; toZap--) {
      const oldest = this.list.oldest();
      if (oldest === undefined) break;
      const slot = this.slots.find(this.mmu.listedGfn(oldest.gfn, oldest.level));
      if (this.policy.unlistLogged && slot !== undefined && slot.logged) {
        this.unlist(oldest.gfn, oldest.level);
      } else {
        zapped = this.mmu.zapTableAt(oldest.gfn, oldest.level) || zapped;
      }
    }
    if (zapped) this.mmu.book.flush(1);
  }

  private unlist(gfn: number, level: number): void {
    const removed = this.journal.unlistEntry(gfn, PAGES_PER_LEVEL[level] ?? 1, level);
    this.mmu.forgetNx(gfn, level);
    const now = this.counters.now;
    now[Ev.nxLpageSplits] = now[Ev.nxLpageSplits] - removed;
  }
}
