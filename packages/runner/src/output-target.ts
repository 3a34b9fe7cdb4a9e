/**
 * What a path that is to be written to stands for, found out without touching it.
 *
 * A name is followed through symbolic links to its end, so that a link stays a link and what it points to gets the new contents. What is no file (a pipe,
 * /dev/null, a descriptor such as /dev/stdout) has no contents to replace: it is written to as it is. What cannot be written is refused here, before any work
 * is done for it.
 */
import { accessSync, constants, fstatSync, lstatSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isMmulabError } from '@mmulab/api';
import { fileExists, fileUnwritable } from './errors';

/** Where output goes in the end. */
export type OutputTarget =
  /** A file, there or not; `path` ends in no link. `isDirectoryWritable` tells whether a file can be made beside it. */
  | { readonly kind: 'file'; readonly path: string; readonly stats: Stats | undefined; readonly isDirectoryWritable: boolean }
  /** A character device, a pipe: opened and written to. */
  | { readonly kind: 'stream'; readonly path: string; readonly isPipe: boolean }
  /** A descriptor that this process has open. */
  | { readonly kind: 'descriptor'; readonly fd: number };

/** What may become of a file that is there. */
export interface TargetOptions {
  /** Whether it may be replaced (so it is by default); `FILE_EXISTS` otherwise. */
  readonly overwrite?: boolean;
}

/** Links that are followed before they count as a circle, as in Linux. */
const MAX_LINKS = 40;
/** Where the system shows the descriptors of this process; /dev/stdout and /dev/fd lead there. */
const DESCRIPTORS = /^\/proc\/(?:self|thread-self|(\d+))(?:\/task\/\d+)?\/fd$/;
const STANDARD_STREAMS = [1, 2];
const ANY_WRITE = 0o222;

/**
 * Finds out what a path stands for and whether it can be written to.
 * @throws FILE_UNWRITABLE for a directory, a block device, a read-only file, a directory that is missing or not to be written to, and for the file that the
 * standard output goes to; FILE_EXISTS
 */
export function findTarget(path: string, { overwrite = true }: TargetOptions = {}): OutputTarget {
  return guarded(path, () => {
    const { directory, name } = followLinks(path);
    const descriptor = ownDescriptor(directory, name);
    if (descriptor !== undefined) return { kind: 'descriptor', fd: descriptor };
    const end = join(directory, name);
    const stats = statSync(end, { throwIfNoEntry: false });
    if (stats?.isDirectory() === true) throw fileUnwritable(path, 'is a directory; expected the name of a file');
    if (stats?.isCharacterDevice() === true || stats?.isFIFO() === true) return { kind: 'stream', path: end, isPipe: stats.isFIFO() };
    if (stats !== undefined) checkExisting(path, end, stats, overwrite);
    const isDirectoryWritable = mayWrite(directory);
    if (stats === undefined && !isDirectoryWritable) throw fileUnwritable(path, `the directory ${directory} is not to be written to`);
    return { kind: 'file', path: end, stats, isDirectoryWritable };
  });
}

/** Does something with a file of the user; what the system refuses becomes `FILE_UNWRITABLE`. */
export function guarded<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw isMmulabError(error) ? error : fileUnwritable(path, problemOf(error));
  }
}

/** What the system says, without its own names for the error and the call. */
export function problemOf(error: unknown): string {
  const { message = String(error) } = error as { readonly message?: string };
  return /^[A-Z0-9_]+: (.*?)(?:, \w+(?: '.*)?)?$/s.exec(message)?.[1] ?? message;
}

/** The directory and the name a path ends at. */
function followLinks(path: string): { readonly directory: string; readonly name: string } {
  let at = resolve(path);
  for (let links = 0; links < MAX_LINKS; links++) {
    const directory = realDirectory(path, dirname(at));
    const name = basename(at);
    const isLink = lstatSync(join(directory, name), { throwIfNoEntry: false })?.isSymbolicLink() === true;
    // What the system shows of a pipe is a link to no place.
    if (!isLink || ownDescriptor(directory, name) !== undefined) return { directory, name };
    at = resolve(directory, readlinkSync(join(directory, name)));
  }
  throw fileUnwritable(path, 'too many symbolic links, one to another');
}

function realDirectory(path: string, directory: string): string {
  const stats = statSync(directory, { throwIfNoEntry: false });
  if (stats === undefined) throw fileUnwritable(path, `there is no directory ${directory}`);
  if (!stats.isDirectory()) throw fileUnwritable(path, `${directory} is no directory`);
  return realpathSync(directory);
}

function ownDescriptor(directory: string, name: string): number | undefined {
  const match = DESCRIPTORS.exec(directory);
  if (match === null || (match[1] !== undefined && match[1] !== String(process.pid))) return undefined;
  return /^\d+$/.test(name) ? Number(name) : undefined;
}

function checkExisting(path: string, end: string, stats: Stats, overwrite: boolean): void {
  if (!stats.isFile()) throw fileUnwritable(path, `is a ${stats.isBlockDevice() ? 'block device' : 'socket'}; expected the name of a file`);
  if (!overwrite) throw fileExists(path);
  // Whoever may write everything (root) is refused, too: a file without any right to write was meant to stay.
  if ((stats.mode & ANY_WRITE) === 0 || !mayWrite(end)) throw fileUnwritable(path, 'is read-only');
  if (STANDARD_STREAMS.some(fd => isSameFile(fd, stats))) throw fileUnwritable(path, 'is where the standard output goes');
}

function isSameFile(fd: number, stats: Stats): boolean {
  try {
    const open = fstatSync(fd);
    return open.dev === stats.dev && open.ino === stats.ino;
  } catch {
    return false;
  }
}

/** Whether a file may be written to, or files made in a directory. */
export function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
