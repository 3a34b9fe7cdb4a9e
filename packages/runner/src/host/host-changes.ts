/**
 * What the host does to memory of a kind beyond faulting and dropping it, derived from what the kind's states say of themselves: mprotect, fork, madvise.
 *
 * The kind's own states stay as they are and come first; behind them come those in which its pages can be otherwise. A page that is the process's own may be write-protected in
 * the host's tables (`_wp`: a write gives the right back in place) or shared with a child (`_shared`: a write copies it, with the notifier's calls; of a transparent huge page
 * it first leaves small ones). Each of these may lie in memory that is PROT_READ, where a write fails, or that MADV_NOHUGEPAGE keeps small; so there are up to four
 * times as many states.
 *
 * Models: Linux mm/mprotect.c change_pte_range(), can_change_pte_writable(); mm/memory.c copy_present_pte(), do_wp_page(); mm/huge_memory.c copy_huge_pmd(),
 * do_huge_pmd_wp_page(), change_huge_pmd(); mm/hugetlb.c copy_hugetlb_page_range(), hugetlb_wp(); mm/madvise.c; mm/khugepaged.c madvise_collapse().
 */
import { hostFault, type DroppedPages, type HostBacking, type HostFault, type HostNotification, type HostState, type StateMap } from '@mmulab/api';

/** What of the host's kernel decides here. */
export interface ChangesHost {
  /** Up to which size pages are writable again at once when mprotect gives the right back: 0 none, 1 small ones (6.0), 2 transparent huge ones (6.2). Absent: 2. */
  readonly mprotectRestores?: number;
  /** mprotect tells the notifier of each GiB, from its first page table on (up to 6.11). Absent: of all at once. */
  readonly mprotectByGib?: boolean;
  /** There is MADV_COLLAPSE (6.1). Absent: there is. */
  readonly madviseCollapse?: boolean;
}

const PROTECTED = 1;
const SMALL = 2;
const NONE = -1;

/** A kind of memory with its tables of changes. What has them already stays as it is. */
export function withHostChanges(backing: HostBacking, host: ChangesHost): HostBacking {
  return backing.changes !== undefined || backing.device === true ? backing : new Changes(backing, host).build();
}

class Changes {
  /** The kind's own states, then those that are write-protected, then those that are shared. */
  private readonly kinds: HostState[];
  private readonly wp: number[] = [];
  private readonly shared: number[] = [];
  private readonly isPrivate: boolean;
  private readonly isThp: boolean;

  constructor(
    private readonly backing: HostBacking,
    private readonly host: ChangesHost,
  ) {
    const { states, edgeFaults } = backing;
    this.isPrivate = backing.shared !== true;
    this.isThp = edgeFaults !== undefined && states.some(state => state.thp);
    this.kinds = [...states];
    const add = (suffix: string, of: number[]): void => {
      for (const [index, state] of states.entries()) {
        if (!this.isPrivate || !state.present || !state.writable) continue;
        of[index] = this.kinds.push({ ...state, name: `${state.name}_${suffix}`, writable: false }) - 1;
      }
    };
    add('wp', this.wp);
    add('shared', this.shared);
  }

  build(): HostBacking {
    const { backing, kinds } = this;
    const { faults, edgeFaults, dropped } = backing;
    const domains = this.isThp ? [0, PROTECTED, SMALL, SMALL + PROTECTED] : [0, PROTECTED];
    const states = domains.flatMap(domain => kinds.map(kind => stateIn(domain, kind)));
    const tables = (table: readonly HostFault[]): HostFault[] =>
      domains.flatMap(domain => this.faultsIn(domain, this.kindFaults((domain & SMALL) === 0 ? table : (edgeFaults ?? table))));
    return {
      ...backing,
      states,
      faults: tables(faults),
      ...(edgeFaults === undefined ? {} : { edgeFaults: tables(edgeFaults) }),
      ...(dropped === undefined ? {} : { dropped: this.droppedIn(domains, dropped) }),
      changes: this.changes(domains, states),
    };
  }

  private changes(domains: readonly number[], states: readonly HostState[]): NonNullable<HostBacking['changes']> {
    const { backing, host, isPrivate, isThp, kinds } = this;
    const count = kinds.length;
    const map = (to: (kind: number, domain: number) => number): StateMap => domains.flatMap(domain => kinds.map((_, kind) => to(kind, domain)));
    const within = (of: (kind: number) => number): StateMap => map((kind, domain) => domain * count + of(kind));
    const huge = states.findIndex(state => state.thp && state.writable);
    return {
      protect: map((kind, domain) => (domain | PROTECTED) * count + kind),
      unprotect: map((kind, domain) => ((domain & PROTECTED) === 0 ? domain * count + kind : (domain & ~PROTECTED) * count + this.restored(kind))),
      protectsByGib: host.mprotectByGib === true && !backing.hugetlb,
      untouched: within(() => 0),
      own: domains.flatMap(() => kinds.map((_, kind) => this.isOwn(kind))),
      freeable: isPrivate && !backing.hugetlb && backing.file !== true,
      ...(isPrivate ? { share: within(kind => this.sharedWith(kind)), unshare: within(kind => this.alone(kind)) } : {}),
      ...(isThp
        ? {
            hugepage: map((kind, domain) => (domain & ~SMALL) * count + kind),
            nohugepage: map((kind, domain) => (domain | SMALL) * count + kind),
          }
        : {}),
      ...(isThp && isPrivate && host.madviseCollapse !== false ? { collapsed: map((_, domain) => (domain === 0 ? huge : NONE)) } : {}),
    };
  }

