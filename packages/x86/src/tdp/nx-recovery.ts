/**
 * The NX huge page recovery worker: zaps the oldest tables that exist only because huge pages must not be executable, so that a later access
 * may map a huge page again.
 *
 * A pass takes a share of the tables counted. From 6.18 on each MMU has a list and a count of its own, and a pass goes over the shadow MMU, then over the TDP
 * MMU; but whatever it takes off either list is charged to the shadow MMU's count. So the TDP MMU's never falls by recovery (it falls when a table goes for
 * another reason, as those below a recovered one do), and the shadow MMU's, 64 bits without a sign, may wrap round.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_recover_nx_huge_pages(), nx_huge_pages_to_zap(), calc_nx_huge_pages_recovery_period().
 */
import type { Counters } from '@mmulab/api';
import { PAGES_PER_LEVEL } from '@mmulab/api';
import type { RunList } from '@mmulab/pgtable';
import { Ev } from '../events';
import type { Memslots } from '@mmulab/kvm';
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
  /** Tables are counted per MMU (`shadowList` is a list of its own). */
  readonly perMmu: boolean;
}

const HOUR_MS = 3_600_000;

/** Recovery worker of one VM. */
export class NxRecovery {
  private sinceMs = 0;
  /** Tables of the TDP MMU charged to the shadow MMU. */
  private charged = 0;

  constructor(
    private readonly list: RunList,
    private readonly shadowList: RunList,
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

  /** What a later pass depends on beside the lists, as a key. */
  get key(): string {
    return `${this.sinceMs}/${this.charged}`;
  }

  /** One pass: the oldest 1/ratio of what is counted, rounded up; one flush per list something was zapped of. */
  pass(): void {
    const { ratio, enabled, perMmu } = this.policy;
    if (!enabled || ratio === 0) return;
    if (!perMmu) {
      this.recover(this.list, Math.ceil(this.list.length / ratio));
      return;
    }
    this.recover(this.shadowList, share(this.shadowList.length - this.charged, ratio));
    this.charged += this.recover(this.list, share(this.list.length + this.charged, ratio));
  }

  /** Takes the oldest `count` tables of a list. @returns how many were there */
  private recover(list: RunList, count: number): number {
    let taken = 0;
    let zapped = false;
    for (; taken < count; taken++) {
      const oldest = list.oldest();
      if (oldest === undefined) break;
      const { gfn, level } = oldest;
      const slot = this.slots.find(this.mmu.listedGfn(gfn, level));
      if (this.policy.unlistLogged && slot !== undefined && slot.logged) this.unlist(gfn, level);
      else zapped = this.mmu.zapTableAt(gfn, level) || zapped;
    }
    if (zapped) this.mmu.book.flush(1);
    return taken;
  }

  private unlist(gfn: number, level: number): void {
    const removed = this.journal.unlistEntry(gfn, PAGES_PER_LEVEL[level] ?? 1, level);
    this.mmu.forgetNx(gfn, level);
    const now = this.counters.now;
    now[Ev.nxLpageSplits] = now[Ev.nxLpageSplits] - removed;
  }
}

/** A share of a count that is kept in 64 bits without a sign: one below zero is either as good as endless, or wraps to nothing as it is rounded up. */
function share(count: number, ratio: number): number {
  if (count < 0) return -count < ratio ? 0 : Infinity;
  return Math.ceil(count / ratio);
}
