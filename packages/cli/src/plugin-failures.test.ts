/**
 * What can be wrong with a plugin, case by case: each ends with 2 and a message that names the plugin, none as a bug of mmulab.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { reportError, runCommand } from './program';

const directory = mkdtempSync(join(tmpdir(), 'mmulab-plugins-'));
const here = process.cwd();
beforeAll(() => process.chdir(directory));
afterAll(() => {
  process.chdir(here);
  rmSync(directory, { recursive: true });
});

/** What every fixture begins with: a backend without fault, made of parts that a case changes. */
const PRELUDE = `'use strict';
require(${JSON.stringify(require.resolve('reflect-metadata'))});
const api = require(${JSON.stringify(require.resolve('@mmulab/api'))});
const { ContainerModule, inject, injectable } = require(${JSON.stringify(require.resolve('inversify'))});
const definition = {
  name: 'mine', arch: 'x86', models: 'nothing', profiles: [{ name: '1.0', doc: '', values: {} }],
  options: [{ kind: 'flag', name: 'fast', default: 'Y', doc: '' }], hostOptions: [],
  events: [{ name: 'page_fault', unit: 'events', gauge: false, doc: '' }],
  check() {}, machine: () => ({ arch: 'x86', pageSizeBytes: 4096, physBits: 46, maxGfn: bits => 2 ** (bits - 12) - 1 }),
};
class Mine {
  constructor() { this.stages = []; }
  create() {} enter() {} run() {} touch() {} begin() { return -1; } advance() { return -1; } control() {} host() {}
  translate() { return undefined; }
  memory() { return { tableBytesReal: 0 }; }
}
const page = { ok: true, state: 1, spanLevel: 1, writable: true, notifications: [] };
const backing = {
  name: 'mine_memory', doc: '', pageLevel: 1, hugetlb: false, populated: 1,
  states: [{ name: 'none', present: false, writable: false, level: 1, thp: false }, { name: 'own', present: true, writable: true, level: 1, thp: false }],
  faults: [page, page, page, page],
};
const bring = (one, Class = Mine) => { exports.default = new ContainerModule(load => { api.contributeBackend(load, one, Class); }); };
`;

let plugins = 0;

/** Writes a plugin. @returns its name, which is that of its directory too */
function write(code: string, marker: unknown = { plugin: 'index.js', api: 1 }): string {
  const name = `mmulab-plugin-p${++plugins}`;
  const files = { 'package.json': JSON.stringify({ name, mmulab: marker }), 'index.js': code };
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name, file)), { recursive: true });
    writeFileSync(join(directory, name, file), text);
  }
  return name;
}

/** Runs a small test on the plugin's backend. */
function run(plugin: string, ...more: readonly string[]): { readonly code: number; readonly text: string } {
  let text = '';
  const terminal = { columns: 80, color: false, out: (one: string) => (text += one), err: (one: string) => (text += one), progress: () => undefined };
  const code = runCommand(['run', '--quiet', '--plugin', `./${plugin}`, ...more, '--', 'execute_perf_test', '-b', '64K'], terminal);
  return { code, text };
}

const ours = (code: string): string => `${PRELUDE}${code}\n`;

describe('a plugin that does not load', () => {
  it.each([
    ['with a syntax error', 'const a = 1;\nconst b = ;\n', /^mmulab: PLUGIN_LOAD: <plugin>: .*index\.js:2: SyntaxError: Unexpected token/],
    ['that throws', "throw new RangeError('no luck');", /^mmulab: PLUGIN_LOAD: <plugin>: .* does not load: no luck/],
    [
      'whose callback throws',
      ours("exports.default = new ContainerModule(() => { throw new Error('no luck'); });"),
      /^mmulab: PLUGIN_LOAD: <plugin>: .*no luck/,
    ],
    [
      'whose callback is asynchronous',
      ours("exports.default = new ContainerModule(async () => { throw new Error('later'); });"),
      /^mmulab: PLUGIN_LOAD: <plugin>: .*the callback of its module is asynchronous; expected one that binds at once/,
    ],
    [
      'that exports by module.exports',
      ours('module.exports = new ContainerModule(() => {});'),
      /^mmulab: PLUGIN_BAD_EXPORT: <plugin>: .*expected exports\.default = new ContainerModule\(…\) instead of module\.exports/,
    ],
    ['that exports a function', 'exports.default = () => {};', /^mmulab: PLUGIN_BAD_EXPORT: <plugin>: .*instead of a function/],
    ['that exports nothing', '', /^mmulab: PLUGIN_BAD_EXPORT: <plugin>: .*expected export default new ContainerModule/],
    ['that contributes nothing', ours('exports.default = new ContainerModule(() => {});'), /^mmulab: PLUGIN_EMPTY: <plugin>: /],
  ])('%s', (_what, code, message) => expectRefusal(write(code), message));

  it.each([
    ['no api', { plugin: 'index.js' }, /^mmulab: PLUGIN_API: <plugin>: .*package\.json: mmulab\.api is undefined; expected .*"api": 1/],
    ['another api', { plugin: 'index.js', api: 2 }, /^mmulab: PLUGIN_API: <plugin>: .*mmulab\.api is 2/],
    ['no plugin', { api: 1 }, /^mmulab: PLUGIN_NO_ENTRY: /],
  ])('whose package.json names %s', (_what, marker, message) => expectRefusal(write(ours('bring(definition);'), marker), message));
});

