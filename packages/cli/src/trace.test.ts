/**
 * `--trace`: the file holds to the rules of the trace-event format whatever runs, shows what happened, and never costs a result or a file that was there.
 */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TraceEvents } from '@mmulab/report';
import { record, scratchDirectory, scratchFile } from './fixtures/recorder';

interface TraceEvent {
  readonly ph: string;
  readonly tid: number;
  readonly ts: number;
  readonly name?: string;
  readonly id?: number;
  readonly args?: Readonly<Record<string, number | string>>;
}

interface Trace {
  readonly displayTimeUnit: string;
  readonly traceEvents: readonly TraceEvent[];
  readonly otherData: { readonly faults: number; readonly faultsLeftOut: number; readonly everyNth: number };
}

/** What a trace breaks of the format's rules. */
function offences({ traceEvents }: Trace): readonly string[] {
  const found: string[] = [];
  const stacks = new Map<number, number[]>();
  const latest = new Map<number, number>();
  const flows = new Map<number, { readonly from: number; ends: number }>();
  traceEvents.forEach((event, at) => {
    const { ph, tid, ts, name, id = -1 } = event;
    if (ph === 'M') return;
    const say = (what: string): void => void found.push(`event ${at}, ${ph} ${name ?? ''} on track ${tid} at ${ts}: ${what}`);
    if (!Number.isFinite(ts) || ts < (latest.get(tid) ?? 0)) say('time goes back');
    latest.set(tid, ts);
    const stack = stacks.get(tid) ?? [];
    stacks.set(tid, stack);
    if (ph === 'B') stack.push(ts);
    else if (ph === 'E' && stack.pop() === undefined) say('ends nothing');
    else if ((ph === 's' || ph === 'f') && stack.length === 0) say('binds to no slice');
    if (ph === 'B' && (name ?? '') === '') say('has no name');
    if (ph === 's') flows.set(id, { from: ts, ends: 0 });
    if (ph !== 'f') return;
    const flow = flows.get(id);
    if (flow === undefined) say('ends a flow that has not begun');
    else if (ts < flow.from) say('ends before it began');
    else flow.ends++;
  });
  for (const [tid, stack] of stacks) if (stack.length > 0) found.push(`track ${tid}: ${stack.length} slices never end`);
  for (const [id, { ends }] of flows) if (ends !== 1) found.push(`flow ${id} ends ${ends} times`);
  return found;
}

function traced(...argv: readonly string[]): { readonly trace: Trace; readonly err: string; readonly out: string } {
  const path = join(scratchDirectory(), 'trace.json');
  const { code, err, out } = record('run', '--trace', path, ...argv);
  expect(`${code} ${err.includes('mmulab: ') ? err : ''}`).toBe('0 ');
  return { trace: JSON.parse(readFileSync(path, 'utf8')) as Trace, err, out };
}

const named = ({ traceEvents }: Trace, name: string): readonly TraceEvent[] => traceEvents.filter(event => event.name === name);

