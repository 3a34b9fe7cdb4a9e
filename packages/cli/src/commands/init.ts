/**
 * `mmulab init`: writes a config to start from.
 */
import type { MmulabError } from '@mmulab/api';
import { plainLine } from '@mmulab/report';
import { writeOutputFile } from '@mmulab/runner';
import type { Command } from 'commander';
import type { CommandContext } from '../command-entry';
import { fileExists } from '../errors';
import { STARTER_CONFIG } from '../starter-config';

/** Declares the command. */
export function configure(command: Command, { terminal }: CommandContext): void {
  command
    .argument('[file]', 'where to write it', 'mmulab.yaml')
    .option('--force', 'write over a file that is there')
    .action((file: string, { force = false }: { readonly force?: boolean }) => {
      writeStarter(file, force);
      terminal.out(`Wrote ${plainLine(file)}. Next: mmulab run ${plainLine(file)}\n`);
    });
}

function writeStarter(file: string, force: boolean): void {
  try {
    writeOutputFile(file, [STARTER_CONFIG], { overwrite: force });
  } catch (error) {
    throw (error as Partial<MmulabError>).code === 'FILE_EXISTS' ? fileExists(file) : error;
  }
}
