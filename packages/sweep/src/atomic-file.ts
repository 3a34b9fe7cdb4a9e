/**
 * Files that are there whole or not at all: written beside their place and renamed into it.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { problemOf, unwritable } from './errors';

let written = 0;

/**
 * Writes a file, its directories too. What stood there before stays until the new text is complete.
 * @throws FILE_UNWRITABLE; nothing of the new text is left behind then
 */
export function writeWhole(path: string, text: string): void {
  const beside = `${path}.${process.pid}-${written++}.tmp`;
  try {
    try {
      writeFileSync(beside, text);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(beside, text);
    }
    renameSync(beside, path);
  } catch (error) {
    discard(beside);
    throw unwritable(path, problemOf(error));
  }
}

function discard(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Where it could not even be written there is nothing to take away.
  }
}
