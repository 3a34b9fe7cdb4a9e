/**
 * `record --read`: from what the script wrote to a record that `verify` takes.
 *
 * A counter is in the record only if its event could be switched on; then it is there in every phase, 0 where nothing happened. Phases are those of the test that mmulab knows too.
 */
import { RECORDS_SCHEMA } from '@mmulab/api';
import type { BackendDefinition, RecordFile, RecordPhase } from '@mmulab/api';
import { commandLineConfig, planRun, resolveRuns, splitCommand } from '@mmulab/runner';
import type { Registry, ResolvedRun } from '@mmulab/runner';
import { recordingIncomplete, recordingTest } from './errors';
import { recordedHost } from './host-facts';
import { CUT_TESTS, PhaseCutter } from './phase-cutter';
import { RecordedCounts } from './recorded-counts';
import { readRecording } from './recording';
import type { Recording } from './recording';
import { Kind } from './trace-event';
import type { TraceEvent } from './trace-event';
import { TraceParser } from './trace-parser';
import { readTrace } from './trace-source';
import { createTracedVm } from './traced-vm';
import { TraceReading } from './trace-reading';

/** Counters by the event they are counted from. */
const COUNTERS: Readonly<Record<string, readonly string[]>> = {
  'kvm/kvm_page_fault': ['page_fault', 'page_fault.write', 'page_fault.fetch', 'page_fault.present', 'page_fault.guest_table'],
  'kvmmmu/fast_page_fault': ['fast_page_fault', 'fast_page_fault.fixed', 'fast_page_fault.spurious'],
  'kvmmmu/kvm_mmu_get_page': ['table.alloc'],
  'kvmmmu/kvm_mmu_prepare_zap_page': ['table.zap'],
  'kvmmmu/kvm_mmu_split_huge_page': ['huge_split.2m', 'huge_split.1g', 'huge_split.failed'],
  'kvmmmu/kvm_tdp_mmu_spte_changed': [
    ...['install', 'update', 'zap'].flatMap(what => ['4k', '2m', '1g'].map(size => `spte.${what}.${size}`)),
    'spte.install.table',
    'spte.zap.table',
    'spte.split.2m',
    'spte.split.1g',
    'spte.table_to_leaf',
  ],
  'mmulab/kvm_flush_remote_tlbs': ['remote_tlb_flush_requests'],
  'mmulab/mark_page_dirty_in_slot': ['mark_page_dirty'],
  'kvm/kvm_guest_fault': [
    'guest_abort',
    'guest_abort.s1ptw',
    ...['translation', 'permission'].flatMap(what => ['read', 'write', 'exec'].map(kind => `guest_abort.${what}.${kind}`)),
  ],
};

/** What reading a recording gives. */
export interface RecordRead {
  readonly file: RecordFile;
  /** What its reader should know. */
  readonly notes: readonly string[];
}

/** @throws RECORDING_NOT_FOUND, RECORDING_INCOMPLETE, RECORDING_TEST, and what reading the trace throws */
export function readRecord(directory: string, registry: Registry): RecordRead {
  const recording = readRecording(directory);
  const command = (recording.facts['command'] ?? '').trim();
  const [program = ''] = splitCommand(command === '' ? 'none' : command);
  const test = program.slice(program.lastIndexOf('/') + 1);
  if (!CUT_TESTS.includes(test)) throw recordingTest(directory, test, CUT_TESTS);
  const machine = recordedHost(directory, recording.facts, registry.backends());
  const { run, phases: known } = plannedPhases(command, machine, registry);
  const definition = registry.backend(machine.backend);
  const { phases, lost } = countPhases(recording, test, run, definition, registry, known);
  if (phases.length === 0)
    throw recordingIncomplete(directory, 'trace: none of its ioctls runs a vCPU; are syscalls/sys_enter_ioctl and its exit on?');
  const vcpus = Number(run.workload.options['vcpus'] ?? 1);
  return {
    file: {
      schema: RECORDS_SCHEMA,
      records: [
        {
          id: `${machine.backend}.${machine.kernel}.${test}`,
          ...machine,
          command: [test, ...splitCommand(command).slice(1)].join(' '),
          workload_options: {},
          exact: vcpus === 1 && lost === 0,
          phases,
        },
      ],
    },
    notes: [
      ...(lost > 0 ? [`${lost} events were lost: the record is not judged`] : []),
      ...(vcpus > 1
        ? ['with several vCPUs start-up races make counts vary: the record is not judged; set exact and tolerance where you know better']
        : []),
    ],
  };
}

