/**
 * Fuzzed configs: a config that could be right, changed in up to four places, written as YAML or JSON, and the text changed once more.
 *
 * Beside it lie what it may build on: configs it extends, in chains, circles and diamonds, and plugins that bring nothing, null, or an error. A config is validated, and run after
 * that where it is small: what the one accepts, the other may not refuse.
 */
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { stringify } from 'yaml';
import type { FuzzCase } from './case';
import { testLine } from './command-lines';
import { edit, edits, mutate, mutations, oddKey, oddValue } from './values';
import { isSmall, type GoodValues, type Vocabulary } from './vocabulary';

const KEYS = [
  'name',
  'extends',
  'plugins',
  'backend',
  'kernel',
  'options',
  'host',
  'vm',
  'vcpus',
  'workload',
  'command',
  'time',
  'model',
  'solver',
  'vary',
  'zip',
  'thresholds',
  'seed',
];

/** What plugins of cases bring, by name of their directory. */
const PLUGINS: Readonly<Record<string, string>> = {
  nothing: 'module.exports = {};\n',
  nothing_at_all: 'module.exports.default = null;\n',
  number: 'module.exports = 7;\n',
  throws: 'throw new Error("no");\n',
  throws_null: 'throw null;\n',
  broken: 'module.exports = {\n',
  loads_null: 'module.exports.default = { load: () => null };\n',
};

