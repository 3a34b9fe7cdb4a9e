/**
 * `mmulab new-plugin`: writes a package to start a plugin from.
 */
import { plainLine } from '@mmulab/report';
import type { Command } from 'commander';
import { relative } from 'node:path';
import type { CommandContext } from '../command-entry';
import { PLUGIN_KINDS, writePlugin } from '../new-plugin';

/** Declares the command. */
export function configure(command: Command, { terminal }: CommandContext): void {
  const [first = ''] = Object.keys(PLUGIN_KINDS);
  command
    .argument('<name>', 'name of the plugin; its package and its directory are called mmulab-plugin-NAME')
    .option('--kind <kind>', `what it brings: ${Object.keys(PLUGIN_KINDS).join(', ')}`, first)
    .action((name: string, { kind }: { readonly kind: string }) => {
      const { directory, files } = writePlugin(name, kind, process.cwd());
      const place = plainLine(relative(process.cwd(), directory));
      terminal.out(`Wrote ${files.length} files into ${place}.\nNext: cd ${place} && npm install && npm test\n`);
    });
}
