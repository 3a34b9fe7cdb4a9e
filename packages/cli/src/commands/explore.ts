/**
 * `mmulab explore`: a page with the engine inside, to step through a run and look at its tables.
 */
import { explorerPage } from '@mmulab/playground';
import { notInPage } from '../errors';
import type { Command } from 'commander';
import { join } from 'node:path';
import { BUILT_IN_PLUGINS } from '../built-in';
import type { CommandContext } from '../command-entry';
import { addPluginOption, addRunSettings, type PluginOptions, type RunSettings } from '../options';
import { addPageFileOptions, writePageFile, type PageFileOptions } from '../page-file';
import { checkOperands, prepareOperands } from '../sources';
import { version } from '../version';

type Options = RunSettings & PluginOptions & PageFileOptions;

const PAGE = join('mmulab-out', 'explorer.html');

/** Declares the command. */
export function configure(command: Command, context: CommandContext): void {
  addRunSettings(
    command
      .argument('[files...]', 'a config (YAML or JSON) or .test file; one run, or two to go through in lockstep')
      .usage('[options] CONFIG.yaml\n       mmulab explore [options] -- TEST [flags of the test]'),
  );
  addPageFileOptions(addPluginOption(command), PAGE).action((files: string[], options: Options) => explore(files, options, context));
}

function explore(files: readonly string[], options: Options, context: CommandContext): Promise<void> {
  const operands = { command: 'explore', files, commandLine: context.commandLine, imports: options.import };
  checkOperands(operands);
  const prepared = prepareOperands(operands, options);
  const [first] = prepared;
  if (first === undefined) return Promise.resolve();
  const { registry } = first;
  for (const { path, name } of registry.plugins()) if (!BUILT_IN_PLUGINS.includes(name)) throw notInPage(name, path);
  return writePageFile(options, PAGE, context, sources =>
    explorerPage(
      prepared.map(({ run }) => run),
      registry,
      { madeBy: `mmulab ${version()}`, sources },
    ),
  );
}
