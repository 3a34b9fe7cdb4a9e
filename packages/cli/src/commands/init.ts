/**
 * `mmulab init`: writes a config to start from.
 */
import type { Command } from 'commander';
import { writeFileSync } from 'node:fs';
import type { CommandContext } from '../command-entry';
import { fileExists, unwritable } from '../errors';
import { STARTER_CONFIG } from '../starter-config';

/** Declares the command. */
export function configure(command: Command, { terminal }: CommandContext): void {
  command
    .argument('[file]', 'where to write it', 'mmulab.yaml')
    .option('--force', 'write over a file that is there')
    .action((file: string, { force = false }: { readonly force?: boolean }) => {
      writeStarter(file, force);
      terminal.out(`Wrote ${file}. Next: mmulab run ${file}\n`);
    });
}

function writeStarter(file: string, force: boolean): void {
  try {
    writeFileSync(file, STARTER_CONFIG, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw code === 'EEXIST' ? fileExists(file) : unwritable(file, message);
  }
}
