/**
 * From arguments to an exit code: finds the command, lets commander read its options, runs it, and turns whatever goes wrong into a message and
 * a code.
 */
import { type MmulabError, nearestName, isMmulabError } from '@mmulab/api';
import { plainLine, plainText } from '@mmulab/report';
import { Command, CommanderError } from 'commander';
import { basename } from 'node:path';
import { findCommand, splitArguments, type Arguments } from './arguments';
import type * as BuiltIn from './built-in';
import type * as Runner from '@mmulab/runner';
import { COMMANDS, type CommandContext } from './command-entry';
import { exitCodeOf, noDirectory, systemRefuses, testAsCommand, unexpectedCommandLine, unknownCommand, usage } from './errors';
import { ExitCode } from './exit-code';
import { internalErrorReport } from './internal-error';
import type { Terminal } from './terminal';
import { version } from './version';

/** Paths fit into it, nearly always; values that do not are not worth reading. */
const MAX_WORD = 200;
const LONG_WORD = new RegExp(`\\S{${MAX_WORD + 1},}`, 'g');
/** A usage text fits into it. */
const MAX_MESSAGE = 4000;

/** Commands that read what stands after `--`. */
const TAKE_COMMAND_LINE = ['run', 'compare', 'explain-time', 'explore', 'import', 'record', 'sweep', 'validate'];
/** What does for a test what others do without one. */
const INSTEAD: Readonly<Record<string, string>> = {
  predict: 'a test is priced by mmulab run --set model=NAME -- TEST; mmulab list models names them',
  replay: 'a test is run by mmulab run -- TEST',
  verify: 'a test is run by mmulab run -- TEST',
};

/** Never aborted. */
const UNINTERRUPTED = new AbortController().signal;

/**
 * Runs a command that does not wait for anything.
 * @param argv arguments after `mmulab`
 * @returns the exit code; errors are written to the terminal, none is thrown
 */
export function runCommand(argv: readonly string[], terminal: Terminal): number {
  const plain = withPlainErrors(terminal);
  try {
    const { program, own, exitCode } = prepare(splitArguments(argv), plain, UNINTERRUPTED);
    program?.parse(own, { from: 'user' });
    return exitCode();
  } catch (error) {
    return reportError(error, argv, plain);
  }
}

/** Runs any command. @param interrupted tells a command that waits that it is to end */
export async function runAnyCommand(argv: readonly string[], terminal: Terminal, interrupted: AbortSignal = UNINTERRUPTED): Promise<number> {
  const plain = withPlainErrors(terminal);
  try {
    const { program, own, exitCode } = prepare(splitArguments(argv), plain, interrupted);
    await program?.parseAsync(own, { from: 'user' });
    return exitCode();
  } catch (error) {
    return reportError(error, argv, plain);
  }
}

/**
 * Says what went wrong, and whose fault it is.
 * @returns the exit code
 */
export function reportError(error: unknown, argv: readonly string[], terminal: Terminal): number {
  terminal.progress(undefined);
  if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.Ok;
  const known = error instanceof CommanderError ? usage(problemOf(error, argv)) : fromPlugin(fromSystem(error));
  const code = exitCodeOf(known);
  complain(terminal, code === ExitCode.Internal ? internalErrorReport(argv, known) : `mmulab: ${shortened(messageOf(known))}\n`);
  return code;
}

/** Notes and errors carry names of the user's files, options and runs: none of them does anything to the terminal. */
function withPlainErrors(terminal: Terminal): Terminal {
  return {
    columns: terminal.columns,
    color: terminal.color,
    out: text => terminal.out(text),
    err: text => terminal.err(plainText(text)),
    progress: state => terminal.progress(state && { ...state, label: plainLine(state.label) }),
  };
}

/** Where not even an error can be written there is only the exit code. */
function complain(terminal: Terminal, text: string): void {
  try {
    terminal.err(text);
  } catch (error) {
    if (!isMmulabError(error)) throw error;
  }
}

/** What a plugin of somebody else threw, wherever it was asked, is no bug of mmulab either. */
function fromPlugin(error: unknown): unknown {
  if (exitCodeOf(error) !== ExitCode.Internal) return error;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- hardly ever needed
  const { faultOf } = require('@mmulab/runner') as typeof Runner;
  return faultOf(error);
}

