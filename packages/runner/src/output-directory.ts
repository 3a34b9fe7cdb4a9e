/**
 * Directories that mmulab writes files into: checked before the work begins, made when there is something to put into them.
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileUnwritable } from './errors';
import { writeOutputFile } from './output-file';
import { guarded, mayWrite } from './output-target';

/** Checks that files can be written into a directory, or that it can be made. Makes nothing. @throws FILE_UNWRITABLE */
export function checkOutputDirectory(path: string): void {
  guarded(path, () => {
    let at = resolve(path);
    while (statSync(at, { throwIfNoEntry: false }) === undefined && dirname(at) !== at) at = dirname(at);
    if (!statSync(at).isDirectory()) throw fileUnwritable(path, at === resolve(path) ? 'is no directory' : `${at} is no directory`);
    if (!mayWrite(at)) throw fileUnwritable(path, `the directory ${at} is not to be written to`);
  });
}

/** Makes a directory and those above it, as far as they are not there. @throws FILE_UNWRITABLE */
export function makeOutputDirectory(path: string): void {
  guarded(path, () => mkdirSync(path, { recursive: true }));
}

/** Writes a file whole or not at all, and makes the directories above it. What stood there before stays until the new text is complete. @throws FILE_UNWRITABLE */
export function writeWithDirectory(path: string, text: string): void {
  makeOutputDirectory(dirname(path));
  writeOutputFile(path, [text]);
}
