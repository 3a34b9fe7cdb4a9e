/**
 * Every file that mmulab writes is written here, so that nothing a user has is lost by a run that fails.
 *
 * `OutputFile.open` checks the target before the work begins and touches nothing of it. What is appended goes into a file beside the target; `commit` puts it in
 * the target's place by a rename, so that whoever looks finds the old contents or all of the new; `abort` removes what was written beside, and only that.
 * Links stay links, an existing file keeps its mode. Where a rename would lose something (other hard links, a foreign owner) or is not allowed (a directory
 * that is not to be written to, a file mounted by itself), the finished contents are copied into the file that is there. Pipes, devices and descriptors
 * (/dev/null, /dev/stdout) are written to as one goes and never removed.
 *
 * A process that is interrupted has to remove what it wrote beside its targets: `watchUnfinishedFiles` tells it what there is.
 */
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { fileExists, fileUnwritable } from './errors';
import { findTarget, guarded, problemOf, type OutputTarget, type TargetOptions } from './output-target';
import { writeAll, type WriteBytes } from './write-all';

/** What tests put in the place of the system. */
export interface OutputSystem {
  readonly write?: WriteBytes;
  readonly rename?: (from: string, to: string) => void;
}

/** Characters that are gathered before they are written. */
const CHUNK = 1 << 16;
/** What the system answers when a file can be written, but another one not be put in its place. */
const NO_RENAME = ['EACCES', 'EBUSY', 'EPERM', 'EXDEV'];
/** What file systems without hard links answer. */
const NO_LINK = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];
/** How long a pipe's reader is waited for before it is looked for again. */
const READER_MS = 20;
/** Mode of a new file, less the user's umask. */
const NEW_FILE = 0o666;
const MODE = 0o7777;

type Watcher = (path: string, isThere: boolean) => void;

let watcher: Watcher | undefined;
let files = 0;
/** Targets that are being written, by their real paths. */
const underway = new Set<string>();

/** Tells of every file written beside a target: when it is made, and when it is gone or has become the target. */
export function watchUnfinishedFiles(watch: Watcher | undefined): void {
  watcher = watch;
}

/** A file being written. */
export class OutputFile {
  private pending = '';
  private isOpen = true;
  /** Whether the file beside the target is all that is left of the contents. */
  private isLastCopy = false;

  private constructor(
    private readonly path: string,
    private readonly target: OutputTarget,
    private readonly fd: number,
    /** The file beside the target. */
    private readonly beside: string | undefined,
    private readonly options: TargetOptions,
    private readonly system: OutputSystem,
  ) {}

  /**
   * Checks the target and begins. A pipe is waited for until somebody reads it.
   * @param path as the user gave it
   * @throws FILE_UNWRITABLE, FILE_EXISTS; see `findTarget`
   */
  static open(path: string, options: TargetOptions = {}, system: OutputSystem = {}): OutputFile {
    const target = findTarget(path, options);
    return guarded(path, () => {
      if (target.kind === 'descriptor') return new OutputFile(path, target, target.fd, undefined, options, system);
      if (target.kind === 'stream') return new OutputFile(path, target, openStream(target.path, target.isPipe), undefined, options, system);
      if (underway.has(target.path)) throw fileUnwritable(path, 'is being written already');
      const { fd, beside } = openBeside(target);
      underway.add(target.path);
      return new OutputFile(path, target, fd, beside, options, system);
    });
  }

  /** Appends text. @throws FILE_UNWRITABLE, as for a full disk */
  append(text: string): void {
    this.pending += text;
    if (this.pending.length >= CHUNK) this.flush();
  }

  /**
   * Ends the file: the target now has all that was appended. When that fails the target is what it was.
   * @throws FILE_UNWRITABLE; FILE_EXISTS when a file that may not be replaced has appeared meanwhile
   */
  commit(): void {
    try {
      this.flush();
      this.close();
      guarded(this.path, () => this.putInPlace());
    } catch (error) {
      this.abort();
      throw error;
    }
    this.forget();
  }

  /** Gives the file up: the target is what it was, as far as it is a file. */
  abort(): void {
    this.pending = '';
    try {
      this.close();
    } catch {
      // What cannot be closed is given up all the same.
    }
    if (this.beside !== undefined && !this.isLastCopy) fs.rmSync(this.beside, { force: true });
    this.forget();
  }

  private flush(): void {
    const bytes = Buffer.from(this.pending);
    this.pending = '';
    guarded(this.path, () => writeAll(this.fd, bytes, this.system.write));
  }

