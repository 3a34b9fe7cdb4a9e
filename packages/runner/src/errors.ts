/**
 * Everything the runner refuses, sorted by code, one message written once. `path` is the place in the config (`backend.options.cmo`).
 */
import { MmulabError, formatSize, isMmulabError } from '@mmulab/api';

const usage = (code: string, message: string): MmulabError => new MmulabError(code, message);

/** Puts a place (a file, a record) before the message of whatever wrong input `act` meets, unless the message names it. */
export function inPlace<T>(place: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (!isMmulabError(error) || error.errorClass !== 'usage' || error.message.includes(place)) throw error;
    throw new MmulabError(error.code, `${place}: ${error.message.slice(`${error.code}: `.length)}`);
  }
}

/** Characters of a value that a message shows. */
const MAX_SHOWN = 60;

/** How a value is shown in a message: as JSON, cut when long. Of a value of any size and depth, one that contains itself included, no more is looked at than is shown. */
export function showValue(value: unknown): string {
  const text = preview(value, MAX_SHOWN);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 3)}...` : text;
}

/** Characters of a key or name that a message shows; all of those that exist are shorter. */
const MAX_KEY = 120;

/** How a key or name that somebody made up is shown: cut when long. */
function showKey(key: string): string {
  return key.length > MAX_KEY ? `${key.slice(0, MAX_KEY)}... (${key.length} characters)` : key;
}

/** JSON of a value, at least `room` characters of it if it has so many. */
function preview(value: unknown, room: number): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, room + 1));
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Date) return String(value);
  const isList = Array.isArray(value);
  const parts: string[] = [];
  let left = room;
  for (const key in value) {
    if (left < 0) break;
    const item = preview((value as Readonly<Record<string, unknown>>)[key], left - 1);
    const part = isList ? item : `${preview(key, left)}:${item}`;
    parts.push(part);
    left -= part.length + 1;
  }
  return isList ? `[${parts.join(',')}]` : `{${parts.join(',')}}`;
}

export const ambiguousOption = (key: string, paths: readonly string[]): MmulabError =>
  usage('CONFIG_AMBIGUOUS_OPTION', `${showKey(key)}: there is more than one option of this name: give ${paths.join(' or ')}`);

export const badList = (text: string): MmulabError =>
  usage('CONFIG_BAD_LIST', `${showValue(text)}: a quote is not closed; expected values with commas between them, values with commas in quotes`);

export const conflict = (path: string, value: unknown, otherPath: string, otherValue: unknown): MmulabError =>
  usage('CONFIG_CONFLICT', `${path}: ${showValue(value)}, but ${otherPath} says ${showValue(otherValue)}: give one of them`);

export const extendsCycle = (chain: readonly string[]): MmulabError => {
  const shown = chain.length <= 8 ? chain : [...chain.slice(0, 3), `${chain.length - 6} more`, ...chain.slice(-3)];
  return usage('CONFIG_EXTENDS_CYCLE', `${chain[0] ?? ''}: the config extends itself: ${shown.join(' -> ')}`);
};

export const malformedConfig = (file: string, line: number, column: number, problem: string): MmulabError =>
  usage('CONFIG_MALFORMED', `${file}:${line}:${column}: ${problem}`);

/** A document of mmulab's own that is no config. @param reader what reads it */
export const otherDocument = (path: string, schema: string, reader: string): MmulabError =>
  usage('CONFIG_OTHER_DOCUMENT', `${path}: is a document of schema ${schema}, no config${reader}`);

export const missingInConfig = (path: string, expected: string): MmulabError => usage('CONFIG_MISSING', `${path}: missing; expected ${expected}`);

export const noBackend = (): MmulabError =>
  usage('CONFIG_NO_BACKEND', 'plugins: none of them brings a backend; expected the name or path of one that does');

/** A text that its option takes apart: which part is wrong and why. */
export const refusedText = (path: string, value: unknown, refusal: string | undefined, expected: string): MmulabError =>
  refusal === undefined ? outOfRange(path, value, expected) : usage('CONFIG_OUT_OF_RANGE', `${path}: ${showValue(value)}: ${refusal}`);

export const outOfRange = (path: string, value: unknown, expected: string): MmulabError =>
  usage('CONFIG_OUT_OF_RANGE', `${path}: ${showValue(value)}: expected ${expected}`);

export const configTooLarge = (path: string, limitBytes: number): MmulabError =>
  usage('CONFIG_TOO_LARGE', `${path}: a config file has at most ${formatSize(limitBytes)} (a matrix gives at most 10000 runs)`);

export const configTooLong = (path: string, limit: number): MmulabError =>
  usage('CONFIG_TOO_LARGE', `${path}: a config file has at most ${limit} words and signs (a matrix gives at most 10000 runs)`);

export const badRange = (path: string, text: string): MmulabError =>
  usage('CONFIG_RANGE', `${path}: ${showValue(text)}: expected a list, or a range such as 0..100 by 5, 1..512 by doubling, 4K..1G by x4`);

export const tooManyRuns = (runs: number, limit: number): MmulabError =>
  usage(
    'CONFIG_TOO_MANY_RUNS',
    `vary: ${runs} combinations, expected at most ${limit} (mmulab sweep takes more; sample: { n: … } takes some of them)`,
  );

export const unknownBackend = (path: string, name: string, suggestion: string): MmulabError =>
  usage('CONFIG_UNKNOWN_BACKEND', `${showKey(path)}: ${showKey(name)}: not an installed backend${suggestion}`);

export const unknownKernel = (path: string, value: unknown, backend: string, problem: string): MmulabError =>
  usage('CONFIG_UNKNOWN_KERNEL', `${path}: ${showValue(value)}: not a kernel profile of ${backend}${problem}`);

export const unknownKey = (path: string, suggestion: string): MmulabError =>
  usage('CONFIG_UNKNOWN_KEY', `${showKey(path)}: not a key of the config${suggestion}`);

export const unknownModel = (path: string, name: string, suggestion: string): MmulabError =>
  usage('CONFIG_UNKNOWN_MODEL', `${path}: ${name}: no cost model of this name is installed${suggestion}`);

/** The model prices counters of other backends. */
export const modelOfOtherBackend = (model: string, backend: string, backends: readonly string[]): MmulabError =>
  usage('CONFIG_MODEL_BACKEND', `time.model: ${model}: prices ${backends.join(', ')}; expected a model of ${backend}`);

/** A solver, a machine or vCPUs without a model. */
export const timeWithoutModel = (key: string, value: string): MmulabError =>
  usage('CONFIG_SOLVER_WITHOUT_MODEL', `time.${key}: ${value}: expected time.model beside it`);

export const unknownOption = (path: string, owner: string, suggestion: string): MmulabError =>
  usage('CONFIG_UNKNOWN_OPTION', `${showKey(path)}: not an option of ${owner}${suggestion}`);

/** No plugin brings a solver of the name. */
export const unknownSolver = (path: string, name: string, suggestion: string): MmulabError =>
  usage('CONFIG_UNKNOWN_SOLVER', `${path}: ${name}: not a solver${suggestion}`);

export const unknownWorkload = (path: string, name: string, suggestion: string): MmulabError =>
  usage('CONFIG_UNKNOWN_WORKLOAD', `${showKey(path)}: ${showKey(name)}: not an installed workload${suggestion}`);

export const wrongType = (path: string, value: unknown, expected: string): MmulabError =>
  usage('CONFIG_WRONG_TYPE', `${path === '' ? 'config' : path}: ${showValue(value)}: expected ${expected}`);

export const notASetting = (section: string, key: string, settable: readonly string[]): MmulabError =>
  usage(
    'CONFIG_UNSETTABLE',
    `${section}${showKey(key)}: is read before the matrix and cannot be one of its keys or a setting (possible: ${settable.join(', ')}, and options)`,
  );

export const variedTwice = (key: string, otherKey: string, path: string): MmulabError =>
  usage('CONFIG_VARIED_TWICE', `${key}: ${otherKey} varies ${key.endsWith(`.${path}`) ? 'it' : path} too: give one of them`);

export const zipLengths = (lengths: Readonly<Record<string, number>>): MmulabError => {
  const list = Object.entries(lengths).map(([key, length]) => `${key} has ${length}`);
  return usage('CONFIG_ZIP_LENGTHS', `zip: the lists must be equally long: ${list.join(', ')}`);
};

export const unknownPatch = (path: string, name: string, backend: string, suggestion: string): MmulabError =>
  usage('CONFIG_UNKNOWN_PATCH', `${path}: ${showKey(name)}: no patch of ${backend} has this name${suggestion}`);

export const unknownName = (name: string, suggestion: string): MmulabError =>
  usage(
    'EXPLAIN_UNKNOWN_NAME',
    `${showKey(name)}: no option, key of the config, counter, profile, workload, backing, backend or patch of this name${suggestion}`,
  );

/** A file is there that is not to be replaced. */
export const fileExists = (path: string): MmulabError => usage('FILE_EXISTS', `${path}: is there already`);

export const fileNotFound = (path: string, what: string): MmulabError => usage('FILE_NOT_FOUND', `${path}: no such file; expected ${what}`);

export const fileUnreadable = (path: string, problem: string): MmulabError => usage('FILE_UNREADABLE', `${path}: ${problem}`);

export const fileUnwritable = (path: string, problem: string): MmulabError => usage('FILE_UNWRITABLE', `${path}: ${problem}`);

export const unknownGuest = (arch: string, suggestion: string): MmulabError =>
  usage('GUEST_UNKNOWN_ARCH', `${showKey(arch)}: no plugin brings a guest of this architecture (contributeGuest)${suggestion}`);

export const backingNotRepresentable = (name: string, pageSize: string, sizes: readonly string[]): MmulabError =>
  usage('HOST_BACKING_NOT_REPRESENTABLE', `${name}: not representable on this machine: with ${pageSize} pages a huge page has ${sizes.join(' or ')}`);

export const unknownBacking = (name: string, suggestion: string): MmulabError =>
  usage('HOST_UNKNOWN_BACKING', `${name}: not a kind of host memory${suggestion}`);

/** Written for another version of the contract, or for none. */
export const pluginApi = (plugin: string, file: string, value: unknown, version: number): MmulabError =>
  usage('PLUGIN_API', `${plugin}: ${file}: mmulab.api is ${showValue(value)}; expected "mmulab": { "plugin": "<file>", "api": ${version} }`);

/** @param hint what to write instead */
export const pluginExport = (plugin: string, file: string, hint: string): MmulabError =>
  usage('PLUGIN_BAD_EXPORT', `${plugin}: ${file} has no inversify ContainerModule as its default export; expected ${hint}`);

/** A class of a plugin cannot be built. */
export const pluginBuild = (plugin: string, what: string, problem: string): MmulabError =>
  usage('PLUGIN_BUILD', `${plugin}: ${what} cannot be built: ${problem}`);

/** A plugin binds what is the runner's. */
export const pluginCoreToken = (plugin: string, token: string, owner: string): MmulabError =>
  usage('PLUGIN_CORE_TOKEN', `${plugin}: binds ${token}, which is bound by ${owner}; expected a token of its own`);

export const pluginEmpty = (plugin: string, file: string): MmulabError =>
  usage('PLUGIN_EMPTY', `${plugin}: ${file}: its module contributes nothing; expected a call of contributeBackend or another contribute function`);

/** Code of a plugin threw while it ran. */
export const pluginFailed = (plugin: string, where: string, problem: string): MmulabError =>
  usage('PLUGIN_FAILED', `${plugin}: failed while running${where}: ${problem}`);

export const pluginLoad = (plugin: string, file: string, problem: string): MmulabError =>
  usage('PLUGIN_LOAD', `${plugin}: ${file} does not load: ${problem}`);

export const pluginNameTaken = (kind: string, name: string, first: string, second: string): MmulabError =>
  usage('PLUGIN_NAME_TAKEN', `${kind} ${name} is brought by two plugins: ${first} and ${second}`);

export const pluginNotFound = (plugin: string, tried: readonly string[]): MmulabError =>
  usage('PLUGIN_NOT_FOUND', `${plugin}: no such plugin (looked for ${tried.join(', ')})`);

export const notAPlugin = (plugin: string, file: string): MmulabError =>
  usage('PLUGIN_NO_ENTRY', `${plugin}: ${file} has no "mmulab": { "plugin": "<file>", "api": 1 }`);

export const pluginShape = (plugin: string, what: string, value: unknown, expected: string): MmulabError =>
  usage('PLUGIN_SHAPE', `${plugin}: ${what} is ${showValue(value)}; expected ${expected}`);

export const recordArch = (place: string, arch: string, backend: string, backendArch: string): MmulabError =>
  usage('RECORD_ARCH', `${place}: arch is ${arch}, but ${backend} is a backend for ${backendArch}`);

export const recordMalformed = (file: string, line: number, column: number, problem: string): MmulabError =>
  usage('RECORD_MALFORMED', `${file}:${line}:${column}: ${problem}`);

export const nothingToCompare = (what: string): MmulabError => usage('RECORD_NOTHING_TO_COMPARE', `${what}: nothing was left to compare`);

export const recordSchema = (file: string, value: unknown, expected: string): MmulabError =>
  usage('RECORD_SCHEMA', `${file}: schema is ${showValue(value)}, expected ${showValue(expected)}`);

export const recordScope = (place: string, backend: string): MmulabError =>
  usage('RECORD_SCOPE', `${place}: the record counts the test memslot alone, and ${backend} does not count by memslot`);

export const recordShape = (place: string, value: unknown, expected: string): MmulabError =>
  usage('RECORD_SHAPE', `${place}: ${showValue(value)}: expected ${expected}`);

export const recordUnknownBackend = (place: string, name: string, suggestion: string): MmulabError =>
  usage('RECORD_UNKNOWN_BACKEND', `${place}: backend ${name} is not installed${suggestion}`);

export const recordUnknownCounter = (place: string, counter: string, backend: string, suggestion: string): MmulabError =>
  usage('RECORD_UNKNOWN_COUNTER', `${place}: ${counter}: not a counter of ${backend}${suggestion}`);

export const recordUnknownKey = (place: string, key: string, suggestion: string): MmulabError =>
  usage('RECORD_UNKNOWN_KEY', `${place}: ${key}: not a key of records${suggestion}`);

export const recordUnknownPhase = (place: string, workload: string, suggestion: string): MmulabError =>
  usage('RECORD_UNKNOWN_PHASE', `${place}: not a phase of this run of ${workload}${suggestion}`);

export const recordUnknownWorkload = (place: string, name: string, suggestion: string): MmulabError =>
  usage('RECORD_UNKNOWN_WORKLOAD', `${place}: workload ${name} is not installed${suggestion}`);

/** A bug of a backend: its stages never end an access. */
export const schedulerLivelock = (vcpu: number, stages: number): MmulabError =>
  new MmulabError('SCHEDULER_LIVELOCK', `vCPU ${vcpu}: one access took more than ${stages} stages`, 'internal');

/** A bug of a backend: an answer that is no stage. */
export const schedulerStage = (vcpu: number, stage: number, stages: number): MmulabError =>
  new MmulabError('SCHEDULER_STAGE', `vCPU ${vcpu}: the backend answered stage ${stage} of ${stages}`, 'internal');

/** A timeline shows vCPUs side by side. */
export const slicedTimeline = (): MmulabError =>
  usage('TIMELINE_SLICED', 'host.vcpu_scheduling: sliced, and --trace tells of vCPUs side by side; expected parallel, or no --trace');

/** A timeline goes through every access one by one. */
export const tooLargeForTimeline = (accesses: number, most: number): MmulabError =>
  usage(
    'TIMELINE_TOO_LARGE',
    `--trace: the run has ${accesses > most ? 'at least ' : ''}${accesses} accesses, and at most ${most} can be told one by one; take less memory, fewer vCPUs or fewer iterations`,
  );

export const testFileCommands = (path: string, found: number): MmulabError =>
  usage('TEST_FILE_COMMANDS', `${path}: ${found} command lines, expected one (empty lines and what follows a # do not count)`);

export const thresholdSyntax = (path: string, value: unknown, expected: string): MmulabError =>
  usage('THRESHOLD_SYNTAX', `thresholds.${path}: ${showValue(value)}: expected ${expected}`);

export const thresholdUnknownCounter = (path: string, counter: string, backend: string, suggestion: string): MmulabError =>
  usage('THRESHOLD_UNKNOWN_COUNTER', `thresholds.${path}: ${counter}: not a counter of ${backend}${suggestion}`);

export const thresholdUnknownPath = (path: string, problem: string): MmulabError => usage('THRESHOLD_UNKNOWN_PATH', `thresholds.${path}: ${problem}`);

export const thresholdUnknownPhase = (path: string, phase: string, suggestion: string): MmulabError =>
  usage('THRESHOLD_UNKNOWN_PHASE', `thresholds.${path}: ${phase}: not a phase of this run${suggestion}`);

/** A check looks at a phase that is not over by then: a fault of the workload's plan. */
export const checkedPhase = (workload: string, phase: string, other: string, suggestion: string): MmulabError =>
  usage('WORKLOAD_CHECK_PHASE', `${workload}: a check of ${phase} looks at ${other}, which is no phase before it${suggestion}`);

/** The plan asks for what the backend does not have; found before anything runs. */
export const operationMissing = (workload: string, what: string, backend: string, has: readonly string[]): MmulabError =>
  usage('WORKLOAD_NEEDS', `${workload}: needs ${what}, which ${backend} does not have (it has: ${has.join(', ') || 'none'})`);

/** The plan asks for what the kernel of this run does not have yet; found before anything runs. */
export const operationTooNew = (workload: string, operation: string, backend: string, from: string): MmulabError =>
  usage('WORKLOAD_NEEDS', `${workload}: needs the host operation ${operation}, which ${backend} has from kernel ${from} on`);

/** A register is written with a value it does not take. */
export const registerValue = (workload: string, register: string, field: string, value: unknown, expected: string): MmulabError =>
  usage('WORKLOAD_REGISTER_VALUE', `${workload}: ${register}.${field}: ${showValue(value)}: expected ${expected}`);

export const unbalancedQuote = (line: string): MmulabError => usage('WORKLOAD_COMMAND', `${showValue(line)}: a quote is not closed`);

export const emptyCommand = (): MmulabError => usage('WORKLOAD_COMMAND', 'the command line is empty; expected the name of a test and its flags');
