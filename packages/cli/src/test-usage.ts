/**
 * `mmulab run -- TEST -h`: the usage of the test itself.
 */
import { basename } from 'node:path';
import { loadRegistry } from './built-in';

/** Whether a command line asks for help instead of a run. */
export function isHelpWanted([, ...flags]: readonly string[]): boolean {
  return flags.includes('-h') || flags.includes('--help');
}

/** The usage text of the test a command line names. Throws `CONFIG_UNKNOWN_WORKLOAD`. */
export function testUsage([test = '']: readonly string[], plugins?: readonly string[]): string {
  const { usage } = loadRegistry(plugins).workload(basename(test));
  return usage.endsWith('\n') ? usage : `${usage}\n`;
}