describe('a timeline', () => {
  it.each([
    ['dirty logging', ['--', 'dirty_log_perf_test', '-v', '4', '-b', '4M', '-s', 'anonymous_hugetlb_2mb']],
    ['shared memory that the host takes away', ['--kernel', '5.10.262', '--', 'access_rounds', '-v', '4', '-b', '4M', '-o', '-p', 'w,D,w,Z,r']],
    ['shadow paging', ['--backend', 'x86-shadow', '--', 'access_rounds', '-v', '3', '-b', '2M', '-p', 'w,D,w,U,x']],
    ['register churn on several vCPUs', ['--set', 'vendor=amd', '--kernel', '5.17', '--', 'cr_churn', '-m', 'w', '-n', '8', '-p', '8', '-v', '3']],
    ['a nested guest', ['--set', 'vendor=amd', '--', 'nested_rounds', '-b', '4M', '-L', '-s', 'anonymous_hugetlb_2mb', '-p', 'w,D,x,w']],
    [
      'arm64, one block wanted by eight',
      ['--backend', 'arm64-stage2', '--', 'kvm_page_table_test', '-v', '8', '-b', '4M', '-s', 'anonymous_hugetlb_2mb'],
    ],
    ['aging', ['--', 'access_tracking_perf_test', '-v', '2', '-b', '2M']],
    ['random writes', ['--kernel', '6.12.117', '--', 'dirty_log_perf_test', '-v', '2', '-b', '4M', '-a', '-w', '30']],
  ])('of %s: slices nest, time never goes back, every flow has its two ends', (_what, argv) => {
    const { trace } = traced(...argv);
    expect(offences(trace).slice(0, 5)).toEqual([]);
    expect(trace.displayTimeUnit).toBe('ns');
    expect(trace.otherData.faults).toBeGreaterThan(0);
  });

  it('has a track per vCPU, one for the host and one for the phases', () => {
    const { trace } = traced('--', 'dirty_log_perf_test', '-v', '2', '-b', '2M', '-g');
    expect(named(trace, 'thread_name').map(({ args }) => args?.['name'])).toEqual(['phases', 'host', 'vCPU 0', 'vCPU 1']);
    expect(trace.traceEvents.filter(event => event.tid === 1 && event.ph === 'B').map(event => event.name)).toEqual([
      'populate',
      'enable_log',
      'dirty_1',
      'get_log_1',
      'dirty_2',
      'get_log_2',
      'disable_log',
      'destroy_vm',
    ]);
    expect(named(trace, 'get_dirty_log').filter(event => event.tid === 2 && event.ph === 'B').length).toBeGreaterThanOrEqual(2);
  });

  it('shows every exit of the result as a stage of some access, 512 of them writes to 4 KiB pages', () => {
    const { trace, out } = traced('--format', 'json', '--', 'access_rounds', '-v', '1', '-b', '2M', '-p', 'w');
    const { totals } = JSON.parse(out) as { readonly totals: { readonly counters: Readonly<Record<string, number>> } };
    // An access may fault several times: on the guest's tables, then on its page.
    expect(named(trace, 'exit')).toHaveLength(totals.counters['page_fault'] ?? 0);
    expect(named(trace, 'map').length).toBeGreaterThanOrEqual(512);
    expect(named(trace, 'fault').filter(({ args }) => args?.['access'] === 'write').length).toBeGreaterThanOrEqual(512);
  });

  it('shows waiting for mmu_lock where faults take it for writing, and none where one vCPU runs alone', () => {
    const shared = (vcpus: string): Trace => traced('--backend', 'x86-shadow', '--', 'access_rounds', '-v', vcpus, '-b', '2M', '-p', 'w').trace;
    expect(named(shared('8'), 'wait for mmu_lock').length).toBeGreaterThan(100);
    expect(named(shared('1'), 'wait for mmu_lock')).toEqual([]);
  });

  it('leads each flush from whoever asks to every vCPU', () => {
    const { trace } = traced('--', 'dirty_log_perf_test', '-v', '3', '-b', '2M', '-g');
    const [asked] = trace.traceEvents.filter(event => event.ph === 's');
    expect(asked?.tid).toBe(2);
    const together = trace.traceEvents.filter(event => event.ph === 's' && event.ts === asked?.ts).map(event => event.id);
    const served = trace.traceEvents.filter(event => event.ph === 'f' && together.includes(event.id));
    expect(served.map(event => event.tid).sort()).toEqual([3, 4, 5]);
  });

  it('counts mapped pages and tables: 512 pages of 4 KiB and their tables, none at the end', () => {
    const { trace } = traced('--', 'access_rounds', '-v', '1', '-b', '2M', '-p', 'w');
    const pages = named(trace, 'mapped').map(({ args }) => Number(args?.['pages_4k']));
    expect(Math.max(...pages)).toBeGreaterThanOrEqual(512);
    expect([pages.at(-1), named(trace, 'tables').at(-1)?.args?.['tables']]).toEqual([0, 0]);
  });

  it('is the same for the same seed', () => {
    const once = (): Trace => traced('--seed', '7', '--', 'access_rounds', '-v', '3', '-b', '1M', '-o', '-p', 'w').trace;
    expect(once()).toEqual(once());
  });

  it('leaves the result as it is without one', () => {
    const argv = ['--format', 'csv', '--', 'dirty_log_perf_test', '-v', '3', '-b', '4M', '-s', 'anonymous_hugetlb_2mb', '-g'];
    expect(traced(...argv).out).toBe(record('run', ...argv).out);
  });
});

