/**
 * `mmulab validate`: checks configs without running them.
 */
import { plainLine } from '@mmulab/report';
import type { Command } from 'commander';
import type { CommandContext } from '../command-entry';
import { addPluginOption, addRunSettings, type PluginOptions, type RunSettings } from '../options';
import { checkOperands, prepareOperands } from '../sources';

/** Declares the command. */
export function configure(command: Command, { terminal }: CommandContext): void {
  addPluginOption(addRunSettings(command.argument('[configs...]', 'configs (YAML or JSON) or .test files'))).action(
    (files: string[], options: RunSettings & PluginOptions) => {
      const operands = { command: 'validate', files, commandLine: undefined, imports: options.import };
      checkOperands(operands);
      for (const file of files.length === 0 ? (options.import ?? []).slice(0, 1) : files) {
        const runs = prepareOperands({ ...operands, files: files.length === 0 ? [] : [file] }, options);
        const notes = new Set(runs.flatMap(({ run, planNotes }) => [...run.notes, ...planNotes]));
        for (const note of notes) terminal.err(`note: ${file}: ${note}\n`);
        terminal.out(`${plainLine(file)}: valid, ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}\n`);
      }
    },
  );
}
