/**
 * From the words of a published cell to what is run: a list of rules as data, gone through in order, each of which adds to what the cell means. Nothing is
 * guessed: a cell that no rule gives a phase to, or that a rule refuses, is refused with its reason.
 */
import { suggestName } from '@mmulab/api';
import { modelShape, modelUnknownKey } from './errors';
import { isMap, parseYaml } from './shape';
import type { Cell } from './tables';

/** What a cell means. */
export interface Meaning {
  /** Command line of the test, its name first. */
  readonly command: readonly string[];
  readonly vcpus: number;
  readonly backend: string;
  readonly kernel: string | undefined;
  /** Config settings by dotted path. */
  readonly set: Readonly<Record<string, string>>;
  readonly phase: string;
  /** Name of the cost model, unless the user names one. */
  readonly model: string;
  /** Name of the machine, where it is one that comes with the package. */
  readonly host: string | undefined;
  /** How often what is run is done in what was measured. */
  readonly times: number;
  /** Seconds in one unit of the figure. */
  readonly unitS: number;
}

/** A meaning, or why there is none. */
export type Mapped = { readonly meaning: Meaning } | { readonly refused: string };

/** A rule: regular expressions on words of the cell, and what follows where all of them match. `$1` is what a group of them caught. */
interface Rule {
  readonly when: readonly (readonly [field: string, pattern: RegExp])[];
  readonly then: Readonly<Record<string, unknown>>;
}

const RULE_KEYS = ['when', 'test', 'flags', 'vcpus', 'backend', 'kernel', 'set', 'phase', 'model', 'host', 'times', 'refuse'];
const FIELDS = [
  'table',
  'test',
  'name',
  'metric',
  'column',
  'patch',
  'hardware',
  'units',
  'date',
  'context',
  'words',
  'side',
  'kernel',
  'model',
  'line',
];
const MAPPING_SCHEMA = 'mmulab.mapping.v1';

/** @throws MODEL_SHAPE, MODEL_UNKNOWN_KEY */
export function readMapping(text: string, place: string): readonly Rule[] {
  const raw: unknown = parseYaml(text, place);
  if (!isMap(raw) || raw['schema'] !== MAPPING_SCHEMA) throw modelShape(`${place}: schema`, isMap(raw) ? raw['schema'] : raw, MAPPING_SCHEMA);
  const rules = raw['rules'];
  if (!Array.isArray(rules)) throw modelShape(`${place}: rules`, rules, 'a list of rules');
  return rules.map((rule: unknown, i) => readRule(rule, `${place}: rules[${i}]`));
}

function readRule(rule: unknown, place: string): Rule {
  if (!isMap(rule)) throw modelShape(place, rule, 'a map with when and what follows');
  const other = Object.keys(rule).find(key => !RULE_KEYS.includes(key));
  if (other !== undefined) throw modelUnknownKey(place, other, suggestName(other, RULE_KEYS));
  const { when, ...then } = rule;
  if (!isMap(when)) throw modelShape(`${place}.when`, when, 'a map of field and regular expression');
  return {
    then,
    when: Object.entries(when).map(([field, pattern]) => {
      if (!FIELDS.includes(field) && !/^(row|params)\./.test(field))
        throw modelUnknownKey(`${place}.when`, field, suggestName(field, [...FIELDS, 'row.vcpus', 'params.vcpus']));
      return [field, patternOf(pattern, `${place}.when.${field}`)] as const;
    }),
  };
}

function patternOf(raw: unknown, place: string): RegExp {
  try {
    if (typeof raw === 'string') return new RegExp(raw, 'i');
  } catch {
    // Said below.
  }
  throw modelShape(place, raw, 'a regular expression');
}

/** What a cell has been found to mean so far. */
interface Draft {
  test: string;
  readonly flags: Map<string, string | undefined>;
  readonly set: Record<string, string>;
  vcpus?: string;
  backend?: string;
  kernel?: string;
  phase?: string;
  model?: string;
  host?: string;
  times?: string;
}

/** What a cell means by these rules. */
export function meaningOf(cell: Cell, rules: readonly Rule[]): Mapped {
  const draft: Draft = { test: '', flags: new Map(), set: {} };
  // What stands in brackets is said of the test, not to it.
  readTestLine(cell.test.split(/[;,]/)[0]?.replace(/\([^)]*\)/g, ' ') ?? '', draft);
  for (const { when, then } of rules) {
    const caught = matched(cell, draft, when);
    if (caught === undefined) continue;
    if (typeof then['refuse'] === 'string') return { refused: then['refuse'] };
    // What a parameter of the file says holds where the command line says nothing.
    const isWeak = when.every(([field]) => field.startsWith('params.'));
    apply(draft, then, isWeak, text => text.replace(/\$(\d)/g, (_, digit: string) => caught[Number(digit) - 1] ?? ''));
  }
  return finished(draft, cell);
}