describe('a backend', () => {
  const change = (parts: string): string => ours(`bring({ ...definition, ${parts} });`);
  it.each([
    ['without profiles', change('profiles: undefined'), /^mmulab: PLUGIN_SHAPE: <plugin>: a backend: profiles is undefined; expected a list/],
    ['without options', change('options: undefined'), /PLUGIN_SHAPE: <plugin>: a backend: options is undefined/],
    ['without events', change('events: []'), /PLUGIN_SHAPE: <plugin>: backend mine: events is \[\]; expected at least one/],
    [
      'with an unknown kind of option',
      change("options: [{ kind: 'switsch', name: 'a', default: 1, doc: '' }]"),
      /PLUGIN_SHAPE: <plugin>: .*\(a\): kind is "switsch"; expected one of flag/,
    ],
    [
      'with a default its option does not take',
      change("options: [{ kind: 'choice', name: 'a', choices: ['b'], default: 'c', doc: '' }]"),
      /PLUGIN_SHAPE: <plugin>: .*\(a\): default is "c"/,
    ],
    [
      'whose profile sets an unknown option',
      change("profiles: [{ name: '1.0', doc: '', values: { fats: 'Y' } }]"),
      /PLUGIN_SHAPE: <plugin>: backend mine: profile 1\.0: fats .*did you mean fast\?/,
    ],
    [
      'of a class with a method missing',
      ours('Mine.prototype.advance = undefined; bring(definition);'),
      /PLUGIN_SHAPE: <plugin>: backend mine: advance is undefined; expected a method/,
    ],
    [
      'without stages',
      ours('bring(definition, class extends Mine { constructor() { super(); delete this.stages; } });'),
      /PLUGIN_SHAPE: <plugin>: backend mine: stages/,
    ],
    [
      'whose class is not decorated',
      ours('bring(definition, class extends Mine { constructor(options) { super(); } });'),
      /PLUGIN_BUILD: <plugin>: backend mine cannot be built: .*@inject/,
    ],
    [
      'whose constructor asks for a token that is not bound',
      ours(
        "class Asking extends Mine { constructor(other) { super(); } }\ninjectable()(Asking);\ninject(Symbol.for('mine.Rules'))(Asking, undefined, 0);\nbring(definition, Asking);",
      ),
      /PLUGIN_BUILD: <plugin>: backend mine cannot be built: No bindings found for service: "Symbol\(mine\.Rules\)"/,
    ],
    [
      'whose class inherits a constructor without saying so',
      ours(
        'class Base extends Mine { constructor(options) { super(); } }\ninjectable()(Base);\ninject(api.BackendOptions)(Base, undefined, 0);\nclass Sub extends Base {}\ninjectable()(Sub);\nbring(definition, Sub);',
      ),
      /PLUGIN_BUILD: <plugin>: .*its class extends Base, .*expected @injectFromBase/,
    ],
    [
      'whose constructor throws',
      ours("bring(definition, class extends Mine { constructor() { super(); throw new Error('no luck'); } });"),
      /PLUGIN_FAILED: <plugin>: failed while running \(index\.js:\d+:\d+\): no luck/,
    ],
    [
      'whose create throws',
      ours("Mine.prototype.create = () => { throw new TypeError('no luck'); }; bring(definition);"),
      /PLUGIN_FAILED: <plugin>: failed while running \(index\.js.*\): TypeError: no luck/,
    ],
    [
      'that throws while it runs',
      ours('Mine.prototype.run = function walk() { null.gfn; }; bring(definition);'),
      /PLUGIN_FAILED: <plugin>: .*\(index\.js:\d+:\d+\): TypeError: Cannot read prop/,
    ],
    [
      'that throws no error',
      ours("Mine.prototype.run = () => { throw 'a word'; }; bring(definition);"),
      /PLUGIN_FAILED: <plugin>: failed while running: a word/,
    ],
    [
      'that breaks an invariant',
      ours("Mine.prototype.run = () => { throw new api.InvariantError('X', 'two leaves', 1, 1, ''); }; bring(definition);"),
      /PLUGIN_FAILED: <plugin>: .*X: two leaves/,
    ],
    ['whose check throws', change("check() { throw new Error('no luck'); }"), /PLUGIN_FAILED: <plugin>: .*no luck/],
    ['whose machine is none', change('machine: () => null'), /PLUGIN_SHAPE: mine: the machine is null/],
    [
      'that rebinds a core token',
      ours(
        'exports.default = new ContainerModule(load => { api.contributeBackend(load, definition, Mine); load.bind(api.CountersToken).toConstantValue({}); });',
      ),
      /PLUGIN_CORE_TOKEN: <plugin>: binds mmulab\.Counters, which is bound by @mmulab\/runner/,
    ],
  ])('%s', (_what, code, message) => expectRefusal(write(code), message, '--backend', 'mine'));

  it('that raises a typed error of its own copy of the api is heard as it is', () => {
    const own =
      "Mine.prototype.create = () => { throw Object.assign(new Error('MINE_TOO_SMALL: a guest of 64K'), { code: 'MINE_TOO_SMALL', errorClass: 'usage' }); };";
    expect(run(write(ours(`${own} bring(definition);`)), '--backend', 'mine')).toEqual({ code: 2, text: 'mmulab: MINE_TOO_SMALL: a guest of 64K\n' });
  });

  it('whose KVM_RUN fails ends with 1, its counts printed', () => {
    const failing = "Mine.prototype.run = vcpu => { throw new api.KvmRunFailure({ errno: 'EEXIST', vcpu }, 'a leaf is in the way'); };";
    const { code, text } = run(write(ours(`${failing} bring(definition);`)), '--backend', 'mine');
    expect(code).toBe(1);
    expect(text).toContain('FAILED in populate: KVM_RUN of vCPU 0 returned EEXIST: a leaf is in the way');
  });

  it('of an architecture that brings no guest is refused before it gets that of another', () => {
    const riscv = "bring({ ...definition, arch: 'riscv', machine: () => ({ ...definition.machine(), arch: 'riscv' }) });";
    expectRefusal(write(ours(riscv)), /GUEST_UNKNOWN_ARCH: riscv: no plugin brings a guest.*\(known: arm64, x86\)/, '--backend', 'mine');
  });

  it('does not run services of plugins that the run does not need', () => {
    const meddling = write(
      ours(
        'exports.default = new ContainerModule(load => { api.contributeBackend(load, definition, Mine); load.bind(api.CountersToken).toConstantValue({}); });',
      ),
    );
    expect(run(meddling, '--backend', 'x86-tdp').code).toBe(0);
  });
});