/** The test as mmulab runs it, and its phases. */
function plannedPhases(
  command: string,
  machine: ReturnType<typeof recordedHost>,
  registry: Registry,
): { run: ResolvedRun; phases: readonly string[] } {
  const words = splitCommand(command);
  const [program = '', ...rest] = words;
  const raw = commandLineConfig([program.slice(program.lastIndexOf('/') + 1), ...rest], registry);
  const [run] = resolveRuns(
    { ...raw, backend: { name: machine.backend, kernel: machine.kernel, options: machine.options }, host: machine.host },
    registry,
  );
  return { run: run, phases: planRun(run, registry).phases.map(({ name }) => name) };
}

function countPhases(
  { trace, events, overrun }: Recording,
  test: string,
  run: ResolvedRun,
  definition: BackendDefinition,
  registry: Registry,
  known: readonly string[],
): { readonly phases: readonly RecordPhase[]; readonly lost: number } {
  const counted = countersOf(events, definition);
  const counts = new Map<string, Map<string, number>>();
  const cutter = new PhaseCutter(test);
  const counter = new EventCounter(run, registry, name => {
    if (cutter.phase === '') return;
    const phase = counts.get(cutter.phase) ?? new Map<string, number>();
    counts.set(cutter.phase, phase);
    phase.set(name, (phase.get(name) ?? 0) + 1);
  });
  const met: string[] = [];
  const parser = new TraceParser(event => {
    cutter.take(event);
    if (cutter.phase !== '' && met.at(-1) !== cutter.phase && !met.includes(cutter.phase)) met.push(cutter.phase);
    counter.take(event);
  });
  readTrace(trace, piece => parser.feed(piece));
  parser.end();
  const phases = met
    .filter(phase => known.includes(phase))
    .map(phase => ({
      phase,
      counters: Object.fromEntries(counted.map(name => [name, counts.get(phase)?.get(name) ?? 0])),
    }));
  return { phases, lost: parser.counts.lost + overrun };
}

/** Counters of the backend whose events the kernel had. */
function countersOf(events: readonly string[], { events: known }: BackendDefinition): readonly string[] {
  const names = new Set(known.map(({ name }) => name));
  return events.flatMap(event => COUNTERS[event] ?? []).filter(name => names.has(name));
}

/** Counts single events, under the names of counters. */
class EventCounter extends RecordedCounts {
  private readonly reading: TraceReading;

  constructor(
    run: ResolvedRun,
    registry: Registry,
    private readonly count: (name: string) => void,
  ) {
    super();
    const ept = run.host['vendor'] === 'intel';
    const machine = { variation: '', backend: run.backend, host: run.host, notes: [] };
    const { port } = createTracedVm(machine, registry, { physBits: 40, pageBytes: 4096, entries: 512 }, { slots: [], backingLevel: 0 });
    // Nobody is driven: only the reading's own counts are wanted.
    this.reading = new TraceReading([], this, port, { ept, pageBytes: 4096, frameLimit: Infinity, tellsChanges: true, tellsRegisters: true });
  }

  override add(name: string): void {
    this.count(name);
  }

  take(event: TraceEvent): void {
    if (event.kind === Kind.Noted) return;
    this.reading.take(event);
  }
}
