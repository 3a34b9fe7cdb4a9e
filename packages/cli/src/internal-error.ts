/**
 * What is printed when mmulab itself is at fault: enough to find the bug with.
 */
import { isMmulabError } from '@mmulab/api';
import type * as Sweep from '@mmulab/sweep';
import { release } from 'node:os';
import { version } from './version';

/** @param argv the arguments that led to it @returns several lines: the error, and what to put into a report. */
export function internalErrorReport(argv: readonly string[], error: unknown): string {
  const what = isMmulabError(error) ? error.message : `INTERNAL: ${error instanceof Error ? error.message : String(error)}`;
  const stack = error instanceof Error ? (error.stack ?? '').split('\n').slice(1).join('\n') : '';
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- hardly ever needed
  const { withoutCredentials } = require('@mmulab/sweep') as typeof Sweep;
  return [
    `mmulab: ${what}`,
    '',
    'This is a bug of mmulab. Please report it with these lines:',
    `  mmulab ${version()}, Node ${process.version}, ${process.platform} ${process.arch} ${release()}`,
    `  arguments: ${argv.map(word => quoted(withoutCredentials(word))).join(' ')}`,
    stack,
    '',
  ].join('\n');
}

function quoted(word: string): string {
  return /^[\w./:=,@+-]+$/.test(word) ? word : JSON.stringify(word);
}