describe('a backing', () => {
  const change = (parts: string): string =>
    ours(`exports.default = new ContainerModule(load => { api.contributeBacking(load, { ...backing, ${parts} }); });`);
  it.each([
    [
      'with lines missing',
      'faults: [page, page]',
      /PLUGIN_SHAPE: <plugin>: backing mine_memory: faults is "2 lines"; expected 4: a read and a write for each of none, own/,
    ],
    [
      'with a state that does not exist',
      'faults: [page, page, page, { ...page, state: 7 }]',
      /<plugin>: backing mine_memory: faults\[3\] \(own, write\)\.state is 7; expected a state, 0 to 1/,
    ],
    [
      'whose fault leaves no page',
      'faults: [{ ...page, state: 0, writable: false }, page, page, page]',
      /<plugin>: .*faults\[0\] \(none, read\)\.state is "none"; expected a state with a page/,
    ],
    [
      'that maps writable what is not',
      'states: [backing.states[0], { ...backing.states[1], writable: false }]',
      /<plugin>: .*writable is true; expected false: own is not writable/,
    ],
    ['populated with what does not exist', 'populated: 2', /<plugin>: backing mine_memory: populated is 2/],
    [
      'dropped in part',
      'dropped: { block: [0], page: [0, 0], kept: [0, 0] }',
      /<plugin>: backing mine_memory: dropped\.block is \[0\]; expected one state for each of 2/,
    ],
  ])('%s', (_what, parts, message) => expectRefusal(write(change(parts)), message));
});

