/**
 * Reading the files users name.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { fileNotFound, fileUnreadable } from './errors';

/**
 * @param what the file should be, for the message
 * @throws FILE_NOT_FOUND, FILE_UNREADABLE
 */
export function readTextFile(path: string, what: string): string {
  return reading(path, what, () => readFileSync(path, 'utf8'));
}

/**
 * Reads a file of limited size; no more is read of one that is larger, a device without an end included.
 * @returns undefined when the file has more than `limitBytes`
 * @throws FILE_NOT_FOUND, FILE_UNREADABLE
 */
export function readSmallTextFile(path: string, what: string, limitBytes: number): string | undefined {
  return reading(path, what, () => {
    const buffer = Buffer.allocUnsafe(limitBytes + 1);
    const file = openSync(path, 'r');
    try {
      let length = 0;
      for (let read = -1; read !== 0 && length < buffer.length; length += read) read = readSync(file, buffer, length, buffer.length - length, null);
      return length > limitBytes ? undefined : buffer.toString('utf8', 0, length);
    } finally {
      closeSync(file);
    }
  });
}

function reading<T>(path: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw fileNotFound(path, what);
    throw fileUnreadable(path, code === 'EISDIR' ? `is a directory; expected ${what}` : message);
  }
}
