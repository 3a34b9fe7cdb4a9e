/**
 * Command lines of the selftests, read as getopt reads them: `-v2`, `-v 2`, switches that may be grouped (`-og`), `--` as the end. What a
 * test understands is data; the parser answers raw option values, which are checked like those of a config.
 */
import type { OptionSpec, WorkloadDefinition } from '@mmulab/api';
import {
  conflictingGenerations,
  helpRequested,
  invalidFlagValue,
  missingValue,
  repeatedFlag,
  strayArgument,
  unknownFlag,
  unsupportedFlag,
} from './errors';
import { rememberFlags } from './flag-names';
import { Family } from './generation';

interface FlagBase {
  /** The letter after the dash. */
  readonly letter: string;
  /** A sentence for the usage text. */
  readonly doc: string;
  /** The tests that have this flag, when it tells them apart. */
  readonly family?: Family;
}

/** A flag followed by a value that becomes the value of `option` as it stands, or through `values`. */
export interface ValueFlag extends FlagBase {
  readonly option: string;
  /** Name of the value in the usage text. */
  readonly argument: string;
  /** The only values it takes, and what they mean. */
  readonly values?: Readonly<Record<string, string | boolean>>;
  /** The tests run once per such flag: refused when repeated. Of other flags the last one counts. */
  readonly once?: true;
}

/** A flag without a value: sets `option` to `value`. */
export interface SwitchFlag extends FlagBase {
  readonly option: string;
  readonly value: string | boolean;
}

/** A flag of the test that is not simulated, with the reason. */
export interface RefusedFlag extends FlagBase {
  readonly refused: string;
}

export type CommandFlag = ValueFlag | SwitchFlag | RefusedFlag;

/** What a command line says: raw option values. */
export type RawOptions = Readonly<Record<string, string | boolean>>;

/** A test program as far as its command line goes. */
export interface CommandSyntax {
  /** Name of the test program. */
  readonly test: string;
  readonly flags: readonly CommandFlag[];
}

/** The parts of a workload's definition of which the rest follows. */
export interface WorkloadSyntax {
  readonly name: string;
  readonly doc: string;
  readonly options: readonly OptionSpec[];
  readonly flags: readonly CommandFlag[];
}

/** Completes a workload's definition by its usage text and its command-line parser. */
export function defineWorkload({ name, doc, options, flags }: WorkloadSyntax): WorkloadDefinition {
  const syntax = { test: name, flags };
  const names = flagNames(flags);
  rememberFlags(name, names);
  const parseArguments = (argv: readonly string[]): RawOptions => withoutImplied(parseCommandLine(syntax, argv), options, flags);
  return { name, doc, options, usage: usageText(syntax), flags: names, parseArguments };
}

/** The first flag that sets each option. */
function flagNames(flags: readonly CommandFlag[]): Readonly<Record<string, string>> {
  const names: Record<string, string> = {};
  for (const flag of flags) if ('option' in flag) names[flag.option] ??= `-${flag.letter}`;
  return names;
}

/** A value that only tests of one side have says itself which test it is; a flag with the usual value does not. */
function withoutImplied(raw: RawOptions, options: readonly OptionSpec[], flags: readonly CommandFlag[]): RawOptions {
  const { selftest, ...others } = raw;
  const usual = (name: string): string => String(options.find(option => option.name === name)?.default);
  const says = flags.some(
    flag => 'option' in flag && flag.family === selftest && String(raw[flag.option] ?? usual(flag.option)) !== usual(flag.option),
  );
  return selftest === undefined || !says ? raw : others;
}

/**
 * Reads a command line.
 * @param argv the words after the name of the test
 * @returns raw option values; `selftest` among them when a flag tells which tests have it
 * @throws MmulabError COMMAND_UNKNOWN_FLAG, COMMAND_MISSING_VALUE, COMMAND_INVALID_VALUE, COMMAND_STRAY_ARGUMENT, COMMAND_NOT_SUPPORTED,
 * COMMAND_CONFLICTING_FLAGS, COMMAND_REPEATED_FLAG; COMMAND_HELP with the usage text for `-h`
 */
