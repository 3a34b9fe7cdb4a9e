/**
 * Traces of a run for other people's tools: what happens to the page tables, step by step, in a language of theirs.
 *
 * A backend says which it can write; a run that is asked for one hands the backend a place to write to, and the backend goes entry by entry instead of lifting.
 */

/** A trace a backend can write. */
export interface ExportDef {
  /** As in `--export NAME=FILE`. */
  readonly name: string;
  /** One sentence for the help. */
  readonly doc: string;
}

/** Where a run's trace goes. Bound for the runs that are asked for one; optional where it is injected. */
export const TraceExport = Symbol.for('mmulab.TraceExport');
export interface TraceExport {
  /** Name of the trace asked for. */
  readonly name: string;
  /** Something left out on purpose, in the backend's own words, so that whoever checks the trace has something to find. Absent: nothing. */
  readonly leaveOut?: string | undefined;
  /** Takes the next piece of the trace. */
  write(text: string): void;
}
