/**
 * `mmulab import`: prints what a file in somebody else's format means here: a config, or a record of what a real kernel counted.
 */
import { configText, leftOutNotes, readImport, recordOf } from '@mmulab/import';
import type { Command } from 'commander';
import { loadRegistry } from '../built-in';
import type { CommandContext } from '../command-entry';
import { unexpectedCommandLine } from '../errors';
import { addPluginOption, type PluginOptions } from '../options';

type Options = PluginOptions & { readonly backend?: string; readonly kernel?: string; readonly quiet?: boolean };

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  command
    .argument(
      '<file>',
      'module parameters, a kernel command line, a Firecracker, libvirt or QEMU machine, tests.json, a folder of .test files, or counts of perf stat, perf kvm stat or kvm_stat',
    )
    .usage('[options] FILE\n       mmulab import [options] COUNTS -- TEST [flags of the test]')
    .option('--backend <name>', 'of counts: the second-stage MMU that was counted')
    .option('--kernel <profile>', 'of counts: the kernel release that was counted')
    .option('--quiet', 'of counts: not a word of what was left out');
  addPluginOption(command)
    .addHelpText('after', '\nrun, compare and validate take the same files with --import FILE.\n')
    .action((file: string, options: Options) => {
      importFile(file, options, context);
    });
}

function importFile(file: string, { backend, kernel, plugin, quiet }: Options, { terminal, commandLine }: CommandContext): void {
  const registry = loadRegistry(plugin);
  const imported = readImport(file, registry);
  if (imported.counts === undefined) {
    if (commandLine !== undefined) throw unexpectedCommandLine(`import of a ${imported.format}`);
    terminal.out(configText(imported, registry));
    return;
  }
  const record = recordOf(imported, { backend, kernel, words: commandLine }, registry);
  if (quiet !== true) for (const note of leftOutNotes(imported)) terminal.err(`note: ${note}\n`);
  terminal.out(`${JSON.stringify(record, undefined, 2)}\n`);
}