export function parseCommandLine(syntax: CommandSyntax, argv: readonly string[]): RawOptions {
  const options: Record<string, string | boolean> = {};
  const given: CommandFlag[] = [];
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? '';
    if (word === '--') {
      rejectStrays(syntax, argv.slice(at + 1));
      break;
    }
    if (!/^-./.test(word)) throw strayArgument(syntax.test, word);
    at += parseWord(syntax, word, argv[at + 1], options, given);
  }
  const family = familyOf(syntax, given);
  return family === undefined ? options : { ...options, selftest: family };
}

function rejectStrays(syntax: CommandSyntax, words: readonly string[]): void {
  const stray = words[0];
  if (stray !== undefined) throw strayArgument(syntax.test, stray);
}

/** Reads one word with its flags. @returns how many of the following words it used up */
function parseWord(
  syntax: CommandSyntax,
  word: string,
  following: string | undefined,
  options: Record<string, string | boolean>,
  given: CommandFlag[],
): number {
  for (let index = 1; index < word.length; index++) {
    const flag = findFlag(syntax, word, word.charAt(index));
    rejectRepeat(syntax, flag, given);
    given.push(flag);
    if ('refused' in flag) throw unsupportedFlag(syntax.test, `-${flag.letter}`, flag.refused);
    if ('value' in flag) {
      options[flag.option] = flag.value;
      continue;
    }
    const attached = word.slice(index + 1);
    const value = attached === '' ? following : attached;
    if (value === undefined) throw missingValue(syntax.test, `-${flag.letter}`, flag.argument);
    options[flag.option] = meaningOf(syntax, flag, value);
    return attached === '' ? 1 : 0;
  }
  return 0;
}

function findFlag(syntax: CommandSyntax, word: string, letter: string): CommandFlag {
  const found = word.startsWith('--') ? undefined : syntax.flags.find(flag => flag.letter === letter);
  if (found !== undefined) return found;
  if (word === '--help' || (letter === 'h' && !word.startsWith('--'))) throw helpRequested(usageText(syntax));
  const known = ['-h', ...syntax.flags.map(flag => `-${flag.letter}`)].sort();
  throw unknownFlag(syntax.test, word.startsWith('--') ? word : `-${letter}`, known);
}

function rejectRepeat(syntax: CommandSyntax, flag: CommandFlag, given: readonly CommandFlag[]): void {
  if ('once' in flag && given.includes(flag)) throw repeatedFlag(syntax.test, `-${flag.letter}`);
}

function meaningOf(syntax: CommandSyntax, flag: ValueFlag, value: string): string | boolean {
  if (flag.values === undefined) return value;
  const meaning = Object.hasOwn(flag.values, value) ? flag.values[value] : undefined;
  if (meaning === undefined) throw invalidFlagValue(syntax.test, `-${flag.letter}`, value, Object.keys(flag.values));
  return meaning;
}

function familyOf(syntax: CommandSyntax, given: readonly CommandFlag[]): Family | undefined {
  const older = given.find(flag => flag.family === Family.Older);
  const newer = given.find(flag => flag.family === Family.Newer);
  if (older !== undefined && newer !== undefined) throw conflictingGenerations(syntax.test, `-${older.letter}`, `-${newer.letter}`);
  return (older ?? newer)?.family;
}

/** Usage text of a test: one line with all flags, then one line per flag. */
export function usageText(syntax: CommandSyntax): string {
  const flags = syntax.flags.filter(flag => !('refused' in flag));
  const synopsis = flags.map(flag => ('argument' in flag ? `[-${flag.letter} ${flag.argument}]` : `[-${flag.letter}]`)).join(' ');
  const heads = syntax.flags.map(flag => ('argument' in flag ? `-${flag.letter} ${flag.argument}` : `-${flag.letter}`));
  const width = Math.max(2, ...heads.map(head => head.length));
  const lines = syntax.flags.map((flag, index) => ` ${(heads[index] ?? '').padEnd(width)}  ${flagDoc(flag)}`);
  return [`usage: ${syntax.test} [-h] ${synopsis}`, ` ${'-h'.padEnd(width)}  print this text`, ...lines].join('\n');
}

function flagDoc(flag: CommandFlag): string {
  if ('refused' in flag) return `${flag.doc} (not supported: ${flag.refused})`;
  return flag.family === undefined ? flag.doc : `${flag.doc} (tests ${flag.family === Family.Older ? 'up to 6.1' : 'from 6.2 on'})`;
}
