/**
 * From the words of a published cell to what is run: a list of rules as data, gone through in order, each of which adds to what the cell means. Nothing is
 * guessed: a cell that no rule gives a phase to, or that a rule refuses, is refused with its reason.
 */
import { suggestName } from '@mmulab/api';
import { parse } from 'yaml';
import { modelShape, modelUnknownKey } from './errors';
import { isMap } from './shape';
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

const RULE_KEYS = ['when', 'test', 'flags', 'vcpus', 'backend', 'kernel', 'set', 'phase', 'model', 'refuse'];
const FIELDS = ['table', 'test', 'name', 'metric', 'column', 'words'];
export const MAPPING_SCHEMA = 'mmulab.mapping.v1';

/** @throws MODEL_SHAPE, MODEL_UNKNOWN_KEY */
export function readMapping(text: string, place: string): readonly Rule[] {
  const raw: unknown = parse(text);
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
}

/** What a cell means by these rules. */
export function meaningOf(cell: Cell, rules: readonly Rule[]): Mapped {
  const draft: Draft = { test: '', flags: new Map(), set: {} };
  // What stands in brackets is said of the test, not to it.
  readTestLine(cell.test.split(';')[0]?.replace(/\([^)]*\)/g, ' ') ?? '', draft);
  for (const { when, then } of rules) {
    const caught = matched(cell, when);
    if (caught === undefined) continue;
    if (typeof then['refuse'] === 'string') return { refused: then['refuse'] };
    apply(draft, then, text => text.replace(/\$(\d)/g, (_, digit: string) => caught[Number(digit) - 1] ?? ''));
  }
  return finished(draft, cell);
}

function matched(cell: Cell, when: Rule['when']): readonly string[] | undefined {
  const caught: string[] = [];
  for (const [field, pattern] of when) {
    const text = fieldOf(cell, field);
    const found = text === undefined ? null : pattern.exec(text);
    if (found === null) return undefined;
    caught.push(...found.slice(1));
  }
  return caught;
}

function fieldOf(cell: Cell, field: string): string | undefined {
  if (field.startsWith('row.')) return cell.row[field.slice(4)];
  if (field.startsWith('params.')) return cell.params[field.slice(7)];
  if (field === 'words') return [cell.name, cell.metric, ...Object.values(cell.row), cell.column].join(' | ');
  return String(cell[field as 'table' | 'test' | 'name' | 'metric' | 'column']);
}

/** The first word is the test; flags have a value unless another flag or nothing follows. */
function readTestLine(line: string, draft: Draft): void {
  const words = line.trim().split(/\s+/);
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (!word.startsWith('-')) {
      if (draft.test === '' && /_test$/.test(word)) draft.test = word;
      continue;
    }
    const next = words[i + 1];
    const glued = word.slice(2);
    if (glued !== '') draft.flags.set(word.slice(1, 2), glued);
    else if (next !== undefined && /^[\w.]+$/.test(next)) draft.flags.set(word.slice(1), words[++i]);
    else draft.flags.set(word.slice(1), undefined);
  }
}

function apply(draft: Draft, then: Rule['then'], fill: (text: string) => string): void {
  for (const key of ['test', 'vcpus', 'backend', 'kernel', 'phase', 'model'] as const) {
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
    if (value === false) draft.flags.delete(letter);
    else draft.flags.set(letter, value === true ? undefined : quotient(fill(String(value))));
  }
}

/** `100/5` is 20. */
function quotient(text: string): string {
  const [, a, b] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  return a === undefined || b === undefined ? text : String(Math.round(Number(a) / Number(b)));
}

function finished(draft: Draft, { units, column, row }: Cell): Mapped {
  const { test, flags, set, backend, kernel, phase, model } = draft;
  const vcpus = draft.vcpus ?? flags.get('v') ?? '1';
  if (test === '') return { refused: 'the table names no test' };
  if (phase === undefined) return { refused: `no rule says which phase "${[...Object.values(row), column].join(' | ')}" is` };
  if (backend === undefined || model === undefined) return { refused: 'no rule says which backend and model this is' };
  if (!/^\d+$/.test(vcpus) || Number(vcpus) < 1) return { refused: `${vcpus} is no number of vCPUs` };
  const unitS = /\bms\b/.test(column) || (/^ms\b/.test(units) && !/\bs\b/.test(column)) ? 1e-3 : 1;
  flags.delete('v');
  const command = [test, ...[...flags].flatMap(([letter, value]) => (value === undefined ? [`-${letter}`] : [`-${letter}`, value]))];
  return { meaning: { command, vcpus: Number(vcpus), backend, kernel, set, phase, model, unitS } };
}
