/**
 * Options that were given and do nothing beside the others: the program takes them, and so does the run, with a note that names what they lack.
 */
import type { OptionSpec, OptionValues } from '@mmulab/api';
import { withFlag } from './flag-names';

/**
 * Notes on options whose value is not the usual one.
 * @param lacks why each does nothing, and what was expected, in words; undefined where it does something
 */
export function idleOptions(
  test: string,
  options: readonly OptionSpec[],
  values: OptionValues,
  lacks: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  return Object.entries(lacks).flatMap(([name, lack]) => {
    const usual = options.find(option => option.name === name)?.default;
    return lack === undefined || values[name] === usual ? [] : [`${test}: ${withFlag(test, name, values[name])} does nothing: ${lack}`];
  });
}
