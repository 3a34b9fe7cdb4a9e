/**
 * The errors of this package, sorted by code, and the exit code each class of error ends with.
 */
import { MmulabError, suggestName, type ErrorClass, isMmulabError } from '@mmulab/api';
import { ExitCode } from './exit-code';

const EXIT_CODES: Readonly<Record<ErrorClass, number>> = { failed: ExitCode.Failed, usage: ExitCode.Usage, internal: ExitCode.Internal };

/** The exit code of an error; one that nobody raised on purpose is a bug. */
export function exitCodeOf(error: unknown): number {
  return isMmulabError(error) ? EXIT_CODES[error.errorClass] : ExitCode.Internal;
}

/** `--set` and `--vary` take `key=value`. */
export function badSetting(option: string, text: string, expected: string): MmulabError {
  return new MmulabError('CLI_BAD_SETTING', `${option} ${text}: expected ${expected}`);
}

/** The backend writes no traces. */
export function exportNotThere(name: string, backend: string, others: readonly string[]): MmulabError {
  const there = others.length === 0 ? '' : `; there is ${others.join(', ')}`;
  return new MmulabError('CLI_EXPORT_BACKEND', `--export ${name}: ${backend} writes no traces${there}`);
}

/** One file holds the trace of one run. */
export function exportOfSeveral(runs: number): MmulabError {
  return new MmulabError('CLI_EXPORT_RUNS', `--export: ${runs} runs, and a file holds the trace of one`);
}

/** There is no trace to leave anything out of. */
export function exportWithoutFile(what: string): MmulabError {
  return new MmulabError('CLI_EXPORT_WITHOUT', `--export-without ${what}: expected --export NAME=FILE beside it`);
}

/** `init` would write over a file. */
export function fileExists(path: string): MmulabError {
  return new MmulabError('CLI_FILE_EXISTS', `${path}: is there already (--force writes over it)`);
}

/** A page has the built-in plugins in it, and no others. */
export function notInPage(plugin: string, path: string): MmulabError {
  return new MmulabError(
    'CLI_NOT_IN_PAGE',
    `explore: ${plugin} (${path}): a page has the built-in backends and workloads only; expected a run of those`,
  );
}

/** A config or a command line was expected. */
export function nothingToRun(command: string): MmulabError {
  const forms = `a config, a .test file, or the command line of a test after --: mmulab ${command} -- dirty_log_perf_test -v 2 -b 16M`;
  return new MmulabError('CLI_NOTHING_TO_RUN', `${command}: expected ${forms}`);
}

/** An option that is given once was given twice. */
export function repeatedOption(option: string, first: string, second: string): MmulabError {
  return new MmulabError('CLI_REPEATED_OPTION', `${option} ${second}: given before, with ${first}; expected once`);
}

/** One run is no comparison. Found out before anything runs. */
export function tooLittleToCompare(runs: number): MmulabError {
  const ways = 'a config with vary or zip, --vary key=a,b, or another file';
  return new MmulabError('CLI_TOO_LITTLE_TO_COMPARE', `compare: ${runs} run${runs === 1 ? '' : 's'}; expected at least two: ${ways}`);
}

/** This machine gives no port. */
export function cannotServe(problem: string): MmulabError {
  return new MmulabError('CLI_SERVE', `--serve: ${problem}`);
}

/** A config and a command line were given. */
export function tooManySources(command: string): MmulabError {
  return new MmulabError('CLI_TOO_MANY_SOURCES', `${command}: give files or a command line after --, not both`);
}

/** A check compares one machine with the trace. */
export function severalMachines(machines: number): MmulabError {
  return new MmulabError('CLI_SEVERAL_MACHINES', `--vary: ${machines} machines, and a check compares the trace with one`);
}

/** The backend writes other traces. */
export function unknownExport(name: string, backend: string, names: readonly string[]): MmulabError {
  return new MmulabError('CLI_UNKNOWN_EXPORT', `--export ${name}: not a trace that ${backend} writes${suggestName(name, names)}`);
}

/** One file holds the timeline of one run. */
export function traceOfSeveral(runs: number): MmulabError {
  return new MmulabError('CLI_TRACE_RUNS', `--trace: ${runs} runs, and a file holds the timeline of one`);
}

/** There is no such command. */
export function unknownCommand(name: string, commands: readonly string[]): MmulabError {
  return new MmulabError('CLI_UNKNOWN_COMMAND', `${name}: not a command of mmulab${suggestName(name, commands)}`);
}

/** A test was typed where a command belongs. */
export function testAsCommand(name: string, words: readonly string[]): MmulabError {
  return new MmulabError('CLI_UNKNOWN_COMMAND', `${name}: not a command of mmulab but a test: mmulab run -- ${words.join(' ')}`);
}

/** A test was typed where a file belongs. */
export function testAsFile(command: string, name: string): MmulabError {
  return new MmulabError('FILE_NOT_FOUND', `${name}: no such file, but a test: mmulab ${command} -- ${name}`);
}

