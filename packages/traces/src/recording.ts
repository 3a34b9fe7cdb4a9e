/**
 * A directory that the recording script wrote, read back: facts of the host, which events it had, and the trace.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { recordingIncomplete, recordingNotFound } from './errors';

const FORMAT = 'mmulab.recording.v1';

/** What was recorded. */
export interface Recording {
  readonly directory: string;
  readonly facts: Readonly<Record<string, string>>;
  /** Events that could be switched on, `kvm/kvm_page_fault`. */
  readonly events: readonly string[];
  /** Path of the trace. */
  readonly trace: string;
  /** Events that were lost because a buffer was full. */
  readonly overrun: number;
}

/** @throws RECORDING_NOT_FOUND, RECORDING_INCOMPLETE */
export function readRecording(directory: string): Recording {
  if (!existsSync(directory)) throw recordingNotFound(directory);
  const facts = keyValues(read(directory, 'facts'));
  if (facts['format'] !== FORMAT) throw recordingIncomplete(directory, `facts: format is ${facts['format'] ?? 'missing'}, expected ${FORMAT}`);
  const events = read(directory, 'events')
    .split('\n')
    .filter(line => line !== '');
  const trace = ['trace', 'trace.gz'].map(name => join(directory, name)).find(path => existsSync(path));
  if (trace === undefined) throw recordingIncomplete(directory, 'trace: missing');
  const overruns = existsSync(join(directory, 'overrun')) ? read(directory, 'overrun') : '';
  const overrun = [...overruns.matchAll(/^overrun=(\d+)/gm)].reduce((sum, match) => sum + Number(match[1]), 0);
  return { directory, facts, events, trace, overrun };
}

function read(directory: string, name: string): string {
  const path = join(directory, name);
  if (!existsSync(path)) throw recordingIncomplete(directory, `${name}: missing; was the recording interrupted?`);
  return readFileSync(path, 'utf8');
}

function keyValues(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    text.split('\n').flatMap(line => {
      const at = line.indexOf('=');
      return at <= 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
}