function matched(cell: Cell, draft: Draft, when: Rule['when']): readonly string[] | undefined {
  const caught: string[] = [];
  for (const [field, pattern] of when) {
    const text = fieldOf(cell, draft, field);
    const found = text === undefined ? null : pattern.exec(text);
    if (found === null) return undefined;
    caught.push(...found.slice(1));
  }
  return caught;
}

function fieldOf(cell: Cell, draft: Draft, field: string): string | undefined {
  if (field.startsWith('row.')) return cell.row[field.slice(4)];
  if (field.startsWith('params.')) return cell.params[field.slice(7)];
  if (field === 'words') return wordsOf(cell);
  if (field === 'side') return sideOf(cell);
  if (field === 'kernel') return kernelOf(draft, cell);
  if (field === 'model') return draft.model ?? '';
  // What has been found of the command line so far, its name first; the table's own words where nothing has.
  if (field === 'line') return [draft.test, ...[...draft.flags].map(([letter, value]) => `-${letter} ${value ?? ''}`)].join(' ');
  if (field === 'test') return draft.test === '' ? cell.test : draft.test;
  return String(cell[field as TextField]);
}

type TextField = 'table' | 'name' | 'metric' | 'column' | 'patch' | 'hardware' | 'units' | 'date' | 'context';

function wordsOf({ name, metric, row, column }: Cell): string {
  return [name, metric, ...Object.values(row), column].join(' | ');
}

const AFTER = /\bafter\b|\bpatched|\bwith (?:the )?(?:patch|series)|\+ ?(?:series|patch)|\bnew\b|optimi[sz]ed|\bpost\b/i;
const BEFORE = /\bbefore\b|\bbase(?:line)?\b|\bwithout\b|\bunpatched|\bold\b|\bupstream\b|\boriginal\b|\bvanilla\b|\bpre\b/i;

/** Which side of the patch a cell is of: `before`, `after`, or neither. Its column says so, else its row, else the name of its table. */
function sideOf(cell: Cell): string {
  for (const text of [cell.column, Object.values(cell.row).join(' '), cell.name]) {
    if (AFTER.test(text)) return 'after';
    if (BEFORE.test(text)) return 'before';
  }
  return /\bv?[5-7]\.\d+/.test(cell.column) ? 'before' : '';
}

/** Days on which releases came out. */
const RELEASES = [
  ['5.10', '2020-12-13'],
  ['5.11', '2021-02-14'],
  ['5.12', '2021-04-25'],
  ['5.13', '2021-06-27'],
  ['5.14', '2021-08-29'],
  ['5.15', '2021-10-31'],
  ['5.16', '2022-01-09'],
  ['5.17', '2022-03-20'],
  ['5.18', '2022-05-22'],
  ['5.19', '2022-07-31'],
  ['6.0', '2022-10-02'],
  ['6.1', '2022-12-11'],
  ['6.2', '2023-02-19'],
  ['6.3', '2023-04-23'],
  ['6.4', '2023-06-25'],
  ['6.5', '2023-08-27'],
  ['6.6', '2023-10-29'],
  ['6.7', '2024-01-07'],
  ['6.8', '2024-03-10'],
  ['6.9', '2024-05-12'],
  ['6.10', '2024-07-14'],
  ['6.11', '2024-09-15'],
  ['6.12', '2024-11-17'],
  ['6.13', '2025-01-19'],
  ['6.14', '2025-03-24'],
  ['6.15', '2025-05-25'],
  ['6.16', '2025-07-27'],
  ['6.17', '2025-09-28'],
  ['6.18', '2025-11-30'],
] as const;

/** The kernel a rule named, else the newest release of the day of the message. */
function kernelOf({ kernel }: Draft, { date }: Cell): string | undefined {
  if (kernel !== undefined || !/^\d{4}-\d\d-\d\d/.test(date)) return kernel;
  return [...RELEASES].reverse().find(([, day]) => day <= date)?.[0] ?? RELEASES[0][0];
}

/** The first word is the test; flags have a value unless another flag or nothing follows. */
function readTestLine(line: string, draft: Draft): void {
  const words = line.trim().split(/\s+/);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (!word.startsWith('-')) {
      if (draft.test === '' && /(?:_test|_rounds|_churn)$/.test(word)) draft.test = word.replace(/^.*\//, '');
      continue;
    }
    const next = words[i + 1];
    const glued = word.slice(2);
    if (glued !== '') draft.flags.set(word.slice(1, 2), glued);
    else if (next !== undefined && /^[\w.,]+$/.test(next)) draft.flags.set(word.slice(1), words[++i]);
    else draft.flags.set(word.slice(1), undefined);
  }
}

