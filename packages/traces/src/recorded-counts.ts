/**
 * What a trace itself counts, under the names of the backends' counters: only counters whose events it has.
 */
import type { CounterValues, PhaseResult, RunResult } from '@mmulab/api';
import { RESULT_SCHEMA, EntryKind } from '@mmulab/api';
import type { ResolvedMachine } from '@mmulab/runner';
import type { EntryCopy } from './entry-copy';
import type { TraceEvent } from './trace-event';
import { Kind } from './trace-event';

const SIZES = ['', '4k', '2m', '1g', '', ''];
const { Empty, Leaf, Table } = EntryKind;
/** Names of counters by level of the entry, made once. */
const bySize = (name: string): readonly string[] => SIZES.map(size => `${name}.${size}`);
const INSTALL = bySize('spte.install');
const UPDATE = bySize('spte.update');
const ZAP = bySize('spte.zap');
const SPLIT = bySize('spte.split');
const HUGE_SPLIT = bySize('huge_split');
/** Counters of events that are counted one by one. */
const PLAIN: Readonly<Record<number, string>> = {
  [Kind.ZapPage]: 'table.zap',
  [Kind.MarkDirty]: 'mark_page_dirty',
  [Kind.TableAlloc]: 'table.alloc',
  [Kind.Map]: 'stage2.map',
  [Kind.Relax]: 'stage2.relax_perms',
  [Kind.WriteProtect]: 'stage2.wrprotect',
  [Kind.DcacheClean]: 'dcache_clean_inval_poc',
};

export class RecordedCounts {
  private readonly phases: PhaseResult[] = [];
  private readonly now = new Map<string, { count: number; total: number }>();

  add(name: string): void {
    const cell = this.now.get(name);
    if (cell === undefined) this.now.set(name, { count: 1, total: 0 });
    else cell.count++;
  }

  /** A changed entry. */
  changed(level: number, old: EntryCopy, now: EntryCopy): void {
    const gone = now.kind === Empty || now.frozen;
    if (old.kind === Leaf && level <= 3) this.add((now.kind === Leaf ? UPDATE : now.kind === Table ? SPLIT : ZAP)[level] ?? '');
    else if (old.kind === Table) {
      if (now.kind === Leaf) this.add('spte.table_to_leaf');
      else if (gone) this.add('spte.zap.table');
    } else if (now.kind === Table) this.add('spte.install.table');
    else if (now.kind === Leaf && level <= 3) this.add(INSTALL[level] ?? '');
  }

  /** Events that are counted by their kind. */
  event({ kind, value, gfn, level }: TraceEvent): void {
    switch (kind) {
      case Kind.FastFault:
        this.add('fast_page_fault');
        if ((value & 2) !== 0) this.add('fast_page_fault.fixed');
        if ((value & 1) !== 0) this.add('fast_page_fault.spurious');
        break;
      case Kind.GetPage:
        if (value === 1) this.add('table.alloc');
        break;
      case Kind.SplitHuge:
        this.add(HUGE_SPLIT[level] ?? '');
        if (value !== 0) this.add('huge_split.failed');
        break;
      case Kind.Flush:
        if (gfn < 0) this.add('remote_tlb_flush_requests');
        break;
      case Kind.TlbiIpa:
        this.add('tlbi.ipa');
        if (value === 1) this.add('tlbi.ipa_local');
        break;
      case Kind.TlbiVmid:
        this.add(value === 1 ? 'tlbi.range' : 'tlbi.vmid');
        break;
      case Kind.MapReturn:
        if (value === -11) this.add('stage2.map.eagain');
        break;
      case Kind.Exit:
      case Kind.PageFault:
      case Kind.SpteChanged:
      case Kind.SetSpte:
        break;
      default: {
        const name = PLAIN[kind];
        if (name !== undefined) this.add(name);
      }
    }
  }

  endPhase(name: string): void {
    this.phases.push({ phase: name, counters: Object.fromEntries([...this.now].map(([counter, { count }]) => [counter, count])), vcpus: [] });
    for (const cell of this.now.values()) {
      cell.total += cell.count;
      cell.count = 0;
    }
  }

  /** The trace as a result, beside those simulated. @param machine what the trace shows of its own */
  result(trace: string, { backend, host }: ResolvedMachine): RunResult {
    const names = [...this.now.keys()];
    const complete = (counters: CounterValues): CounterValues => Object.fromEntries(names.map(name => [name, counters[name] ?? 0]));
    return {
      schema: RESULT_SCHEMA,
      name: 'recorded',
      config: { name: 'replay', source: 'recorded', backend, host, workload: { name: 'replay', options: { trace } } },
      seed: 1,
      notes: [],
      phases: this.phases.map(phase => ({ ...phase, counters: complete(phase.counters) })),
      totals: { counters: Object.fromEntries([...this.now].map(([name, { total }]) => [name, total])) },
      memory: { tableBytesReal: 0, simulatorBytes: 0 },
      wallMs: 0,
    };
  }
}
