/**
 * Command lines of the test programs, as a config's workload and as arguments of `mmulab run --`.
 */
import type { WorkloadDefinition } from '@mmulab/api';
import { badList, emptyCommand, pluginShape, unbalancedQuote } from '../errors';
import { isMap } from '../plain-map';
import type { Registry } from '../registry';
import { findOption, readOption } from './option-values';
import type { RawConfig, RawOptions } from './types';

/**
 * The config that a command line of a test means.
 * @param argv test name (a path in front of it does not matter) and its flags
 * @throws CONFIG_UNKNOWN_WORKLOAD, WORKLOAD_COMMAND when empty, what the workload says of its flags, and CONFIG_WRONG_TYPE, CONFIG_OUT_OF_RANGE for their values
 */
export function commandLineConfig(argv: readonly string[], registry: Registry): RawConfig {
  const [program, ...flags] = argv;
  if (program === undefined || program === '') throw emptyCommand();
  const definition = registry.workload(testName(program));
  const options: unknown = definition.parseArguments(flags);
  if (!isMap(options)) throw pluginShape(definition.name, 'what parseArguments answers', options, 'a map of options');
  checkFlagValues(definition, options);
  return { workload: { name: definition.name, options } };
}

/** Values are read again with the rest of the config; here the message can name the flag. @throws as `readOption` */
function checkFlagValues({ name, options: specs, flags = {} }: WorkloadDefinition, options: RawOptions): void {
  for (const [option, value] of Object.entries(options)) {
    const spec = findOption(specs, option);
    if (spec !== undefined && Object.hasOwn(flags, option)) readOption(spec, value, `${name}: ${flags[option]}`);
  }
}

/** The name of a test program, its directory left out. */
export function testName(program: string): string {
  return program.replace(/^.*[/\\](?=.)/s, '');
}

/**
 * Splits a command line into words as a shell does, quotes and backslashes minded, nothing expanded.
 * @throws WORKLOAD_COMMAND when a quote is left open
 */
export function splitCommand(line: string): readonly string[] {
  return splitWords(line, () => false);
}

/**
 * As `splitCommand`, with comments.
 * @param isComment whether a part that begins a word ends the line
 */
export function splitWords(line: string, isComment: (part: string) => boolean): readonly string[] {
  const token = /\s+|"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)|([^\s"'\\]+)|(.)/gsy;
  return split(
    line,
    token,
    whole => /^\s/.test(whole),
    () => unbalancedQuote(line),
    isComment,
  ).filter(word => word !== undefined);
}

/**
 * Splits a list at its commas, spaces around the parts left out; a comma within quotes, or after a backslash, belongs to its part.
 * @returns one part at least; an empty one where nothing stands
 * @throws CONFIG_BAD_LIST when a quote is left open
 */
export function splitList(text: string): readonly string[] {
  const token = /\s*,\s*|"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)|([^,"'\\\s]+|\s+(?!\s*,))|(.)/gsy;
  return split(
    text.trim(),
    token,
    whole => /^\s*,\s*$/.test(whole),
    () => badList(text),
  ).map(part => part ?? '');
}

/**
 * Parts between separators; undefined where there is nothing, not even an empty quote.
 * @param isComment whether a plain stretch that begins a part ends the text
 * @param token its groups: in double quotes, in single quotes, after a backslash, plain, stray; none of them for a separator
 */
function split(
  text: string,
  token: RegExp,
  isSeparator: (whole: string) => boolean,
  stray: () => Error,
  isComment: (part: string) => boolean = () => false,
): readonly (string | undefined)[] {
  const parts: (string | undefined)[] = [];
  let part: string | undefined;
  for (const [whole, double, single, escaped, plain, unclosed] of text.matchAll(token)) {
    if (part === undefined && plain !== undefined && isComment(plain)) return parts;
    if (unclosed !== undefined) throw stray();
    const more = double?.replace(/\\(["\\])/g, '$1') ?? single ?? escaped ?? plain;
    if (more !== undefined) part = (part ?? '') + more;
    else if (isSeparator(whole)) {
      parts.push(part);
      part = undefined;
    }
  }
  return [...parts, part];
}
