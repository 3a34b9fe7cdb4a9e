/**
 * `mmulab validate`: checks configs, .test files, or the command line of a test without running them.
 */
import { plainLine } from '@mmulab/report';
import type { Command } from 'commander';
import type { CommandContext } from '../command-entry';
import { addPluginOption, addRunSettings, type PluginOptions, type RunSettings } from '../options';
import { checkOperands, prepareOperands } from '../sources';

/** Declares the command. */
export function configure(command: Command, { terminal, commandLine }: CommandContext): void {
  addPluginOption(
    addRunSettings(
      command
        .usage('[options] FILE...\n       mmulab validate [options] -- TEST [flags of the test]')
        .argument('[configs...]', 'configs (YAML or JSON) or .test files'),
    ),
  ).action((files: string[], options: RunSettings & PluginOptions) => {
    const operands = { command: 'validate', files, commandLine, imports: options.import };
    checkOperands(operands);
    const alone = commandLine === undefined ? (options.import ?? []).slice(0, 1) : [commandLine.join(' ')];
    for (const file of files.length === 0 ? alone : files) {
      const runs = prepareOperands({ ...operands, files: files.length === 0 ? [] : [file] }, options);
      const notes = new Set(runs.flatMap(({ run, planNotes }) => [...run.notes, ...planNotes]));
      for (const note of notes) terminal.err(`note: ${commandLine === undefined ? `${file}: ` : ''}${note}\n`);
      terminal.out(`${plainLine(file)}: valid, ${runs.length} ${runs.length === 1 ? 'run' : 'runs'}\n`);
    }
  });
}