/** What the system refused is no bug of mmulab, wherever it was asked. */
function fromSystem(error: unknown): unknown {
  const { code, syscall, path } = error as Partial<NodeJS.ErrnoException>;
  if (isMmulabError(error) || typeof syscall !== 'string' || typeof code !== 'string') return error;
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- hardly ever needed
  const { problemOf: systemProblem } = require('@mmulab/runner') as typeof Runner;
  return syscall === 'uv_cwd' ? noDirectory() : systemRefuses(path ?? syscall, systemProblem(error));
}

/** A message whose words and whose whole are cut in the middle where somebody's value would fill the screen. */
function shortened(message: string): string {
  const words = message.replace(LONG_WORD, word => cut(word, MAX_WORD));
  return cut(words, MAX_MESSAGE);
}

function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const kept = Math.floor((limit - 3) / 2);
  return `${text.slice(0, kept)}...${text.slice(-kept)}`;
}

/** What commander has to say in one line; whoever forgets the `--` before a test is told so. */
function problemOf({ code, message }: CommanderError, argv: readonly string[]): string {
  const problem = message.replace(/^error: /, '').replace(/\n/g, ' ');
  const command = findCommand(splitArguments(argv).own)?.name ?? '';
  // Flags of tests have one letter.
  const forgotten = code === 'commander.unknownOption' && TAKE_COMMAND_LINE.includes(command) && /'-[^-]/.test(problem);
  return forgotten ? `${problem}; flags of a test stand after --: mmulab ${command} -- TEST -v 2` : problem;
}

function messageOf(error: unknown): string {
  return isMmulabError(error) ? error.message : String(error);
}

/** A program that is ready to read its arguments; none when there was nothing to read. */
interface Prepared {
  readonly program: Command | undefined;
  readonly own: readonly string[];
  readonly exitCode: () => number;
}

function prepare({ own, commandLine }: Arguments, terminal: Terminal, interrupted: AbortSignal): Prepared {
  let exitCode: number = ExitCode.Ok;
  const context: CommandContext = {
    terminal,
    argv: commandLine === undefined ? own : [...own, '--', ...commandLine],
    commandLine,
    interrupted,
    exitWith: code => {
      exitCode = code;
    },
  };
  const [first] = own;
  const found = findCommand(own);
  if (first !== undefined && !first.startsWith('-') && first !== 'help' && found === undefined) throw unknownName(first, own);
  if (commandLine !== undefined && found !== undefined && !TAKE_COMMAND_LINE.includes(found.name))
    throw unexpectedCommandLine(found.name, INSTEAD[found.name]);
  const program = createProgram(terminal);
  for (const command of COMMANDS) {
    const declared = program.command(command.name).summary(command.summary).description(sentence(command.summary));
    if (command === found) command.load().configure(declared, context);
  }
  if (first === undefined) {
    program.outputHelp({ error: true });
    return { program: undefined, own, exitCode: () => ExitCode.Usage };
  }
  return { program, own, exitCode: () => exitCode };
}

/** Near names only: the list of all commands is in the help. Whoever types a test as a command is told how it is run. */
function unknownName(name: string, words: readonly string[]): MmulabError {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- plugins are loaded by the commands that need them
  const { loadRegistry } = require('./built-in') as typeof BuiltIn;
  const tests = loadRegistry().workloads();
  if (tests.some(test => test.name === basename(name))) return testAsCommand(name, words);
  const names = COMMANDS.map(command => command.name);
  const near = nearestName(name, names);
  return unknownCommand(name, near === undefined ? names : [near]);
}

function createProgram(terminal: Terminal): Command {
  return new Command('mmulab')
    .description("A laboratory for second-stage MMUs: KVM's page-table policies, run and counted without a kernel.")
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .exitOverride()
    .configureOutput({
      writeOut: text => terminal.out(text),
      writeErr: text => terminal.err(text),
      outputError: () => undefined,
      getOutHelpWidth: () => terminal.columns,
      getErrHelpWidth: () => terminal.columns,
    })
    .addHelpText('after', () => `\n${EXAMPLES}`);
}

const EXAMPLES = `Examples:
  mmulab run -- dirty_log_perf_test -v 2 -b 16M -s anonymous_hugetlb_2mb -g -f 20
  mmulab compare --vary huge_page_fault=zap,split -- execute_perf_test -b 1G -s anonymous_hugetlb_1gb
  mmulab explain huge_page_fault

Exit codes: 0 all well; 1 a threshold, verification or comparison failed; 2 wrong usage, config or record; 3 a bug of mmulab.`;

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}
