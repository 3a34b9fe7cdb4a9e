/**
 * What `npm start` tells: one story per source document. A question, the comparison that answers it with the counters that matter, and a sentence made from what
 * was counted; the numbers in it are never written here.
 */
import type { RunResult } from '@mmulab/api';
import { formatBytes, formatCount, formatRatio } from '@mmulab/report';

/** A story. */
export interface StarterStory {
  readonly title: string;
  readonly question: string;
  /** A config under examples/seeds. */
  readonly config: string;
  readonly phases: readonly string[];
  /** Absent with a pivot. */
  readonly counters?: readonly string[];
  /** As `--pivot` takes it. */
  readonly pivot?: string;
  /** What came out, in sentences. */
  conclude(results: readonly RunResult[]): readonly string[];
}

/** A counter in a phase. @throws when there is none: a story names what its config has */
function counted(run: RunResult | undefined, phase: string, counter: string): number {
  const value = run?.phases.find(one => one.phase === phase)?.counters[counter];
  if (value === undefined) throw new Error(`no ${counter} in ${phase}`);
  return value;
}

function optionsOf({ config }: RunResult, section: 'backend' | 'workload'): Readonly<Record<string, unknown>> {
  return (config[section] as { readonly options: Readonly<Record<string, unknown>> }).options;
}

/** The runs whose backend and kernel are these. */
function runsOn(results: readonly RunResult[], backend: string, kernel: string): readonly RunResult[] {
  return results.filter(({ config }) => {
    const { name, kernel: release } = config['backend'] as { readonly name: string; readonly kernel: string };
    return name === backend && release === kernel;
  });
}

const executing: StarterStory = {
  title: 'Executing from huge pages',
  question:
    'A guest calls into every page of its memory, backed by 1 GiB pages that must not be executable as a whole. Zap the huge page, or split it?',
  config: 'execute-huge-pages',
  phases: ['execute'],
  counters: ['page_fault', 'spte.zap.1g', 'huge_split.2m', 'remote_tlb_flush_requests'],
  conclude: ([zap, split]) => {
    const [before, after] = [zap, split].map(run => counted(run, 'execute', 'page_fault'));
    const bytes = zap === undefined ? 0 : Number(optionsOf(zap, 'workload')['bytes']) * Number(optionsOf(zap, 'workload')['vcpus']);
    const per = (faults = 1): string => formatBytes(bytes / faults);
    return [
      `Splitting takes ${formatCount(after ?? 0)} faults where zapping took ${formatCount(before ?? 0)}, ${formatRatio(before ?? 0, after ?? 0)}: one per ${per(after)} instead of one per ${per(before)}.`,
    ];
  },
};

const logging: StarterStory = {
  title: 'Splitting huge pages while a guest is migrated',
  question:
    'A guest writes 5 % of its pages while its writes are logged. What does it pay when huge pages are zapped, split on the fault, or split beforehand?',
  config: 'dirty-log-huge-pages',
  phases: ['enable_log', 'dirty_1'],
  counters: ['page_fault', 'table.alloc'],
  conclude: ([zap, split, eager]) => {
    const [zapped, lazy, left] = [zap, split, eager].map(run => counted(run, 'dirty_1', 'page_fault'));
    const tables = counted(eager, 'enable_log', 'table.alloc');
    return [
      `Split on the fault, the guest takes ${formatRatio(zapped ?? 0, lazy ?? 0)} faults; split beforehand ${left === 0 ? 'none' : formatCount(left ?? 0)}, for ${formatCount(tables)} tables built when logging begins, whether written or not.`,
    ];
  },
};

const cleaning: StarterStory = {
  title: 'Cache maintenance on arm64',
  question: 'Many vCPUs fault on the same memory at once. Who cleans the data cache: every fault, or the walker that installs the entry?',
  config: 'arm64-cmo',
  phases: ['create_mappings', 'update_mappings'],
  pivot: 'workload,kernel,dcache_clean_inval_poc.bytes',
  conclude: results => {
    const pairs = results.filter((_, at) => at % 2 === 0).map((before, at) => [before, results[2 * at + 1]] as const);
    const ratios = pairs.map(([before, after]) => {
      const bytes = [before, after].map(run => counted(run, 'create_mappings', 'dcache_clean_inval_poc.bytes'));
      return { before, ratio: (bytes[0] ?? 0) / (bytes[1] ?? 1) };
    });
    const most = ratios.reduce((a, b) => (b.ratio > a.ratio ? b : a));
    const { vcpus, backing } = optionsOf(most.before, 'workload');
    return [
      `Before, every fault cleaned the whole block it wanted to map: with ${String(vcpus)} vCPUs on ${String(backing)}, ${formatRatio(most.ratio, 1)} bytes are cleaned once whoever installs the entry does it.`,
    ];
  },
};

const toggling: StarterStory = {
  title: 'Toggling CR0.WP',
  question: 'A guest kernel lifts write protection around each protected write. What does each of the three x86 MMUs rebuild?',
  config: 'cr0-wp-churn',
  phases: ['round_2'],
  pivot: 'backend+npt,kernel,table.alloc',
  conclude: results => {
    const [before] = runsOn(results, 'x86-tdp', '5.10.262');
    const after = results.filter(run => run !== before).map(run => counted(run, 'round_2', 'table.alloc'));
    const toggles = before === undefined ? 1 : 2 * Number(optionsOf(before, 'workload')['toggles']);
    const [tables, faults] = ['table.alloc', 'page_fault'].map(counter => counted(before, 'round_2', counter) / toggles);
    const most = Math.max(...after);
    return [
      `The TDP MMU of 5.10 dropped its root on every toggle and built ${formatCount(tables ?? 0)} tables by ${formatCount(Math.round(faults ?? 0))} faults anew. The other two, and the TDP MMU as posted (5.17 here) and as shipped since, build ${most === 0 ? 'none' : `up to ${formatCount(most)}`}.`,
    ];
  },
};

const nesting: StarterStory = {
  title: 'Access bits of shadowed translations',
  question: 'A nested guest is logged, then executes from its memory. What are cached access bits good for?',
  config: 'nested-access-bits',
  phases: ['2_D', '3_x', '4_w'],
  counters: ['page_fault', 'huge_split.2m'],
  conclude: ([without, cached]) => {
    const [before, after] = [without, cached].map(run => counted(run, '3_x', 'page_fault'));
    const [splits, writes] = [counted(cached, '2_D', 'huge_split.2m'), counted(cached, '4_w', 'page_fault')];
    return [
      `With them KVM splits the nested guest's huge pages beforehand (${formatCount(splits)} attempts) and they keep their execute right: executing takes ${after === 0 ? 'no fault' : `${formatCount(after ?? 0)} faults`} instead of ${formatCount(before ?? 0)}. What it writes later then faults, ${formatCount(writes)} times.`,
    ];
  },
};

/** In the order of the documents. */
export const STORIES: readonly StarterStory[] = [executing, logging, cleaning, toggling, nesting];
