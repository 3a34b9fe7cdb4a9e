/**
 * Reading the files users name.
 */
import { readFileSync } from 'node:fs';
import { fileNotFound, fileUnreadable } from './errors';

/**
 * @param what the file should be, for the message
 * @throws FILE_NOT_FOUND, FILE_UNREADABLE
 */
export function readTextFile(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw fileNotFound(path, what);
    throw fileUnreadable(path, code === 'EISDIR' ? `is a directory; expected ${what}` : message);
  }
}

/** Whether a parsed value is a map. */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
