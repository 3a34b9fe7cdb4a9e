/**
 * Writing to the standard output where it is a file or a device: all of it, or an error.
 *
 * Node's own stream for files takes no notice of a short write: on a disk that becomes full, output would end in the middle and nobody would know. Pipes and
 * terminals are left to Node's streams, which do not block: an interrupt is heard while the reader takes its time.
 */
import type * as Runner from '@mmulab/runner';
import { fstatSync, type BigIntStats } from 'node:fs';
import type * as Tty from 'node:tty';
import type * as Errors from './errors';

/** Standard output and standard error. */
export type Stream = 1 | 2;
const NAMES: Readonly<Record<Stream, string>> = { 1: 'standard output', 2: 'standard error' };

/** Whether a stream is neither a pipe nor a terminal. */
export function isDirect(stream: Stream): boolean {
  const stats = statsOf(stream);
  return stats.isFile() || (stats.isCharacterDevice() && !isTty(stream));
}

/** Whether a stream is a terminal. */
export function isTerminal(stream: Stream): boolean {
  return statsOf(stream).isCharacterDevice() && isTty(stream);
}

/** As bigint, because Node's realpathSync looks at the plain figures of the last call, whoever made it, and stops half way where they are a pipe's. */
function statsOf(stream: Stream): BigIntStats {
  return fstatSync(stream, { bigint: true });
}

function isTty(stream: Stream): boolean {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- brings Node's sockets along, which files do without
  const { isatty } = require('node:tty') as typeof Tty;
  return isatty(stream);
}

/** Writes a text to a stream. @throws OUTPUT_UNWRITABLE, as for a full disk */
export function writeDirectly(stream: Stream, text: string): void {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- the process of a command that runs in a thread never comes here
  const { problemOf, writeAll } = require('@mmulab/runner') as typeof Runner;
  try {
    writeAll(stream, Buffer.from(text));
  } catch (error) {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- hardly ever needed
    const { outputUnwritable } = require('./errors') as typeof Errors;
    throw outputUnwritable(NAMES[stream], problemOf(error));
  }
}
