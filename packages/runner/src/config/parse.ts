/**
 * The text of one config file, YAML or JSON, as plain values: text, numbers, true and false, null, lists and maps.
 *
 * What YAML can say beyond that is refused with its place, and not taken for a map or a text: tags nobody knows, dates, sets, binary data, anchors that
 * contain themselves.
 */
import { MAX_NESTING, NestingDepth } from '@mmulab/api';
import type * as Yaml from 'yaml';
import { configTooLarge, configTooLong, malformedConfig, wrongType, otherDocument } from '../errors';
import { readSmallTextFile } from '../files';
import { isMap } from '../plain-map';

/** The YAML library, loaded with the first file: a command line needs none. */
function yaml(): typeof Yaml {
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded only when there is a file to read
  return require('yaml') as typeof Yaml;
}

/** A config as read. */
export type ConfigMap = Readonly<Record<string, unknown>>;

/** Largest config file: a hundred bytes for each of the runs that a matrix may give. */
const MAX_CONFIG_BYTES = 2 ** 20;

/** Words and signs in a config file: some thirty for each of the runs that a matrix may give. */
const MAX_TOKENS = 300_000;

/** 6.10 is not 6.1 where a kernel is meant: numbers that lose a digit stay text. */
const TRAILING_ZERO = /^\d+\.\d*0$/;

/**
 * Reads a config file; an empty one is an empty config.
 * @throws FILE_NOT_FOUND, FILE_UNREADABLE; CONFIG_TOO_LARGE for more than MAX_CONFIG_BYTES or MAX_TOKENS; CONFIG_MALFORMED with file, line and column; CONFIG_WRONG_TYPE for what is no plain value
 */
export function readConfigFile(path: string): ConfigMap {
  const text = readSmallTextFile(path, 'a config in YAML or JSON', MAX_CONFIG_BYTES);
  if (text === undefined) throw configTooLarge(path, MAX_CONFIG_BYTES);
  const value = parse(path, text);
  if (value === null) return {};
  checkPlain(value, path);
  if (!isMap(value)) throw wrongType(path, value, 'a map of config keys');
  checkDocument(path, value);
  return value;
}

/** What reads documents of mmulab's own that are no configs, by the beginnings of their schemas. */
const READERS = [
  ['mmulab.result.', 'mmulab compare shows it, and what stands under its key config runs again'],
  ['mmulab.records.', 'mmulab verify compares it with what is counted here'],
  ['mmulab.tables.', 'mmulab predict prices its cells'],
  ['mmulab.sweep.', 'mmulab analyse reads its folder'],
] as const;

function checkDocument(path: string, { schema }: ConfigMap): void {
  if (typeof schema !== 'string' || !/^mmulab\.(?!config\b)/.test(schema)) return;
  const reader = READERS.find(([beginning]) => schema.startsWith(beginning));
  throw otherDocument(path, schema, reader === undefined ? '' : `: ${reader[1]}`);
}

function parse(path: string, text: string): unknown {
  const { LineCounter, parseDocument, visit } = yaml();
  checkTokens(path, text);
  const lines = new LineCounter();
  const document = guarded(path, () => parseDocument(text, { lineCounter: lines, prettyErrors: false }));
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    throw malformedConfig(path, line, col, OUT_OF_STACK.test(problem.message) ? TOO_DEEP : (PROBLEMS[problem.code] ?? problem.message));
  }
  return guarded(path, () => {
    visit(document, {
      Scalar: (_key, node) => {
        if (typeof node.value === 'number' && TRAILING_ZERO.test(node.source ?? '')) node.value = node.source;
      },
    });
    return document.toJS() as unknown;
  });
}

/**
 * Before the library makes an object of every sign, and calls itself for every level: it would run out of stack, and where that happens inside a
 * regular expression the whole process ends.
 */
function checkTokens(path: string, text: string): void {
  let tokens = 0;
  const depth = new NestingDepth();
  for (const token of new (yaml().Lexer)().lex(text)) {
    if (++tokens > MAX_TOKENS) throw configTooLong(path, MAX_TOKENS);
    depth.take(token);
    if (depth.levels > MAX_NESTING) throw malformedConfig(path, 1, 1, TOO_DEEP);
  }
}

/** The library throws for bombs of aliases, and runs out of stack where a file nests without end. */
function guarded<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw malformedConfig(path, 1, 1, OUT_OF_STACK.test(message) ? TOO_DEEP : message);
  }
}

const OUT_OF_STACK = /call stack size/;
/** In our words what the library says to those who call it. */
const PROBLEMS: Readonly<Record<string, string>> = { MULTIPLE_DOCS: 'a second document begins here; expected one' };
const TOO_DEEP = `nested more than ${MAX_NESTING} levels deep`;

/** @param place for messages: the file, with the keys that lead to the value */
function checkPlain(root: unknown, place: string): void {
  const done = new Set<unknown>();
  const check = (value: unknown, at: string, around: readonly unknown[]): void => {
    if (typeof value !== 'object' || value === null || done.has(value)) return;
    if (around.includes(value)) throw malformedConfig(place, 1, 1, `${at}: an anchor that contains itself`);
    if (around.length === MAX_NESTING) throw malformedConfig(place, 1, 1, TOO_DEEP);
    if (!Array.isArray(value) && !isMap(value)) throw wrongType(`${place}: ${at}`, kindOf(value), PLAIN_VALUES);
    const within = [...around, value];
    for (const [key, inner] of Object.entries(value)) check(inner, at === '' ? key : `${at}.${key}`, within);
    done.add(value);
  };
  check(root, '', []);
}

const PLAIN_VALUES = 'text, a number, true or false, a list or a map';

/** `Date`, `Set`, `Uint8Array`: what YAML made of a value. */
function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}
