/**
 * Writes all of something to an open file, however little the system takes at a time.
 *
 * A write may be short (a disk that is nearly full, a pipe), and a descriptor that somebody else made non-blocking may be asked too early. Both are gone on
 * with; what remains an error is one.
 */
import { writeSync } from 'node:fs';

/** `writeSync` of node:fs, as far as it is needed. */
export type WriteBytes = (fd: number, bytes: Uint8Array, offset: number, length: number) => number;

/** How long a reader is waited for before the next try. */
const RETRY_MS = 5;
/** Tries in a row that may take nothing before it is an error. */
const MAX_EMPTY_WRITES = 3;

/**
 * Writes all bytes; blocks the thread until they are taken.
 * @param write stands in for the system's in tests
 * @throws what the system says (ENOSPC, EPIPE, …), and an error of its own when nothing is taken any more
 */
export function writeAll(fd: number, bytes: Uint8Array, write: WriteBytes = writeSync): void {
  let at = 0;
  let emptyWrites = 0;
  while (at < bytes.length) {
    const count = tryWrite(write, fd, bytes, at);
    emptyWrites = count === 0 ? emptyWrites + 1 : 0;
    if (emptyWrites > MAX_EMPTY_WRITES) throw new Error(`only ${at} of ${bytes.length} bytes were taken`);
    at += count ?? 0;
    if (count === undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
  }
}

/** @returns bytes written; undefined when it is too early */
function tryWrite(write: WriteBytes, fd: number, bytes: Uint8Array, at: number): number | undefined {
  try {
    return write(fd, bytes, at, bytes.length - at);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw error;
  }
}
