/**
 * `mmulab playground`: the page of `explore` with prepared lessons.
 */
import { playgroundPage } from '@mmulab/playground';
import type { Command } from 'commander';
import { join } from 'node:path';
import type { CommandContext } from '../command-entry';
import { loadRegistry } from '../built-in';
import { addPageFileOptions, writePageFile, type PageFileOptions } from '../page-file';
import { version } from '../version';

const PAGE = join('mmulab-out', 'playground.html');

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addPageFileOptions(command, PAGE).action((options: PageFileOptions) =>
    writePageFile(options, PAGE, context, sources => playgroundPage(loadRegistry(), { madeBy: `mmulab ${version()}`, sources })),
  );
}