/** The command takes no command line after `--`. @param instead what does what was meant */
export function unexpectedCommandLine(command: string, instead?: string): MmulabError {
  return new MmulabError('CLI_UNEXPECTED_COMMAND_LINE', `${command}: takes nothing after --${instead === undefined ? '' : ` (${instead})`}`);
}

/** A list on the command line with nothing in it. */
export function emptyList(option: string, value: string): MmulabError {
  return new MmulabError('CLI_EMPTY_LIST', `${option} ${JSON.stringify(value)}: names nothing; expected names with commas between them`);
}

/** Settings of what a trace says itself, or what has no part in a replay. */
export function settingOfNoUse(command: string, place: string, section: string): MmulabError {
  return new MmulabError('CLI_SETTING_OF_NO_USE', `${place}: ${section} has no part in ${command}; expected options of the backend or of its host`);
}

/** `list` knows no such kind of thing. */
export function unknownList(name: string, kinds: readonly string[]): MmulabError {
  return new MmulabError('CLI_UNKNOWN_LIST', `${name}: nothing that can be listed${suggestName(name, kinds)}`);
}

/** The arguments do not fit the command; `problem` says how. */
export function usage(problem: string): MmulabError {
  return new MmulabError('CLI_USAGE', problem);
}

/** The directory that the command was typed in is gone. */
export function noDirectory(): MmulabError {
  return new MmulabError('CLI_NO_DIRECTORY', 'the current directory is not there any more; expected one that is');
}

/** The standard output (or error) takes no more. */
export function outputUnwritable(stream: string, problem: string): MmulabError {
  return new MmulabError('OUTPUT_UNWRITABLE', `${stream}: ${problem}`);
}

/** A document of ours is no result, or one of another version. */
export function resultSchema(path: string, schema: unknown, expected: string): MmulabError {
  return new MmulabError('RESULT_SCHEMA', `${path}: schema is ${String(schema)}; this version reads ${expected}`);
}

/** The system refused something with a file of the user. */
export function systemRefuses(what: string, problem: string): MmulabError {
  return new MmulabError('FILE_UNREADABLE', `${what}: ${problem}`);
}

/** A name that no package can have, or that says twice what it is. */
export function badPluginName(name: string): MmulabError {
  return new MmulabError(
    'CLI_PLUGIN_NAME',
    `${name}: expected lower-case words with hyphens, such as my-mmu (the package is called mmulab-plugin-my-mmu)`,
  );
}

/** `new-plugin` would write among other files. */
export function directoryInUse(path: string): MmulabError {
  return new MmulabError('CLI_DIRECTORY_IN_USE', `${path}: is there already, and not empty`);
}

/** An option has another choice. */
export function badChoice(option: string, value: string, choices: readonly string[]): MmulabError {
  return new MmulabError('CLI_BAD_CHOICE', `${option}: ${value}${suggestName(value, choices)}`);
}

/** An option is no number. */
export function badNumber(option: string, value: string): MmulabError {
  return new MmulabError('CLI_BAD_NUMBER', `${option}: ${value}: expected a whole number`);
}

/** A cost model of a plugin that is no file cannot be fitted or held against tables. */
export function notAModelFile(name: string): MmulabError {
  return new MmulabError('CLI_NOT_A_MODEL_FILE', `--model: ${name}: expected a model that is a file`);
}

/** A command about times was given a run without a cost model. */
export function noTimeModel(): MmulabError {
  return new MmulabError('CLI_NO_TIME_MODEL', 'time.model: expected a cost model (--set time.model=NAME; mmulab list models names them)');
}

/** A phase that the model has no time for, or that the run does not have. */
export function noSuchPhase(phase: string, known: readonly string[]): MmulabError {
  return new MmulabError(
    'CLI_NO_SUCH_PHASE',
    `--phase: ${phase}: expected a phase with a time (${known.join(', ') || 'none'})${suggestName(phase, known)}`,
  );
}

/** The runs of a config are not the policies that are to be compared. */
export function notPolicies(expected: string): MmulabError {
  return new MmulabError('CLI_NO_POLICIES', `the config: expected ${expected}`);
}

/** One file holds one model. */
export function outForOneModel(models: readonly string[]): MmulabError {
  return new MmulabError('CLI_OUT_FOR_ONE_MODEL', `--out: ${models.join(', ') || 'none'}: expected tables of one model (--model names it)`);
}

/** A table is no JSON. */
export function tablesNotJson(path: string, problem: string): MmulabError {
  return new MmulabError('TABLE_NOT_JSON', `${path}: ${problem}; expected tables of times in JSON`);
}

/** A saved result is none. */
export function malformedResult(path: string, problem: string): MmulabError {
  return new MmulabError('RESULT_MALFORMED', `${path}: ${problem}`);
}
