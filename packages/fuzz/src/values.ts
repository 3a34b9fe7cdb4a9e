/**
 * What stands in the wrong places: values, keys and texts that nobody means, and ways to change a document with them.
 */
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';

const DIGITS = '9'.repeat(30);

/** Values of every kind that YAML and JSON know, most of them wrong wherever they stand. */
const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1,
  2,
  1.5,
  -0.0,
  1e308,
  2 ** 31,
  2 ** 53,
  '',
  ' ',
  'Y',
  'N',
  'yes',
  'no',
  '0x10',
  '1K',
  '4K',
  '-4K',
  '1.5M',
  '16T',
  DIGITS,
  `${DIGITS}K`,
  'NaN',
  'a,b',
  'a=b',
  'a.b.c',
  '*',
  '~',
  '-',
  '<= 5',
  '< ',
  '== x',
  '=1+1',
  '\u001b[31mred',
  'é中\u{1F600}\u200f',
  'line\nline',
  'a'.repeat(300),
  '__proto__',
  '6.1',
  '99.99',
  '2001-12-14',
  'dirty_log_perf_test',
  'x86-tdp',
  'arm64-stage2',
  'anonymous',
  [],
  [[]],
  [null],
  ['a', 1, null],
  {},
  { a: null },
  { name: null },
  { '': '' },
  { a: { b: { c: [1] } } },
];

/** A value out of place. */
export const oddValue: Arbitrary<unknown> = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...ODD_VALUES) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 400 }).map(nested) },
);

/** Keys that objects have, that paths are made of, and that are nearly right. */
export const oddKey: Arbitrary<string> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'length',
      '',
      ' ',
      '.',
      'a.b',
      '.a',
      'a.',
      'a..b',
      '0',
      '-1',
      'null',
      '<<',
      'vcpu',
      'kernal',
      'backened',
      'tresholds',
      'é',
      '\u001b[1m',
      'x'.repeat(200),
      'a.'.repeat(100),
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
);

/** One change of a document: at the n-th of its nodes. */
export interface Mutation {
  readonly at: number;
  readonly how: 'replace' | 'add' | 'rename' | 'remove' | 'wrap';
  readonly key: string;
  readonly value: unknown;
}

/** Changes of a document, with keys that belong to it among the odd ones. */
export function mutations(keys: readonly string[], most = 3): Arbitrary<readonly Mutation[]> {
  const one = fc.record<Mutation>({
    at: fc.nat({ max: 200 }),
    how: fc.constantFrom('replace', 'replace', 'replace', 'add', 'add', 'rename', 'remove', 'wrap'),
    key: fc.oneof(oddKey, fc.constantFrom(...keys)),
    value: oddValue,
  });
  return fc.oneof(
    { weight: 8, arbitrary: fc.constant([]) },
    { weight: 5, arbitrary: fc.tuple(one) },
    { weight: 2, arbitrary: fc.array(one, { minLength: 2, maxLength: most }) },
  );
}

type Node = Record<string, unknown> | unknown[];

/** A document after changes; the document itself stays as it is. */
export function mutate(document: unknown, changes: readonly Mutation[]): unknown {
  const root = { document: structuredClone(document) };
  for (const { at, how, key, value } of changes) {
    const places = placesOf(root);
    const place = places[at % places.length] ?? places[0];
    if (place !== undefined) change(...place, how, key, value);
  }
  return root.document;
}

function change(node: Node, name: string, how: Mutation['how'], key: string, value: unknown): void {
  const target = node as Record<string, unknown>;
  const old = target[name];
  if (how === 'replace') target[name] = structuredClone(value);
  else if (how === 'wrap') target[name] = [old];
  else if (how === 'remove' && Array.isArray(node)) node.pop();
  else if (how === 'remove') delete target[name];
  else if (how === 'rename' && !Array.isArray(node)) {
    delete target[name];
    define(target, key, old);
  } else if (typeof old === 'object' && old !== null && !Array.isArray(old)) define(old as Record<string, unknown>, key, value);
  else target[name] = [old, structuredClone(value)];
}

/** `__proto__` too becomes a key of its own. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value: structuredClone(value), enumerable: true, configurable: true, writable: true });
}

/** All places of a document: what holds them, and by which name. */
function placesOf(node: Node): [Node, string][] {
  return Object.keys(node).flatMap(name => {
    const value = (node as Record<string, unknown>)[name];
    const here: [Node, string] = [node, name];
    return typeof value === 'object' && value !== null ? [here, ...placesOf(value as Node)] : [here];
  });
}

function nested(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value };
  return value;
}

/** One change of a text: at a place between 0 and 1 of its length. */
export interface Edit {
  readonly at: number;
  readonly how: 'insert' | 'cut' | 'line';
  readonly text: string;
}

/** Changes of a text, most of them lines that mean something to YAML. */
export function edits(most: number): Arbitrary<readonly Edit[]> {
  const line = fc.constantFrom(
    'x: &a [*a]',
    'x: &a { b: *a }',
    'x: &a { b: 1 }\ny: { <<: *a }',
    'x: *missing',
    'name: !!set { a, b }',
    'name: !!binary aGVsbG8=',
    'seed: !!timestamp 2001-12-14',
    'seed: 2001-12-14',
    'name: !custom x',
    'seed: 1\nseed: 2',
    '? [a, b]\n: 1',
    '---',
    '...',
    '%YAML 1.1',
    '# a comment',
    '\tname: x',
    '- a',
    'name: "unfinished',
    'name: |\n  text\n  more',
    '{',
    '}',
    '}}',
    '\u0000',
    '\ufeff',
  );
  const one: Arbitrary<Edit> = fc.oneof(
    fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), how: fc.constant('line' as const), text: line }),
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      how: fc.constantFrom('insert' as const, 'cut' as const),
      text: fc.constantFrom(':', '"', "'", ',', '&a ', '*a', '!!x ', '\r', '\t', '\u0001', '\\', '\ud800', '[', ']', '\n'),
    }),
  );
  return fc.array(one, { maxLength: most });
}

/** A text after changes. */
export function edit(text: string, changes: readonly Edit[]): string {
  return changes.reduce((now, { at, how, text: piece }) => {
    const index = Math.floor(at * now.length);
    if (how === 'cut') return now.slice(0, index);
    if (how === 'insert') return now.slice(0, index) + piece + now.slice(index);
    const end = now.indexOf('\n', index);
    return end < 0 ? `${now}\n${piece}\n` : `${now.slice(0, end + 1)}${piece}\n${now.slice(end + 1)}`;
  }, text);
}
