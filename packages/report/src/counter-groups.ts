/**
 * Counters that tell one story in several ways, and the one a person would name.
 *
 * A fault is a `page_fault` of the tracepoint, a `pf_taken` and a `pf_fixed` of the statistics, an `exit`, mostly an entry installed. Where all of them fall from 524,288
 * to 1,024, one line says it. A counter is folded under the lead of its group where it differs between runs, the lead differs too, and the counter moves the way its
 * lead does in every run, or by less than 1 %; what moves otherwise (`page_fault.present` grows while `page_fault` falls) is news and keeps its line. Where the lead is the same in
 * all runs, the first member that differs leads instead. Of the counters that only some backends have, leads alone are shown.
 */

/** A lead and what is folded under it, in the order in which they take its place. */
export interface CounterGroup {
  readonly lead: string;
  /** What the group counts, in a few words. */
  readonly about: string;
  /** Names; a trailing `*` stands for any rest. */
  readonly also: readonly string[];
}

export const COUNTER_GROUPS: readonly CounterGroup[] = [
  {
    lead: 'page_fault',
    about: 'second-stage faults (x86)',
    also: ['pf_taken', 'pf_fixed', 'page_fault.*', 'exit', 'shadow.set_spte', 'spte.install.4k', 'spte.install.2m', 'spte.install.1g', 'pf_spurious'],
  },
  { lead: 'pf_fast', about: 'faults ended without the lock', also: ['fast_page_fault', 'fast_page_fault.*'] },
  {
    lead: 'guest_abort',
    about: 'second-stage faults (arm64)',
    also: ['exit', 'guest_abort.*', 'stage2.map', 'stage2.map.on_*', 'stage2.relax_perms', 'leaf.install.*', 'leaf.same'],
  },
  { lead: 'stage2.map.eagain', about: 'faults that lost a race (arm64)', also: ['stage2.relax_perms.eagain'] },
  { lead: 'remote_tlb_flush_requests', about: 'flushes of all vCPUs', also: ['tlb_flush', 'tlb_flush.hw', 'tlbi.vmid'] },
  { lead: 'tlbi.ipa', about: 'invalidations of one address (arm64)', also: ['tlbi.ipa_local'] },
  { lead: 'huge_split.2m', about: 'huge pages split (x86)', also: ['huge_split.1g', 'spte.split.2m', 'spte.split.1g', 'nx_lpage_splits'] },
  {
    lead: 'table.alloc',
    about: 'tables built',
    also: ['mmu_cache_miss', 'spte.install.table', 'memcache.topup', 'memcache.topup.pages', 'mm_ops.zalloc_page'],
  },
  { lead: 'table.zap', about: 'tables torn down', also: ['spte.zap.table', 'mmu_shadow_zapped', 'table.free', 'mm_ops.free_unlinked_table'] },
  { lead: 'dirty_bitmap.set', about: 'pages found dirty', also: ['mark_page_dirty', 'pml.entry', 'pml.full'] },
  { lead: 'mmu.load', about: 'roots loaded', also: ['mmu.sync_roots', 'mmu.reset_context', 'mmu.new_pgd', 'root.cache_miss'] },
  { lead: 'dcache_clean_inval_poc', about: 'data-cache maintenance (arm64)', also: ['mm_ops.dcache_clean_inval_poc'] },
  { lead: 'dcache_clean_inval_poc.bytes', about: 'bytes of it', also: ['dcache_clean_inval_poc.lines'] },
  { lead: 'dcache_clean_inval_poc.unmap', about: 'data-cache maintenance for what goes away (arm64)', also: ['dcache_clean_inval_poc.unmap.bytes'] },
  { lead: 'icache_inval_pou', about: 'instruction-cache maintenance (arm64)', also: ['icache_inval_pou.*', 'mm_ops.icache_inval_pou'] },
  { lead: 'change_pte', about: 'pages the host replaced (arm64)', also: ['change_pte.*'] },
];

/** A counter in all runs, as far as folding reads it. */
interface Compared {
  readonly counter: string;
  readonly values: readonly (number | undefined)[];
}

/** What is shown, and what is folded away under it. */
export interface FoldedCounters<T> {
  readonly shown: readonly T[];
  /** Names of folded counters by the counter that stands for them. */
  readonly under: ReadonlyMap<string, readonly string[]>;
  /** Whether anything that differs is not shown. */
  readonly isFolded: boolean;
}

/** Folds counters that differ under the leads of their groups; the others keep their order. */
export function foldCounters<T extends Compared>(counters: readonly T[]): FoldedCounters<T> {
  const differing = withoutForeign(counters);
  const byName = new Map(differing.map(one => [one.counter, one]));
  const under = new Map<string, readonly string[]>();
  const folded = new Set<string>();
  for (const { lead, also } of COUNTER_GROUPS) {
    const members = [lead, ...also.flatMap(pattern => matching(pattern, differing))].flatMap(name => byName.get(name) ?? []);
    const [first, ...rest] = members.filter(({ counter }) => !folded.has(counter));
    if (first === undefined) continue;
    const followers = rest.filter(one => one !== first && movesAlike(one, first)).map(({ counter }) => counter);
    if (followers.length === 0) continue;
    under.set(first.counter, [...new Set(followers)]);
    for (const name of followers) folded.add(name);
  }
  const shown = differing.filter(({ counter }) => !folded.has(counter));
  return { shown, under, isFolded: shown.length < counters.length };
}

const LEADS: ReadonlySet<string> = new Set(COUNTER_GROUPS.map(({ lead }) => lead));

/** Without what only some backends count, leads excepted. A run that has none of the counters does not have the phase. */
function withoutForeign<T extends Compared>(counters: readonly T[]): readonly T[] {
  const isThere = (run: number): boolean => counters.some(({ values }) => values[run] !== undefined);
  const isForeign = ({ values }: T): boolean => values.some((value, run) => value === undefined && isThere(run));
  return counters.filter(one => LEADS.has(one.counter) || !isForeign(one));
}

function matching(pattern: string, counters: readonly Compared[]): string[] {
  if (!pattern.endsWith('*')) return [pattern];
  const stem = pattern.slice(0, -1);
  return counters.map(({ counter }) => counter).filter(name => name.startsWith(stem));
}

/** Changes smaller than this part say nothing beside those of a lead. */
const SLIGHT = 0.01;

/** Whether a counter rises, falls and stays in the same runs as its lead, each against its first run; slight changes follow any lead. */
function movesAlike(one: Compared, lead: Compared): boolean {
  const change = ({ values }: Compared, run: number): number => (values[run] ?? 0) - (values[0] ?? 0);
  const isSlight = Math.max(...one.values.map((_, run) => Math.abs(change(one, run)))) < SLIGHT * (one.values[0] ?? 0);
  return one.values.every((value, run) => {
    const isAlike = isSlight || Math.sign(change(one, run)) === Math.sign(change(lead, run));
    return isAlike && (value === undefined) === (lead.values[run] === undefined);
  });
}
