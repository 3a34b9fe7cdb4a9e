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
import type { Memslots } from '@mmulab/kvm';
import { Ev } from './events';
import type { ListedPage, ListedTable, NxList, NxLists } from './nx-lists';

/** What recovery asks of the TDP MMU. */
export interface NxTables {
  /** Removes a table. @returns whether it was there */
  zapTable(table: ListedTable): boolean;
  /** Takes the marks off a table that has left the list. */
  unmarkTable(table: ListedTable): void;
}

/** What it asks of the legacy MMU. */
export interface NxPages {
  /** Zaps a page; it is freed with the next flush. */
  zapPage(page: number): void;
  /** Takes the marks off a page that has left the list. */
  unmarkPage(page: number): void;
  /** First frame a page maps. */
  gfnOf(page: number): number;
}

/** The MMUs of a VM: one of the two, or both. */
export interface RecoveredMmus {
  readonly tables?: NxTables | undefined;
  readonly pages?: NxPages | undefined;
  /** Asks `times` times for a flush of all vCPUs. */
  flush(times: number): void;
}

/** Module parameters and policy of the worker. */
export interface NxRecoveryPolicy {
  /** May change while the VM runs. */
  enabled: boolean;
  readonly ratio: number;
  readonly periodMs: number;
  /** Tables of logged slots are only unlisted. */
  readonly unlistLogged: boolean;
  /** Tables are counted per MMU (shadow pages have a list of their own). */
  readonly perMmu: boolean;
}

const HOUR_MS = 3_600_000;

/** Recovery worker of one VM. */
export class NxRecovery {
  private sinceMs = 0;
  /** Tables of the TDP MMU charged to the shadow MMU. */
  private charged = 0;
  /** Time gone by while the worker was off: it reckons from when it last went to sleep. */
  private offMs = 0;

  constructor(
    private readonly lists: NxLists,
    private readonly mmus: RecoveredMmus,
    private readonly slots: Memslots,
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
    if (period === 0) {
      this.offMs += ms;
      return;
    }
    this.sinceMs += ms;
    while (this.sinceMs >= period) {
      this.sinceMs -= period;
      this.pass();
    }
  }

  /** The workaround is switched on or off, and everything has gone; the worker is woken: a pass that is overdue finds nothing. */
  switched(on: boolean): void {
    this.policy.enabled = on;
    if (!on) return;
    const since = this.sinceMs + this.offMs;
    this.sinceMs = this.periodMs !== 0 && since >= this.periodMs ? 0 : since;
    this.offMs = 0;
  }

  /** What a later pass depends on beside the lists, as a key. */
  get key(): string {
    return `${this.sinceMs}/${this.charged}`;
  }

  /** One pass: the oldest 1/ratio of what is counted, rounded up; one flush per list something was zapped of. */
  pass(): void {
    const { ratio, enabled, perMmu } = this.policy;
    if (!enabled || ratio === 0) return;
    const { tables, pages } = this.lists;
    if (!perMmu) {
      this.recover(tables, Math.ceil(tables.length / ratio));
      return;
    }
    this.recover(pages, share(pages.length - this.charged, ratio));
    this.charged += this.recover(tables, share(tables.length + this.charged, ratio));
  }

  /** Takes the oldest `count` tables of a list. @returns how many were there */
  private recover(list: NxList, count: number): number {
    const isShared = this.policy.perMmu && list === this.lists.tables;
    this.slots.work.lock(isShared ? 'read' : 'write');
    let taken = 0;
    let zapped = false;
    for (; taken < count; taken++) {
      const oldest = list.oldest();
      if (oldest === undefined) break;
      zapped = ('page' in oldest ? this.recoverPage(oldest) : this.recoverTable(oldest)) || zapped;
    }
    if (zapped) this.mmus.flush(1);
    return taken;
  }

  /** @returns whether it was zapped, not only unlisted */
  private recoverTable(table: ListedTable): boolean {
    if (!this.isOnlyUnlisted(table.gfn)) return this.mmus.tables?.zapTable(table) ?? false;
    this.unlisted(this.lists.tables.cutTable(table));
    this.mmus.tables?.unmarkTable(table);
    return false;
  }

  /** The same for a shadow page. */
  private recoverPage({ page }: ListedPage): boolean {
    const { pages } = this.mmus;
    if (pages === undefined) return false;
    if (!this.isOnlyUnlisted(pages.gfnOf(page))) {
      pages.zapPage(page);
      return true;
    }
    this.unlisted(this.lists.pages.cutPage(page));
    pages.unmarkPage(page);
    return false;
  }

  private isOnlyUnlisted(gfn: number): boolean {
    return this.policy.unlistLogged && this.slots.find(gfn)?.logged === true;
  }

  private unlisted(count: number): void {
    const now = this.counters.now;
    now[Ev.nxLpageSplits] = now[Ev.nxLpageSplits] - count;
  }
}

/** A share of a count that is kept in 64 bits without a sign: one below zero is either as good as endless, or wraps to nothing as it is rounded up. */
function share(count: number, ratio: number): number {
  if (count < 0) return -count < ratio ? 0 : Infinity;
  return Math.ceil(count / ratio);
}