  private close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    if (this.target.kind !== 'descriptor') guarded(this.path, () => fs.closeSync(this.fd));
  }

  private forget(): void {
    if (this.target.kind !== 'file') return;
    underway.delete(this.target.path);
    if (this.beside !== undefined) watcher?.(this.beside, false);
  }

  private putInPlace(): void {
    const { target, beside, options } = this;
    if (target.kind !== 'file' || beside === undefined) return;
    if (options.overwrite === false) return this.link(beside, target.path);
    if (target.stats !== undefined && mustCopy(beside, target.stats)) return this.copy(beside, target.path);
    try {
      (this.system.rename ?? fs.renameSync)(beside, target.path);
    } catch (error) {
      if (target.stats === undefined || !NO_RENAME.includes(codeOf(error))) throw error;
      this.copy(beside, target.path);
    }
  }

  /** Gives the finished file its name, unless the name is taken. */
  private link(beside: string, path: string): void {
    try {
      fs.linkSync(beside, path);
      fs.rmSync(beside);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') throw fileExists(this.path);
      if (!NO_LINK.includes(codeOf(error))) throw error;
      fs.renameSync(beside, path);
    }
  }

  /** Puts the finished contents into the file that is there. When that fails half-way, the finished file is kept and named. */
  private copy(beside: string, path: string): void {
    try {
      this.copyInto(beside, path);
    } catch (error) {
      this.isLastCopy = true;
      throw fileUnwritable(this.path, `${problemOf(error)}; what was to be written is in ${beside}`);
    }
    fs.rmSync(beside, { force: true });
  }

  /** Nothing is cut off before all of it is in. */
  private copyInto(beside: string, path: string): void {
    const [from, to] = [fs.openSync(beside, 'r'), fs.openSync(path, 'r+')];
    try {
      const chunk = Buffer.alloc(CHUNK);
      for (let count = fs.readSync(from, chunk); count > 0; count = fs.readSync(from, chunk))
        writeAll(to, chunk.subarray(0, count), this.system.write);
      fs.ftruncateSync(to, fs.fstatSync(from).size);
    } finally {
      fs.closeSync(from);
      fs.closeSync(to);
    }
  }
}

/**
 * Writes a file while something runs: it is there when that returns, and as it was before when that throws.
 * @throws what `use` throws, FILE_UNWRITABLE, FILE_EXISTS
 */
export function withOutputFile<T>(path: string, options: TargetOptions, use: (file: OutputFile) => T): T {
  const file = OutputFile.open(path, options);
  try {
    const result = use(file);
    file.commit();
    return result;
  } catch (error) {
    file.abort();
    throw error;
  }
}

/** Writes a file of texts that are made one after the other. @throws as `withOutputFile` */
export function writeOutputFile(path: string, texts: Iterable<string>, options: TargetOptions = {}): void {
  withOutputFile(path, options, file => {
    for (const text of typeof texts === 'string' ? [texts] : texts) file.append(text);
  });
}

/** Whether contents are to go into the file that is there instead of taking its place. */
function mustCopy(beside: string, stats: fs.Stats): boolean {
  return stats.nlink > 1 || stats.uid !== fs.statSync(beside).uid;
}

/** A new file beside the target, or, where none can be made, among the temporary ones. */
function openBeside({ path, stats, isDirectoryWritable }: Extract<OutputTarget, { kind: 'file' }>): { readonly fd: number; readonly beside: string } {
  const directory = isDirectoryWritable ? dirname(path) : tmpdir();
  const beside = join(directory, `.mmulab-${process.pid}-${threadId}-${++files}.tmp`);
  fs.rmSync(beside, { force: true });
  const fd = fs.openSync(beside, 'wx', NEW_FILE);
  watcher?.(beside, true);
  if (stats !== undefined) keepOwnership(fd, stats);
  return { fd, beside };
}

/** Where the owner cannot be kept, `mustCopy` sees it. */
function keepOwnership(fd: number, { mode, uid, gid }: fs.Stats): void {
  try {
    fs.fchownSync(fd, uid, gid);
  } catch {
    // Only root gives files away.
  }
  fs.fchmodSync(fd, mode & MODE);
}

/** Opens without blocking: a thread that waits inside the system cannot be interrupted. */
function openStream(path: string, isPipe: boolean): number {
  const { O_WRONLY, O_NONBLOCK } = fs.constants;
  if (!isPipe) return fs.openSync(path, O_WRONLY);
  for (;;) {
    try {
      return fs.openSync(path, O_WRONLY | O_NONBLOCK);
    } catch (error) {
      if (codeOf(error) !== 'ENXIO') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, READER_MS);
    }
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}
