/**
 * The results of all sweeps, a file per run, named by its key: what one sweep has run no other runs again.
 */
import type { RunResult } from '@mmulab/api';
import { writeWithDirectory } from '@mmulab/runner';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readKept } from './kept-result';

/** A directory of kept results. Several sweeps may use it at a time: equal keys have equal bytes. */
export class ResultStore {
  constructor(readonly directory: string) {}

  /** Where the result of a key is, or will be: `ab/abcdef….json`. */
  pathOf(key: string): string {
    return join(this.directory, key.slice(0, 2), `${key}.json`);
  }

  /** The result of a key; undefined when there is none. A damaged file counts as none: the run's next result replaces it. */
  read(key: string): RunResult | undefined {
    const path = this.pathOf(key);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch {
      return undefined;
    }
    try {
      return readKept(text, path);
    } catch {
      return undefined;
    }
  }

  /** Keeps a result. @throws FILE_UNWRITABLE */
  write(key: string, text: string): void {
    writeWithDirectory(this.pathOf(key), `${text}\n`);
  }
}
