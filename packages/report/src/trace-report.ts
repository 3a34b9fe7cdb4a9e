/**
 * What a trace of a real kernel came to: lines read and not used, and the comparison of its changes with those simulated.
 */
import type { RunResult } from '@mmulab/api';
import { formatCount } from './quantity';
import type { Report } from '@mmulab/api';
import type { Cell, Sheet } from './sheet';

/** Recorded facts of one kind, and how many of them the simulation has too. */
export interface TraceTally {
  readonly recorded: number;
  readonly equal: number;
}

/** One line of a trace, as an example. */
export interface TraceLine {
  readonly line: number;
  readonly text: string;
}

/** An event by name, and how many of its lines could not be read. */
export interface TraceEventLines {
  readonly name: string;
  readonly used: boolean;
  readonly lines: number;
  readonly damaged: number;
  readonly example?: TraceLine | undefined;
}

/** The lines of a trace. */
export interface TraceLinesSummary {
  readonly lines: number;
  readonly comments: number;
  readonly unreadable: number;
  readonly example?: TraceLine | undefined;
  readonly outOfOrder: number;
  readonly firstOutOfOrder: number;
  readonly lost: number;
  readonly firstLost: number;
  /** Lines whose event cannot have been: why, how many, and the first. */
  readonly doubts: readonly { readonly why: string; readonly lines: number; readonly first: number }[];
  readonly events: readonly TraceEventLines[];
}

/** What a check found. */
export interface TraceCheckSummary {
  readonly trace: string;
  /** Backend, kernel and what is special about them, in words. */
  readonly machine: string;
  /** Facts by kind, the transitions first. */
  readonly tallies: readonly (TraceTally & { readonly what: string; readonly name: string })[];
  readonly faults: number;
  readonly retries: number;
  readonly adopted: number;
  readonly missing: number;
  readonly differences: number;
  readonly firstDifference?: { readonly line: number; readonly actor: string; readonly recorded: string; readonly simulated: string } | undefined;
  readonly inferred: readonly { readonly line: number; readonly what: string }[];
  readonly inferredCount: number;
  readonly lines: TraceLinesSummary;
}

/** A check as a report. Its document has `transitions`, `equal` and `firstDifference` at the top. */
export function traceCheckReport(check: TraceCheckSummary): Report {
  return {
    what: 'a check of a trace',
    document: checkDocument(check),
    sheets: () => [checkSheet(check), ...lineSheets(check.lines)],
    csv: () => ({ header: ['what', 'recorded', 'equal'], rows: check.tallies.map(({ name, recorded, equal }) => [name, recorded, equal]) }),
  };
}

function checkDocument(check: TraceCheckSummary): unknown {
  const [transitions, ...others] = check.tallies;
  const { trace, machine, faults, retries, adopted, missing, differences, firstDifference, inferred, lines } = check;
  return {
    transitions: transitions?.recorded ?? 0,
    equal: transitions?.equal ?? 0,
    firstDifference: firstDifference ?? null,
    ...Object.fromEntries(others.map(({ name, recorded, equal }) => [name, { recorded, equal }])),
    missing,
    differences,
    faults,
    retries,
    adopted,
    trace,
    machine,
    inferred,
    lines: linesDocument(lines),
  };
}

function checkSheet(check: TraceCheckSummary): Sheet {
  const { firstDifference: first } = check;
  const differs =
    first === undefined
      ? []
      : [`First difference, line ${first.line}, ${first.actor}:`, `  recorded   ${first.recorded}`, `  simulated  ${first.simulated}`];
  return {
    title: `${check.trace} against the model`,
    lines: [check.machine],
    keys: 1,
    columns: [
      { name: 'per vCPU and host, in order', align: 'left' },
      { name: 'recorded', align: 'right' },
      { name: 'equal', align: 'right' },
      { name: 'off', align: 'right' },
    ],
    rows: check.tallies.filter(({ recorded }, i) => i === 0 || recorded > 0).map(tallyRow),
    notes: [verdict(check), ...differs, ...restNotes(check), ...inferenceNotes(check)],
  };
}

function tallyRow({ what, recorded, equal }: TraceTally & { readonly what: string }): Cell[] {
  const off = recorded - equal;
  return [what, recorded, equal, off === 0 ? off : { value: off, tone: 'bad' }];
}

