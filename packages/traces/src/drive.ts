/**
 * One pass over a trace: its beginning is read once more for the signs of the machine, then every event goes to whoever wants them.
 *
 * The beginning is kept until the machine is known, so that a pipe can be read too; the rest is read piece by piece and forgotten.
 */
import { traceEmpty } from './errors';
import { TraceSigns } from './signs';
import { TraceParser } from './trace-parser';
import type { EventCount, EventSink, LineCounts } from './trace-parser';
import { readTrace } from './trace-source';
import { Kind } from './trace-event';

/** How much of a trace is looked at for signs. */
const SIGN_BYTES = 32 << 20;

/** What the lines of a trace were. */
export interface TraceLines extends LineCounts {
  readonly events: readonly EventCount[];
}

/**
 * Reads a trace.
 * @param begin is told the signs once they are known, and says who takes the events
 * @throws what `readTrace` throws, and TRACE_EMPTY when nothing in it concerns an MMU
 */
export function driveTrace(file: string, begin: (signs: TraceSigns) => EventSink): TraceLines {
  let held: Uint8Array[] | undefined = [];
  let heldBytes = 0;
  const signs = new TraceSigns();
  const scout = new TraceParser(event => signs.take(event));
  let parser: TraceParser | undefined;
  const start = (): TraceParser => {
    scout.end();
    if (!isOfAnMmu(signs)) throw traceEmpty(file, scout.counts.lines);
    parser = new TraceParser(begin(signs));
    for (const piece of held ?? []) parser.feed(piece);
    held = undefined;
    return parser;
  };
  readTrace(file, piece => {
    if (parser !== undefined) {
      parser.feed(piece);
      return;
    }
    scout.feed(piece);
    held?.push(piece.slice());
    heldBytes += piece.length;
    if (heldBytes >= SIGN_BYTES) start();
  });
  const last = parser ?? start();
  last.end();
  return { ...last.counts, events: last.events() };
}

function isOfAnMmu(signs: TraceSigns): boolean {
  return signs.arch !== undefined && [...signs.kinds.keys()].some(kind => kind !== Kind.Exit && kind !== Kind.Entry && kind !== Kind.Marker);
}