describe('a timeline of many faults', () => {
  /** Faults of one stage each, on one vCPU. */
  function manyFaults(faults: number, fullEvents: number): Trace {
    let text = '';
    const events = new TraceEvents(piece => (text += piece), fullEvents);
    events.begin({ name: 'many', vcpus: 1, stages: ['map'], levels: ['tables'] });
    events.phaseBegins('p', 0);
    events.guestBegins(0, 0);
    for (let i = 0; i < faults; i++) {
      events.faultBegins(0, i * 1000, i, 1);
      events.stageBegins(0, 0, i * 1000);
      events.flushAsked(0, i * 1000 + 500);
      events.stageEnds(0, i * 1000 + 500);
      events.faultEnds(0, i * 1000 + 500);
    }
    events.guestEnds(0, faults * 1000);
    events.phaseEnds(faults * 1000);
    events.end(faults * 1000);
    return JSON.parse(text) as Trace;
  }

  it('has every one of 1,000 where there is room', () => {
    const trace = manyFaults(1000, 400_000);
    expect(named(trace, 'fault')).toHaveLength(1000);
    expect(trace.otherData).toMatchObject({ faults: 1000, faultsLeftOut: 0, everyNth: 1 });
  });

  it('has ever fewer of 100,000 beyond 1,000 events, says so where it begins and how many at its end, and stays within the rules', () => {
    const trace = manyFaults(100_000, 1000);
    expect(offences(trace)).toEqual([]);
    expect(trace.traceEvents.length).toBeLessThan(6000);
    const { faults, faultsLeftOut, everyNth } = trace.otherData;
    expect(faults - faultsLeftOut).toBe(named(trace, 'fault').length);
    expect(everyNth).toBeGreaterThan(100);
    const marks = trace.traceEvents.filter(event => event.ph === 'i').map(event => event.name);
    expect(marks[0]).toBe('sampled: from here on one fault in 2 of each vCPU');
    expect(2 ** marks.length).toBe(everyNth);
  });
});

describe('a timeline that cannot be written', () => {
  const small = ['--', 'access_rounds', '-b', '1M', '-p', 'w'];

  it.each([
    [
      'several runs',
      ['--trace', 'x.json', scratchFile('m.yaml', 'vary: { kernel: ["6.1", "6.2"] }\nworkload: access_rounds -b 1M -p w\n')],
      'CLI_TRACE_RUNS',
    ],
    ['vCPUs in turns', ['--trace', 'x.json', '--set', 'vcpu_scheduling=sliced', '--', 'access_rounds', '-b', '4M', '-p', 'w'], 'TIMELINE_SLICED'],
    ['a run too large: 1 TiB page by page', ['--trace', 'x.json', '--', 'access_rounds', '-b', '1T', '-p', 'w'], 'TIMELINE_TOO_LARGE'],
    ['a place in no directory', ['--trace', '/nowhere/at/all/x.json', ...small], 'FILE_UNWRITABLE'],
  ])('of %s is refused before anything runs', (_what, argv, code) => {
    const recording = record('run', ...argv);
    expect([recording.code, recording.out, recording.progress]).toEqual([2, '', [undefined]]);
    expect(recording.err).toContain(code);
    expect(existsSync('x.json')).toBe(false);
  });

  it('leaves what was there', () => {
    const directory = scratchDirectory();
    const path = join(directory, 'old.json');
    writeFileSync(path, 'old');
    expect(record('run', '--trace', path, '--', 'access_rounds', '-b', '1T', '-p', 'w').code).toBe(2);
    expect([readFileSync(path, 'utf8'), readdirSync(directory)]).toEqual(['old', ['old.json']]);
  });
});
