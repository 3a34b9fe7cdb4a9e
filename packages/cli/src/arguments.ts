/**
 * A first look at the arguments: which command, and where the command line of a test begins. Loads nothing.
 */
import { COMMANDS, type CommandEntry } from './command-entry';

/** Arguments in two parts: mmulab's own, and the command line of a test. */
export interface Arguments {
  readonly own: readonly string[];
  /** What stands after the first `--`; undefined when there is none. */
  readonly commandLine: readonly string[] | undefined;
}

/** Cuts arguments at the first `--`. */
export function splitArguments(argv: readonly string[]): Arguments {
  const at = argv.indexOf('--');
  return at < 0 ? { own: argv, commandLine: undefined } : { own: argv.slice(0, at), commandLine: argv.slice(at + 1) };
}

/** The command that arguments name, if it is one; `help NAME` names it too. */
export function findCommand(own: readonly string[]): CommandEntry | undefined {
  const [first, second] = own.filter(word => !word.startsWith('-'));
  return COMMANDS.find(command => command.name === (first === 'help' ? second : first));
}
