/**
 * `mmulab record`: a script for the user's own host, and a record of what it wrote.
 */
import { readRecord, recordScript } from '@mmulab/traces';
import type { Command } from 'commander';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { addPluginOption, type PluginOptions } from '../options';

type Options = PluginOptions & { readonly read?: string; readonly quiet?: boolean };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  command
    .usage('[-- TEST ARGUMENTS...] > record.sh\n       mmulab record --read DIR > my-host.json')
    .option('--read <dir>', 'make a record file of a directory that the script wrote')
    .option('--quiet', 'no notes');
  addPluginOption(command)
    .addHelpText('after', '\nThe script needs root, tracefs and debugfs, nothing else; it runs a test, or looks at a running VM with -p PID.\n')
    .action((options: Options) => record(options, context));
}

function record({ read, plugin, quiet }: Options, { terminal, commandLine }: CommandContext): void {
  if (read === undefined) {
    terminal.out(recordScript(commandLine ?? []));
    return;
  }
  const { file, notes } = readRecord(read, loadRegistry(plugin));
  if (quiet !== true) for (const note of notes) terminal.err(`note: ${note}\n`);
  terminal.out(`${JSON.stringify(file, undefined, 2)}\n`);
}
