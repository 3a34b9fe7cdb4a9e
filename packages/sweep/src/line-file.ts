/**
 * Files of lines that only grow. A line is there whole or not at all: one that was torn off, by a crash or a full disk, is cut away.
 */
import { isMmulabError } from '@mmulab/api';
import { closeSync, existsSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { problemOf, unwritable } from './errors';

const CHUNK_BYTES = 1 << 20;
const NEWLINE = 10;

/** A file of lines, open for appending. */
export class LineFile {
  private constructor(
    readonly path: string,
    private readonly file: number,
    private sizeBytes: number,
  ) {}

  /**
   * Opens a file, new or old.
   * @param onLine called with each line that is there, the first `headBytes` of it
   * @throws FILE_UNWRITABLE, and what `onLine` throws
   */
  static open(path: string, onLine: (head: string, line: number) => void = () => undefined, headBytes = Infinity): LineFile {
    try {
      const file = openSync(path, existsSync(path) ? 'r+' : 'w+');
      const sizeBytes = scanLines(file, onLine, headBytes);
      ftruncateSync(file, sizeBytes);
      return new LineFile(path, file, sizeBytes);
    } catch (error) {
      throw isMmulabError(error) ? error : unwritable(path, problemOf(error));
    }
  }

  /** Appends a line. @throws FILE_UNWRITABLE; the file is as before then */
  append(line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(this.file, bytes, done, bytes.length - done, this.sizeBytes + done);
    } catch (error) {
      ftruncateSync(this.file, this.sizeBytes);
      throw unwritable(this.path, problemOf(error));
    }
    this.sizeBytes += bytes.length;
  }

  close(): void {
    closeSync(this.file);
  }
}

/**
 * Reads the lines of a file one after the other.
 * @param onLine called with each complete line
 */
export function readLines(path: string, onLine: (line: string, number: number) => void): void {
  const file = openSync(path, 'r');
  try {
    scanLines(file, onLine, Infinity);
  } finally {
    closeSync(file);
  }
}

/** @returns where the last complete line ends, in bytes */
function scanLines(file: number, onLine: (head: string, line: number) => void, headBytes: number): number {
  let rest = Buffer.alloc(0);
  let end = 0;
  let line = 0;
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (let position = 0; ;) {
    const count = readSync(file, chunk, 0, CHUNK_BYTES, position);
    if (count === 0) return end;
    position += count;
    const bytes = Buffer.concat([rest, chunk.subarray(0, count)]);
    let from = 0;
    for (let to = bytes.indexOf(NEWLINE); to >= 0; to = bytes.indexOf(NEWLINE, from)) {
      onLine(bytes.toString('utf8', from, Math.min(to, from + headBytes)), ++line);
      end += to + 1 - from;
      from = to + 1;
    }
    rest = bytes.subarray(from);
  }
}
