/**
 * Files in directories that may not be there yet.
 */
import { writeOutputFile } from '@mmulab/runner';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { problemOf, unwritable } from './errors';

/**
 * Writes a file whole or not at all, its directories too. What stood there before stays until the new text is complete.
 * @throws FILE_UNWRITABLE
 */
export function writeWhole(path: string, text: string): void {
  const directory = dirname(path);
  try {
    if (!existsSync(directory)) mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw unwritable(path, problemOf(error));
  }
  writeOutputFile(path, [text]);
}
