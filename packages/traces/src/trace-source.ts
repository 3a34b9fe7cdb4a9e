/**
 * The bytes of a trace, piece by piece: a plain file, a .gz one (several members too), standard input, or a .dat through an installed trace-cmd.
 *
 * Everything is read synchronously and nothing is kept, so that a trace of any size takes the memory of one piece.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gunzip } from 'fflate';
import { traceBinary, traceDamaged, traceNotFound, traceTool, traceUnreadable } from './errors';

const PIECE_BYTES = 1 << 20;
const MAGIC_BYTES = 16;
/** Header and trailer of gzip, and an empty block. */
const SHORTEST_GZIP = 20;

/** Takes the next piece; it is used again afterwards. @returns false when no more is wanted */
export type PieceSink = (piece: Uint8Array) => boolean | void;

/**
 * Reads a trace.
 * @param file a path, or `-` for standard input
 * @throws TRACE_NOT_FOUND, TRACE_UNREADABLE, TRACE_BINARY, TRACE_DAMAGED, TRACE_TOOL
 */
export function readTrace(file: string, sink: PieceSink): void {
  const fd = file === '-' ? 0 : open(file);
  try {
    readPieces(file, fd, sink);
  } finally {
    if (fd !== 0) closeSync(fd);
  }
}

function open(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === 'ENOENT' || code === 'ENOTDIR' ? traceNotFound(file) : traceUnreadable(file, message);
  }
}

function readPieces(file: string, fd: number, sink: PieceSink): void {
  const buffer = new Uint8Array(PIECE_BYTES);
  let length = read(file, fd, buffer);
  const magic = magicOf(buffer.subarray(0, Math.min(length, MAGIC_BYTES)));
  if (magic === 'trace.dat') {
    report(file, sink);
    return;
  }
  if (magic === 'gzip') {
    gunzip(file, fd, buffer, length, sink);
    return;
  }
  if (magic !== undefined) throw traceBinary(file, magic);
  if (buffer.subarray(0, Math.min(length, 4096)).includes(0)) throw traceBinary(file, 'binary data');
  for (; length > 0; length = read(file, fd, buffer)) if (sink(buffer.subarray(0, length)) === false) return;
}

function read(file: string, fd: number, buffer: Uint8Array): number {
  for (;;) {
    try {
      return readSync(fd, buffer, 0, buffer.length, null);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EOF') return 0;
      if (code !== 'EAGAIN') throw traceUnreadable(file, code === 'EISDIR' ? 'is a directory; expected a trace' : message);
    }
  }
}

/** What a file that is no text is, as far as its first bytes tell. */
function magicOf(bytes: Uint8Array): string | undefined {
  const starts = (...magic: number[]): boolean => bytes.length >= magic.length && magic.every((byte, i) => bytes[i] === byte);
  if (starts(0x1f, 0x8b)) return 'gzip';
  if (starts(0x17, 0x08, 0x44)) return 'trace.dat';
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return 'compressed by zstd (zstd -d unpacks it)';
  if (starts(0xfd, 0x37, 0x7a)) return 'compressed by xz (xz -d unpacks it)';
  if (starts(0x42, 0x5a, 0x68)) return 'compressed by bzip2 (bzip2 -d unpacks it)';
  if (String.fromCharCode(...bytes.subarray(0, 8)) === 'PERFILE2') return 'a perf.data file (perf script prints it)';
  return undefined;
}

function gunzip(file: string, fd: number, buffer: Uint8Array, firstLength: number, sink: PieceSink): void {
  let wanted = true;
  let given = 0;
  /** Bytes that the member under way has unpacked to, and the last four read: a member ends with its length. */
  let unpacked = 0;
  let last: readonly number[] = [];
  const unpacker = new Gunzip(piece => {
    unpacked += piece.length;
    if (wanted && piece.length > 0 && sink(piece) === false) wanted = false;
  });
  unpacker.onmember = () => {
    unpacked = 0;
  };
  try {
    for (let length = firstLength; length > 0 && wanted; length = read(file, fd, buffer)) {
      given += length;
      last = [...last, ...buffer.subarray(Math.max(0, length - 4), length)].slice(-4);
      unpacker.push(buffer.slice(0, length));
    }
    if (!wanted) return;
    unpacker.push(new Uint8Array(0), true);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || typeof error.code === 'string') throw error;
    throw traceDamaged(file, `the gzip data is damaged or cut off (${error.message}, after ${given} bytes)`);
  }
  const [a = 0, b = 0, c = 0, d = 0] = last;
  if (given < SHORTEST_GZIP || (a | (b << 8) | (c << 16) | (d << 24)) >>> 0 !== unpacked % 2 ** 32)
    throw traceDamaged(file, `the gzip data is cut off after ${given} bytes`);
}

/** trace-cmd writes its report into a file of its own, which is read like any other and taken away. */
function report(file: string, sink: PieceSink): void {
  if (file === '-') throw traceBinary(file, 'a trace.dat file, which trace-cmd can only read by name');
  const directory = mkdtempSync(join(tmpdir(), 'mmulab-trace-'));
  const text = join(directory, 'report.txt');
  try {
    const out = openSync(text, 'w');
    const { error, status, stderr } = spawnSync('trace-cmd', ['report', '-i', file], { stdio: ['ignore', out, 'pipe'], encoding: 'utf8' });
    closeSync(out);
    if (error !== undefined)
      throw traceTool(file, 'trace-cmd', 'is needed to read a trace.dat file and is not installed (trace-cmd report > FILE prints one elsewhere)');
    if (status !== 0) throw traceTool(file, 'trace-cmd report', stderr.trim().split('\n').at(-1) ?? `ended with ${status ?? 'a signal'}`);
    readTrace(text, sink);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