function apply(draft: Draft, then: Rule['then'], isWeak: boolean, fill: (text: string) => string): void {
  for (const key of ['test', 'vcpus', 'backend', 'kernel', 'phase', 'model', 'host', 'times'] as const) {
    const value = then[key];
    if (typeof value === 'string' || typeof value === 'number') draft[key] = fill(String(value));
  }
  if (typeof then['test'] === 'string') {
    const line = draft.test;
    draft.test = '';
    readTestLine(line, draft);
  }
  if (isMap(then['set'])) for (const [path, value] of Object.entries(then['set'])) draft.set[path] = fill(String(value));
  if (!isMap(then['flags'])) return;
  for (const [letter, value] of Object.entries(then['flags'])) {
    if (isWeak && draft.flags.has(letter)) continue;
    if (value === false) draft.flags.delete(letter);
    else setFlag(draft, letter, value === true ? undefined : fill(String(value)));
  }
}

/** `100/5` is 20, every 20th page; a share that is none of whole pages is a chance, which tests from 6.2 on take. Sizes are written as the tests read them. */
function setFlag(draft: Draft, letter: string, text: string | undefined): void {
  const [, a, b] = /^(\d+)\/(\d+)$/.exec(text ?? '') ?? [];
  const every = a === undefined || b === undefined ? undefined : Number(a) / Number(b);
  if (every !== undefined && !Number.isInteger(every)) {
    draft.flags.delete(letter);
    draft.flags.set('w', b);
    draft.set['workload.options.selftest'] = '6.2';
  } else draft.flags.set(letter, every === undefined ? (letter === 'b' ? sizeOf(text) : text) : String(every));
}

/** `4 GiB`, `4GB`, `4g` and `4` are 4G. */
function sizeOf(text = ''): string {
  const [, number, unit = 'G'] = /^\s*(\d+)\s*([kmgt]?)i?b?\s*$/i.exec(text) ?? [];
  return number === undefined ? text : `${number}${unit === '' ? 'G' : unit.toUpperCase()}`;
}

/** Units as columns, metrics, names and files write them, in seconds. */
const UNITS: readonly (readonly [pattern: RegExp, seconds: number])[] = [
  [/(?:\b|_)(?:ns|nsecs?|nanoseconds?)\b/i, 1e-9],
  [/(?:\b|_)(?:us|usecs?|microseconds?)\b/i, 1e-6],
  [/(?:\b|_)(?:ms|msecs?|milliseconds?)\b/i, 1e-3],
  [/(?:\b|_)(?:s|secs?|seconds?)\b/i, 1],
  [/(?:\b|_)(?:mins?|minutes?)\b/i, 60],
];

/** Seconds in one unit of a figure: what is nearest to the figure says it. */
function unitOf({ column, metric, row, name, units }: Cell): number {
  for (const text of [column, metric, ...Object.values(row), name, units]) {
    const found = UNITS.find(([pattern]) => pattern.test(text.replace(/=\w+/g, '')));
    if (found !== undefined) return found[1];
  }
  return 1;
}

function finished(draft: Draft, cell: Cell): Mapped {
  const { test, flags, set, backend, phase, model, host } = draft;
  const vcpus = draft.vcpus ?? flags.get('v') ?? '1';
  if (test === '') return { refused: 'the table names no test' };
  if (phase === undefined) return { refused: `no rule says which phase "${[...Object.values(cell.row), cell.column].join(' | ')}" is` };
  if (backend === undefined || model === undefined) return { refused: 'no rule says which backend and model this is' };
  if (!/^\d+$/.test(vcpus) || Number(vcpus) < 1) return { refused: `${vcpus} is no number of vCPUs` };
  const times = product(draft.times ?? '1');
  if (times === undefined) return { refused: `times: ${draft.times ?? ''} is no product of numbers` };
  flags.delete('v');
  const command = [test, ...[...flags].flatMap(([letter, value]) => (value === undefined ? [`-${letter}`] : [`-${letter}`, value]))];
  return { meaning: { command, vcpus: Number(vcpus), backend, kernel: kernelOf(draft, cell), set, phase, model, host, times, unitS: unitOf(cell) } };
}

/** `10*50000*4/128`. @returns undefined for what is none, or not above 0 */
function product(text: string): number | undefined {
  if (!/^\d+(?:\.\d+)?(?:[*/]\d+(?:\.\d+)?)*$/.test(text)) return undefined;
  const value = text.split('*').reduce((all, part) => {
    const [first = 1, ...divisors] = part.split('/').map(Number);
    return all * divisors.reduce((left, divisor) => left / divisor, first);
  }, 1);
  return value > 0 && Number.isFinite(value) ? value : undefined;
}