/** Configs. */
export function configCases(words: Vocabulary): Arbitrary<FuzzCase> {
  const document = fc.tuple(baseConfig(words), mutations([...KEYS, ...words.optionNames])).map(([base, changes]) => mutate(base, changes));
  const parts = fc.record({
    document,
    form: fc.constantFrom('yaml', 'yaml', 'json', 'flow'),
    edits: seldom(7, edits(2)),
    parent: seldom(5, document),
    chain: fc.constantFrom('none', 'none', 'none', 'none', 'none', 'self', 'circle', 'diamond', 'long', 'missing', 'directory'),
    plugins: seldom(12, fc.array(fc.constantFrom(...Object.keys(PLUGINS)), { minLength: 1, maxLength: 2 })),
    settings: seldom(4, settings(words)),
  });
  return parts.map(({ document: config, form, edits: changes = [], parent, chain, plugins, settings: own = [] }) => {
    const file = form === 'json' ? 'config.json' : 'config.yaml';
    const files: Record<string, string> = {};
    const lines = parent === undefined ? {} : parents(files, write(parent, 'yaml'), chain);
    const brought = plugins === undefined ? {} : { plugins: plugins.map(name => `./${name}`) };
    const withParts = isMap(config) ? { ...lines, ...brought, ...config } : config;
    files[file] = edit(write(withParts, form), changes);
    for (const name of plugins ?? []) {
      files[`${name}/package.json`] = `{ "name": "${name}", "mmulab": { "plugin": "index.js", "api": 1 } }\n`;
      files[`${name}/index.js`] = PLUGINS[name];
    }
    const light = isSmall([...Object.values(files), ...own].join('\n').replace(/[,=:"'[\]{}]/g, ' '));
    return { files, commands: [['validate', ...own, file], ...(light ? [['run', '--quiet', ...own, file]] : [])], together: true };
  });
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function write(document: unknown, form: string): string {
  if (form === 'json') return `${JSON.stringify(document, undefined, 2) ?? 'null'}\n`;
  if (form === 'flow') return `${JSON.stringify(document) ?? 'null'}\n`;
  return document === undefined ? '' : stringify(document, { aliasDuplicateObjects: false });
}

/** Writes what a config builds on. @returns the lines that say so */
function parents(files: Record<string, string>, text: string, chain: string): Record<string, unknown> {
  const extend = (...names: string[]): string => `extends: [${names.join(', ')}]\n`;
  files['base.yaml'] = text;
  if (chain === 'none') return { extends: './base.yaml' };
  if (chain === 'self') return { extends: './config.yaml' };
  if (chain === 'missing') return { extends: './no-such.yaml' };
  if (chain === 'directory') return { extends: '.' };
  if (chain === 'circle') {
    files['a.yaml'] = extend('b.yaml');
    files['b.yaml'] = extend('a.yaml');
    return { extends: 'a.yaml' };
  }
  const depth = chain === 'long' ? 40 : 16;
  for (let i = 0; i < depth; i++) files[`d${i}.yaml`] = chain === 'long' ? extend(`d${i + 1}.yaml`) : extend(`d${i + 1}.yaml`, `./d${i + 1}.yaml`);
  files[`d${depth}.yaml`] = text;
  return { extends: 'd0.yaml' };
}

/** A config of which nearly every part is right. */
function baseConfig(words: Vocabulary): Arbitrary<Record<string, unknown>> {
  return fc.constantFrom(...words.backends).chain(backend => {
    const kernel = seldom(1, fc.constantFrom(...backend.kernels, '5.15', '6.3'));
    const whole = fc.record({ name: fc.constant(backend.name), kernel, options: seldom(1, someOf(backend.options)) });
    const all = { ...backend.options, ...backend.host, vcpus: [1, 2, 3], 'vm.vcpus': ['1', 2], 'backend.kernel': backend.kernels, seed: [1, 2] };
    return fc
      .record<Record<string, unknown>>({
        name: seldom(4, fc.constantFrom('a name', '=1+1', '\u001b[2J', '')),
        backend: fc.oneof({ weight: 3, arbitrary: whole.map(present) }, { weight: 1, arbitrary: fc.constant(backend.name) }),
        host: seldom(3, someOf(backend.host)),
        vm: seldom(5, fc.record({ vcpus: fc.constantFrom(1, 2, '2') })),
        workload: workload(words),
        vary: seldom(3, axes(all)),
        zip: seldom(8, axes(all)),
        thresholds: seldom(3, thresholds(words)),
        seed: seldom(4, fc.constantFrom(1, 0, '7')),
      })
      .map(present);
  });
}

/** There in one case of so many and one. */
function seldom<T>(absent: number, arbitrary: Arbitrary<T>): Arbitrary<T | undefined> {
  return fc.oneof({ weight: absent, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
}

/** What there is of a map. */
function present(map: Record<string, unknown>): Record<string, unknown> {
  return fromEntries(Object.entries(map).filter(([, value]) => value !== undefined));
}

/** Axes of a matrix: a key, and one to three values that are right for it. */
function axes(options: GoodValues): Arbitrary<Record<string, unknown>> {
  const right = fc.constantFrom(...Object.keys(options)).chain(name => {
    const values: fc.Arbitrary<unknown> = fc.array(fc.constantFrom<unknown>(...options[name]), { minLength: 1, maxLength: 3 });
    return fc.tuple(fc.constant(name), values);
  });
  const odd = fc.tuple(fc.oneof(oddKey, fc.constantFrom(...Object.keys(options))), oddValue);
  return fc.array(fc.oneof({ weight: 6, arbitrary: right }, { weight: 1, arbitrary: odd }), { minLength: 1, maxLength: 2 }).map(fromEntries);
}

/** Up to three options with values that are right for them. */
function someOf(options: GoodValues): Arbitrary<Record<string, unknown>> {
  const one = fc.constantFrom(...Object.keys(options)).chain(name => fc.tuple(fc.constant(name), fc.constantFrom<unknown>(...options[name])));
  return fc.array(one, { maxLength: 3 }).map(fromEntries);
}

function fromEntries(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries);
}

function workload(words: Vocabulary): Arbitrary<unknown> {
  const line = testLine(words).map(parts => parts.join(' '));
  const named = fc
    .constantFrom(...words.workloads)
    .chain(({ name, options }) => someOf(options).map(some => ({ name, options: { ...('bytes' in options ? { bytes: '64K' } : {}), ...some } })));
  return fc.oneof(
    { weight: 3, arbitrary: line },
    { weight: 3, arbitrary: named },
    { weight: 1, arbitrary: line.map(command => ({ command })) },
    { weight: 1, arbitrary: fc.tuple(line, named).map(([command, { options }]) => ({ command, options })) },
  );
}

function thresholds(words: Vocabulary): Arbitrary<Record<string, unknown>> {
  const counter = fc.constantFrom(...words.counters.slice(0, 30), 'x', '');
  const path = fc.oneof(
    counter.map(name => `totals.counters.${name}`),
    counter.map(name => `phases.populate.counters.${name}`),
    counter.map(name => `phases.dirty_1.vcpus.0.counters.${name}`),
    fc.constantFrom('memory.tableBytesReal', 'wallMs', 'phases', '', 'a.b', '__proto__', 'phases.dirty_1'),
  );
  const condition = fc.constantFrom<unknown>(
    '<= 5',
    '>= 0',
    '== 1',
    '!= 2',
    '<',
    '5',
    5,
    ['>= 0', '<= 64'],
    [],
    null,
    `<${' '.repeat(60)}5`,
    '<= x',
    '<= 1e3',
  );
  return fc.array(fc.tuple(path, condition), { maxLength: 2 }).map(fromEntries);
}

function settings(words: Vocabulary): Arbitrary<readonly string[]> {
  const key = fc.constantFrom(...words.optionNames, 'backend', 'vcpus', 'name', 'workload.command', 'vary', 'a.b.c', '__proto__.x');
  const one = fc
    .tuple(fc.constantFrom('--set', '--vary'), key, fc.constantFrom('Y', '1', '2,3', '', 'x', '64K'))
    .map(([flag, name, value]) => [flag, `${name}=${value}`]);
  return fc.array(one, { maxLength: 2 }).map(parts => parts.flat());
}
