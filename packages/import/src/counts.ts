/**
 * Counts of a real kernel over a whole run: `perf stat`, `perf kvm stat`, `kvm_stat`.
 *
 * Names of events become those of counters (docs/recording.md); an event that mixes several counters, or counts more than one, is left out with the reason.
 */
import { splitCommand } from '@mmulab/runner';
import { importMalformed } from './errors';
import type { Format, LeftOut, ReadContext, Reading } from './imported';
import { testWords } from './test-lines';

/** Tracepoints and probes that count what one counter counts. */
const EVENTS: Readonly<Record<string, string>> = {
  kvm_page_fault: 'page_fault',
  kvm_guest_fault: 'guest_abort',
  fast_page_fault: 'fast_page_fault',
  kvm_mmu_get_page: 'table.alloc',
  kvm_mmu_prepare_zap_page: 'table.zap',
  mark_page_dirty_in_slot: 'mark_page_dirty',
  kvm_mmu_load: 'mmu.load',
  kvm_mmu_reset_context: 'mmu.reset_context',
  kvm_mmu_new_pgd: 'mmu.new_pgd',
  kvm_mmu_sync_roots: 'mmu.sync_roots',
  kvm_pgtable_stage2_map: 'stage2.map',
  kvm_pgtable_stage2_relax_perms: 'stage2.relax_perms',
};

/** Exits that are one fault each. */
const EXITS: Readonly<Record<string, string>> = { EPT_VIOLATION: 'page_fault', npf: 'page_fault', NPF: 'page_fault', PML_FULL: 'pml.full' };

/** Events of which users may think that they are counters. */
const MIXED: Readonly<Record<string, string>> = {
  kvm_exit: 'all exits, not those of the MMU alone',
  exits: 'all exits, not those of the MMU alone',
  kvm_mmu_split_huge_page: 'splits of all levels and failed ones together: count them with a filter',
  kvm_tdp_mmu_spte_changed: 'all transitions together: record them and sort them',
  kvm_mmu_set_spte: 'counts faults of the TDP MMU too',
};

/** `perf stat`, for readers or with -x. */
export const perfStat: Format = {
  name: 'perf stat',
  expected: 'lines such as 1,024 kvm:kvm_page_fault',
  isFormat: text => /Performance counter stats for/.test(text) || /^\s*[\d,.]+[,;|]{2}\S*kvm\S*[,;|]/m.test(text),
  read: (text, file, context) => {
    const command = /Performance counter stats for '(.*)'/.exec(text)?.[1];
    const isWhole = command === undefined || /^(system wide|process id|thread id|CPU)/.test(command);
    const lines = text.split(/\r?\n/).flatMap((line, index) => {
      const found =
        /^\s*(?:([\d][\d.,'\u202f\u00a0]*|<not (?:counted|supported)>)\s+(?:(?:msec|Joules|[KMG]i?B|Bytes|%)\s+)?|([\d.]+|<not (?:counted|supported)>)[,;|]\S*?[,;|])((?:\w+:)?[\w.]*[a-z_]\w*)(?::[a-zA-Z]+)?(?=\s|[,;|]|$)/.exec(
          line,
        );
      if (found === null || /seconds (time|user|sys)/.test(line)) return [];
      return [{ event: found[3] ?? '', count: found[1] ?? found[2] ?? '', line: index + 1 }];
    });
    const reading = countersOf(lines, EVENTS, file, 'perf stat', context);
    return {
      ...reading,
      counts: { counters: reading.counts?.counters ?? {}, words: isWhole ? undefined : testWords(splitCommand(command), context.tests) },
    };
  },
};

/** `perf kvm stat report`. */
export const perfKvmStat: Format = {
  name: 'perf kvm stat',
  expected: 'a table of VM-EXIT and Samples',
  isFormat: text => /VM-EXIT\s+Samples|Analyze events for/.test(text),
  read: (text, file, context) => {
    const lines = text.split(/\r?\n/).flatMap((line, index) => {
      const found = /^\s*([A-Za-z_][\w-]*)\s+(\d+)\s+[\d.]+%/.exec(line);
      return found === null ? [] : [{ event: found[1] ?? '', count: found[2] ?? '', line: index + 1 }];
    });
    return countersOf(lines, EXITS, file, 'perf kvm stat', context);
  },
};

/** `kvm_stat -1`, or its screen pasted. */
export const kvmStat: Format = {
  name: 'kvm_stat',
  expected: 'lines such as pf_fixed 1024 16',
  isFormat: text =>
    /^\s*(kvm statistics|Event\s+Total)/m.test(text) || (/^\s*(pf_fixed|pf_taken|kvm_exit|kvm_entry|exits)\s+\d+/m.test(text) && !/[{<]/.test(text)),
  read: (text, file, context) => {
    const lines = text.split(/\r?\n/).flatMap((line, index) => {
      const found = /^\s*([a-z][\w-]*(?:\([^)]*\))?)\s+(\d+)(?:\s+[\d.]+)*\s*$/.exec(line);
      return found === null ? [] : [{ event: found[1] ?? '', count: found[2] ?? '', line: index + 1 }];
    });
    return countersOf(lines, EVENTS, file, 'kvm_stat', context);
  },
};

interface CountedLine {
  readonly event: string;
  readonly count: string;
  readonly line: number;
}

function countersOf(
  lines: readonly CountedLine[],
  events: Readonly<Record<string, string>>,
  file: string,
  format: string,
  context: ReadContext,
): Reading {
  const counters: Record<string, number> = {};
  const leftOut: LeftOut[] = [];
  for (const { event, count, line } of lines) {
    const name = event.includes(':') ? event.slice(event.indexOf(':') + 1) : event;
    const counter = counterOf(name, events, context.counters);
    if (counter === undefined) {
      const exit = /^kvm_exit\(/.test(name) ? 'an exit reason, not a counter' : undefined;
      leftOut.push({ said: event, why: exit ?? (Object.hasOwn(MIXED, name) ? MIXED[name] : undefined) ?? 'not a counter', line });
    } else if (count.startsWith('<')) leftOut.push({ said: `${event} ${count}`, why: 'was not counted', line });
    else {
      const value = Number(count.replace(/[.,'\u202f\u00a0]/g, ''));
      if (!Number.isSafeInteger(value)) throw importMalformed({ file, line }, format, `${count}: not a count of events`);
      if (counters[counter] !== undefined) throw importMalformed({ file, line }, format, `${event}: counted twice`);
      counters[counter] = value;
    }
  }
  return { counts: { counters }, leftOut };
}

function counterOf(name: string, events: Readonly<Record<string, string>>, known: ReadonlySet<string>): string | undefined {
  const mapped = Object.hasOwn(events, name) ? events[name] : undefined;
  return mapped ?? (known.has(name) && !Object.hasOwn(MIXED, name) ? name : undefined);
}