describe('a patch', () => {
  const patching = (definition: string, apply = '() => {}'): string =>
    ours(`exports.default = new ContainerModule(load => { api.contributePatch(load, ${definition}, ${apply}); });`);
  it.each([
    [
      'of no backend',
      patching("{ name: 'fast', doc: '', of: 'x86-tpd' }"),
      [],
      /PLUGIN_SHAPE: <plugin>: patch fast: of is "x86-tpd"; expected an installed backend \(did you mean x86-tdp\?\)/,
    ],
    [
      'that is named wrong',
      patching("{ name: 'fast', doc: '', of: 'x86-tdp' }"),
      ['--set', 'patch=fats'],
      /CONFIG_UNKNOWN_PATCH: backend\.patch: fats: no patch of x86-tdp has this name \(did you mean fast\?\)/,
    ],
    [
      'that throws',
      patching("{ name: 'fast', doc: '', of: 'x86-tdp' }", "() => { throw new Error('no luck'); }"),
      ['--set', 'patch=fast'],
      /PLUGIN_LOAD: <plugin>: patch fast does not load: no luck/,
    ],
    [
      'that rebinds a core token',
      patching("{ name: 'fast', doc: '', of: 'x86-tdp', always: true }", 'run => { run.bind(api.BackendOptions).toConstantValue({}); }'),
      [],
      /PLUGIN_CORE_TOKEN: <plugin>: binds mmulab\.BackendOptions/,
    ],
  ])('%s', (_what, code, more, message) => expectRefusal(write(code), message, ...more));
});

describe('a reporter', () => {
  const reporter = (parts: string): string =>
    ours(
      `exports.default = new ContainerModule(load => { api.contributeReporter(load, { name: 'words', doc: '', render: report => report.what + '\\n', ${parts} }); });`,
    );

  it('writes with --format NAME', () => expect(run(write(reporter('')), '--format', 'words')).toEqual({ code: 0, text: 'a result\n' }));

  it.each([
    [
      'under the name of another',
      "name: 'csv'",
      ['--format', 'json'],
      /PLUGIN_NAME_TAKEN: reporter csv is brought by two plugins: @mmulab\/report and <plugin>/,
    ],
    ['that is named wrong', '', ['--format', 'wrods'], /REPORT_UNKNOWN_FORMAT: wrods: not an output format \(did you mean words\?\)/],
    ['that throws', "render() { throw new Error('no luck'); }", ['--format', 'words'], /PLUGIN_FAILED: <plugin>: .*no luck/],
    ['without a function', 'render: 3', ['--format', 'words'], /PLUGIN_SHAPE: <plugin>: a reporter: render is 3/],
  ])('%s', (_what, parts, more, message) => expectRefusal(write(reporter(parts)), message, ...more));
});

it('what a plugin throws when nobody waits for it any more is its own, too', () => {
  const late = write(ours("global.late = () => { throw new Error('too late'); }; bring(definition);"));
  run(late);
  let text = '';
  const terminal = { columns: 80, color: false, out: () => undefined, err: (one: string) => (text += one), progress: () => undefined };
  try {
    (globalThis as unknown as { late(): void }).late();
  } catch (error) {
    expect(reportError(error, [], terminal)).toBe(2);
  }
  expect(text).toMatch(new RegExp(`^mmulab: PLUGIN_FAILED: ${late}: .*too late`));
});

function expectRefusal(plugin: string, message: RegExp, ...more: readonly string[]): void {
  const { code, text } = run(plugin, ...more);
  expect(text).toMatch(new RegExp(message.source.replaceAll('<plugin>', plugin)));
  expect(text).not.toContain('bug of mmulab');
  expect(code).toBe(2);
}
