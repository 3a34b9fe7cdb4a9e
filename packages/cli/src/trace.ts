/**
 * `--trace FILE`: the run once more, access by access, as a timeline for Perfetto. The file takes its place when it is complete.
 */
import { formatCount, TraceEvents } from '@mmulab/report';
import { checkTimeline, runTimeline, withOutputFile } from '@mmulab/runner';
import { traceOfSeveral } from './errors';
import type { Performance } from './perform';
import type { PreparedRun } from './sources';
import type { Terminal } from './terminal';

/** Counters that a note names. */
const MAX_NAMED = 5;

/**
 * Performs a run and writes its timeline.
 * @param path absent: no timeline
 * @param terminal where notes go; absent: they are not wanted
 * @throws CLI_TRACE_RUNS for several runs, TIMELINE_TOO_LARGE, FILE_UNWRITABLE, all of them before anything runs
 */
export function writingTrace(
  path: string | undefined,
  prepared: readonly PreparedRun[],
  terminal: Pick<Terminal, 'err'> | undefined,
  perform: () => Performance,
): Performance {
  if (path === undefined) return perform();
  const [only] = prepared;
  if (only === undefined || prepared.length > 1) throw traceOfSeveral(prepared.length);
  checkTimeline(only.run, only.registry);
  return withOutputFile(path, {}, file => {
    const performed = perform();
    const events = new TraceEvents(text => file.append(text));
    for (const result of performed.results) {
      const { countsApart } = runTimeline(only.run, only.registry, events, result);
      for (const note of notesOf(events.faultsLeftOut, countsApart)) terminal?.err(`note: ${path}: ${note}\n`);
    }
    terminal?.err(`wrote ${path}\n`);
    return performed;
  });
}

function notesOf(faultsLeftOut: number, countsApart: readonly string[]): string[] {
  const named = countsApart.slice(0, MAX_NAMED).join(', ');
  const more = countsApart.length > MAX_NAMED ? ` and ${countsApart.length - MAX_NAMED} more` : '';
  return [
    ...(faultsLeftOut === 0 ? [] : [`sampled: ${formatCount(faultsLeftOut)} faults are left out`]),
    ...(countsApart.length === 0 ? [] : [`vCPUs are side by side in it, and what hangs on timing counts otherwise there: ${named}${more}`]),
  ];
}