function verdict({ differences, tallies }: TraceCheckSummary): string {
  if (differences === 0) return `All ${formatCount(tallies[0]?.recorded ?? 0)} transitions are equal.`;
  return `${formatCount(differences)} ${differences === 1 ? 'difference' : 'differences'}.`;
}

function restNotes({ faults, retries, adopted, missing }: TraceCheckSummary): string[] {
  return [
    `${formatCount(faults)} faults${retries === 0 ? '' : `, ${formatCount(retries)} of them dropped and taken again`}.`,
    ...(adopted === 0 ? [] : [`${formatCount(adopted)} entries are older than the trace and were taken over as they are.`]),
    ...(missing === 0 ? [] : [`${formatCount(missing)} changes were simulated that the trace does not have.`]),
  ];
}

function inferenceNotes({ inferred, inferredCount }: TraceCheckSummary): string[] {
  const shown = inferred.slice(0, 8).map(({ line, what }) => `Line ${line}: ${what}.`);
  return inferredCount > shown.length ? [...shown, `${inferredCount - shown.length} more inferences of this kind.`] : shown;
}

/** What of a trace was not used, as a document. */
export function linesDocument(lines: TraceLinesSummary): unknown {
  const damaged = lines.events.filter(event => event.damaged > 0);
  return {
    read: lines.lines,
    comments: lines.comments,
    unreadable: lines.unreadable,
    ...(lines.example === undefined ? {} : { example: lines.example }),
    outOfOrder: lines.outOfOrder,
    lost: lines.lost,
    ...(lines.doubts.length === 0 ? {} : { doubtful: lines.doubts }),
    events: Object.fromEntries(lines.events.map(event => [event.name, event.lines])),
    unused: Object.fromEntries(lines.events.filter(({ used }) => !used).map(event => [event.name, event.lines])),
    damaged: Object.fromEntries(damaged.map(event => [event.name, { lines: event.damaged, example: event.example }])),
  };
}

/** Lines that were not used, by kind; nothing where all were. */
export function lineSheets(lines: TraceLinesSummary): readonly Sheet[] {
  const rows: Cell[][] = [
    ...lines.events.filter(({ used }) => !used).map(({ name, lines: count }): Cell[] => [name, count, 'no event that tables depend on', '']),
    ...lines.events
      .filter(({ damaged }) => damaged > 0)
      .map((event): Cell[] => [event.name, event.damaged, 'fields damaged', exampleOf(event.example)]),
    ...(lines.unreadable === 0 ? [] : [['(none)', lines.unreadable, 'no event', exampleOf(lines.example)]]),
    ...(lines.lost === 0 ? [] : [['(lost)', lines.lost, 'events the recorder lost', `line ${lines.firstLost}`]]),
    ...(lines.outOfOrder === 0 ? [] : [['(time)', lines.outOfOrder, 'before a line above', `line ${lines.firstOutOfOrder}`]]),
    ...lines.doubts.map(({ why, lines: count, first }): Cell[] => ['(doubtful)', count, why, `line ${first}`]),
  ];
  if (rows.length === 0) return [];
  return [
    {
      title: 'Lines of the trace that were not used',
      lines: [],
      keys: 1,
      columns: [
        { name: 'event', align: 'left' },
        { name: 'lines', align: 'right' },
        { name: 'why', align: 'left' },
        { name: 'first', align: 'left' },
      ],
      rows,
      notes: [`${formatCount(lines.lines)} lines were read.`],
    },
  ];
}

function exampleOf(example: TraceLine | undefined): string {
  if (example === undefined) return '';
  const text = example.text.trim();
  return `line ${example.line}: ${text.length > 60 ? `${text.slice(0, 57)}...` : text}`;
}

/** A replay as a report: the trace and each policy side by side. Its document holds the results whole. */
export function replayReport(comparison: Report, recorded: RunResult, results: readonly RunResult[], lines: TraceLinesSummary): Report {
  return {
    ...comparison,
    what: 'a replay',
    document: { schema: 'mmulab.replay.v1', recorded: { phases: recorded.phases, totals: recorded.totals }, results, lines: linesDocument(lines) },
    sheets: view => [...comparison.sheets(view), ...lineSheets(lines)],
  };
}
