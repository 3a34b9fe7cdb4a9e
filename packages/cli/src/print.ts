/**
 * Prints a report piece by piece: the whole may be longer than a string can be.
 */
import type { Terminal } from './terminal';

/** Characters that are gathered before they are printed. */
const CHUNK = 1 << 16;

/** Prints texts that are made one after the other. */
export function print(terminal: Terminal, texts: Iterable<string>): void {
  let pending = '';
  for (const text of texts) {
    pending += text;
    if (pending.length < CHUNK) continue;
    terminal.out(pending);
    pending = '';
  }
  if (pending !== '') terminal.out(pending);
}