  /** Faults on each kind of page, read before write. */
  private kindFaults(table: readonly HostFault[]): HostFault[] {
    const ofWp = this.of(this.wp, (state, at) => [this.stays(at), hostFault(state, this.kinds[state].level, true)]);
    const ofShared = this.of(this.shared, (state, at) => [this.stays(at), this.copied(state)]);
    return [...table, ...ofWp, ...ofShared];
  }

  private of(list: readonly number[], make: (state: number, at: number) => HostFault[]): HostFault[] {
    return this.backing.states.flatMap((_, state) => (list[state] === undefined ? [] : make(state, list[state])));
  }

  private stays(kind: number): HostFault {
    return hostFault(kind, this.kinds[kind].level, false);
  }

  /** A write to a page that is shared with a child. */
  private copied(state: number): HostFault {
    const { hugetlb, dropped } = this.backing;
    const { level, thp } = this.kinds[state];
    if (!thp) return hostFault(state, level, true, [{ level, state, changePte: !hugetlb && level === 1 }]);
    const small = dropped?.kept[state] ?? state;
    const split: HostNotification = { level, state: this.shared[small] ?? small, changePte: false };
    return hostFault(small, 1, true, [split, { level: 1, state: small, changePte: true }]);
  }

  /** The same faults where memory is protected: what a read finds stays protected, a write fails. */
  private faultsIn(domain: number, table: readonly HostFault[]): HostFault[] {
    const offset = domain * this.kinds.length;
    const isProtected = (domain & PROTECTED) !== 0;
    return table.map((fault, index) => {
      const isWrite = index % 2 === 1;
      if (isProtected && isWrite) return { ok: false, state: offset + Math.floor(index / 2), spanLevel: 1, writable: false, notifications: [] };
      if (offset === 0) return fault;
      const notifications = fault.notifications.map(one => ({ ...one, state: offset + one.state }));
      return { ...fault, state: offset + fault.state, writable: fault.writable && !isProtected, notifications };
    });
  }

  private droppedIn(domains: readonly number[], dropped: DroppedPages): DroppedPages {
    const extended = (list: StateMap, isShared: boolean): StateMap =>
      domains.flatMap(domain => {
        const offset = domain * this.kinds.length;
        // What stays of a page that is shared or protected is so in small pages, too.
        const stays = (of: readonly number[], state: number): number => (isShared ? (of[list[state]] ?? list[state]) : list[state]);
        const more = [this.wp, this.shared].flatMap(of =>
          this.backing.states.flatMap((_, state) => (of[state] === undefined ? [] : [stays(of, state)])),
        );
        return [...list, ...more].map(state => offset + state);
      });
    return { block: extended(dropped.block, false), page: extended(dropped.page, false), kept: extended(dropped.kept, true) };
  }

  /** What mprotect makes of a page when it gives the right to write back. */
  private restored(kind: number): number {
    const base = this.wp.includes(kind) ? this.wp.indexOf(kind) : kind;
    const { level } = this.kinds[base];
    if (this.wp[base] === undefined) return kind;
    const isRestored = !this.backing.hugetlb && level <= (this.host.mprotectRestores ?? 2);
    return isRestored ? base : this.wp[base];
  }

  private isOwn(kind: number): boolean {
    const { present, writable } = this.kinds[kind];
    return present && (writable || this.backing.hugetlb || kind >= this.backing.states.length);
  }

  /** What fork makes of a page. */
  private sharedWith(kind: number): number {
    const base = this.wp.includes(kind) ? this.wp.indexOf(kind) : kind;
    const { hugetlb, faults } = this.backing;
    // A hugetlb page that was only read is the process's own, too.
    const own = hugetlb && this.isOwn(base) && base < this.backing.states.length ? (faults[base * 2 + 1]?.state ?? base) : base;
    return this.shared[own] ?? kind;
  }

  /** What is left of a shared page when the child is gone. */
  private alone(kind: number): number {
    const base = this.shared.indexOf(kind);
    return base < 0 ? kind : this.wp[base];
  }
}

function stateIn(domain: number, kind: HostState): HostState {
  if (domain === 0) return kind;
  const isProtected = (domain & PROTECTED) !== 0;
  const suffix = `${isProtected ? '_protected' : ''}${(domain & SMALL) === 0 ? '' : '_nohuge'}`;
  return { ...kind, name: `${kind.name}${suffix}`, writable: kind.writable && !isProtected };
}
