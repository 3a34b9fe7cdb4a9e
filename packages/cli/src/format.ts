/**
 * `--format NAME`: a built-in format, or one that a plugin brings.
 */
import type { Reporter } from '@mmulab/api';
import { REPORTERS, reporterFor } from '@mmulab/report';
import { loadConfigFile } from '@mmulab/runner';
import { existsSync } from 'node:fs';
import { loadRegistry } from './built-in';
import type { OutputOptions, PluginOptions } from './options';
import { registryOf } from './sources';

/**
 * The format that was asked for. Plugins are loaded only where it is none of the built-in ones.
 * @param files configs, whose plugins count too
 * @throws REPORT_UNKNOWN_FORMAT, with the nearest name
 */
export function formatOf({ format, plugin }: OutputOptions & PluginOptions, files: readonly string[] = []): Reporter {
  if (REPORTERS.some(({ name }) => name === format)) return reporterFor(format);
  const configs = files.filter(file => /\.(ya?ml|json)$/.test(file) && existsSync(file));
  const registries = [loadRegistry(plugin), ...configs.map(file => registryOf(loadConfigFile(file), file, plugin === undefined ? {} : { plugin }))];
  return reporterFor(
    format,
    registries.flatMap(registry => registry.reporters()),
  );
}
