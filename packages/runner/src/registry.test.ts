import { join } from 'node:path';
import { codeOf, messageOf, toyRegistry, writeFiles } from './fixtures/registry';
import { checkPlan } from './plugin-shape';
import { InstalledRegistry } from './installed-registry';
import type { Registry } from './registry';

const fixtures = join(__dirname, 'fixtures');
const load = (...plugins: string[]): Registry => InstalledRegistry.load(plugins, fixtures);

describe('a registry with one plugin', () => {
  it('lists what the plugin brings', () => {
    const registry = toyRegistry();
    expect(registry.backends().map(backend => backend.name)).toEqual(['toy-mmu', 'toy-scoped']);
    expect(registry.workloads().map(workload => workload.name)).toEqual(['toy_test']);
    expect(registry.backings().map(backing => backing.name)).toContain('toy_memory');
    expect(registry.plugins()).toEqual([
      {
        name: 'mmulab-plugin-toy',
        path: join(fixtures, 'toy'),
        brings: ['backend toy-mmu', 'backend toy-scoped', 'workload toy_test', 'backing toy_memory'],
      },
    ]);
  });

  it('names the nearest backend or workload when one is unknown', () => {
    const registry = toyRegistry();
    expect(messageOf(() => registry.backend('toy-mmuu'))).toBe(
      'CONFIG_UNKNOWN_BACKEND: backend.name: toy-mmuu: not an installed backend (did you mean toy-mmu?)',
    );
    expect(messageOf(() => registry.workload('toy_tst'))).toBe(
      'CONFIG_UNKNOWN_WORKLOAD: workload.name: toy_tst: not an installed workload (did you mean toy_test?)',
    );
  });

  it('loads a plugin that is named twice once', () => {
    expect(load('./toy', './toy').plugins()).toHaveLength(1);
  });
});

describe('a plugin with a solver', () => {
  const solver = (value: string): Registry => {
    const directory = writeFiles({
      'package.json': '{ "name": "mmulab-plugin-solver", "mmulab": { "plugin": "p.js", "api": 1 } }',
      'p.js': `exports.default = { id: 1, load: ({ bind }) => void bind(Symbol.for('mmulab.ContentionSolverContribution')).toConstantValue(${value}) };`,
    });
    return load(directory);
  };

  it('has it found by name, the nearest one suggested, and named if it cannot solve', () => {
    const registry = solver("{ name: 'mine', doc: '', solve: () => ({ timeS: 1, utilisation: [], residenceS: [] }) }");
    expect(registry.solver('mine').solve({ customers: 1, thinkS: 1, stations: [] }).timeS).toBe(1);
    expect(registry.plugins()[0]?.brings).toEqual(['solver mine']);
    expect(messageOf(() => registry.solver('mina'))).toBe('CONFIG_UNKNOWN_SOLVER: time.solver: mina: not a solver (did you mean mine?)');
    expect(codeOf(() => solver("{ name: 'mine', doc: '' }"))).toBe('PLUGIN_SHAPE');
  });
});

describe('a plugin with a cost model', () => {
  const model = (doc: string): Registry => {
    const directory = writeFiles({
      'package.json': '{ "name": "mmulab-plugin-model", "mmulab": { "plugin": "p.js", "api": 1 } }',
      'p.js': `const model = { name: 'mine', ${doc}, backends: [], check() {}, price: () => [] };
        exports.default = { id: 1, load: ({ bind }) => void bind(Symbol.for('mmulab.CostModelContribution')).toConstantValue(model) };`,
    });
    return load(directory);
  };

  it('is checked when it is loaded, but for what it has to read first: 0 times for a registry, once for whoever wants the model', () => {
    expect(codeOf(() => model('doc: 1'))).toBe('PLUGIN_SHAPE');
    const registry = model('get doc() { globalThis.readings = (globalThis.readings ?? 0) + 1; return 2; }');
    expect(Reflect.get(globalThis, 'readings')).toBeUndefined();
    expect(codeOf(() => registry.model('mine'))).toBe('PLUGIN_SHAPE');
    expect(Reflect.get(globalThis, 'readings')).toBe(1);
    expect(messageOf(() => registry.models())).toBe('PLUGIN_SHAPE: mmulab-plugin-model: a cost model: doc is 2; expected a string');
  });
});

/** A module with nothing but a format in it. */
const format = (name: string): string =>
  `exports.default = { id: 1, load: ({ bind }) => void bind(Symbol.for('mmulab.ReporterContribution')).toConstantValue({ name: '${name}', doc: '', render() {} }) };`;

describe('plugins', () => {
  const installed = writeFiles({
    'node_modules/mmulab-plugin-short/package.json': '{ "name": "mmulab-plugin-short", "mmulab": { "plugin": "p.js", "api": 1 } }',
    'node_modules/mmulab-plugin-short/p.js': format('short'),
    'node_modules/@scope/pack/package.json': '{ "name": "@scope/pack", "exports": {}, "mmulab": { "plugin": "p.js", "api": 1 } }',
    'node_modules/@scope/pack/p.js': format('pack'),
    'node_modules/garbled/package.json': '{ "name": ',
  });

  it('are found by short name, package name and path', () => {
    const names = InstalledRegistry.load(['short', '@scope/pack', join(installed, 'node_modules/@scope/pack')], installed).plugins();
    expect(names.map(plugin => plugin.name)).toEqual(['mmulab-plugin-short', '@scope/pack']);
  });

  it.each([
    ['./absent', 'PLUGIN_NOT_FOUND'],
    ['absent', 'PLUGIN_NOT_FOUND'],
    ['@absent/too', 'PLUGIN_NOT_FOUND'],
    ['./not-a-plugin', 'PLUGIN_NO_ENTRY'],
    ['./bad-export', 'PLUGIN_BAD_EXPORT'],
    ['./broken', 'PLUGIN_LOAD'],
  ])('%s is refused with %s', (plugin, code) => {
    expect(codeOf(() => load(plugin))).toBe(code);
  });

  it('with a garbled package.json are refused', () => {
    expect(codeOf(() => InstalledRegistry.load(['garbled'], installed))).toBe('PLUGIN_LOAD');
  });

  const tokens = { backend: 'mmulab.BackendContribution', workload: 'mmulab.WorkloadContribution', backing: 'mmulab.BackingContribution' };
  const bringing = (kind: keyof typeof tokens, value: string): string => {
    const bind = `({ bind }) => { bind(Symbol.for('${tokens[kind]}')).toConstantValue(${value}); }`;
    const plugin = `const { ContainerModule } = require(${JSON.stringify(require.resolve('inversify'))});\nexports.default = new ContainerModule(${bind});\n`;
    return writeFiles({ 'p/package.json': '{ "name": "p", "mmulab": { "plugin": "p.js", "api": 1 } }', 'p/p.js': plugin });
  };
  it.each<[keyof typeof tokens, string, string]>([
    ['backend', 'null', 'PLUGIN_SHAPE'],
    ['backend', '{ definition: null, implementation: class {} }', 'PLUGIN_SHAPE'],
    ['backend', '{ definition: { name: "x", arch: "x", profiles: null } }', 'PLUGIN_SHAPE'],
    ['workload', '{ definition: { name: "x", options: [], parseArguments() {} }, implementation: null }', 'PLUGIN_SHAPE'],
    ['backing', 'null', 'PLUGIN_SHAPE'],
    ['backing', '(() => { throw new Error("no luck") })()', 'PLUGIN_LOAD'],
  ])('that bring as a %s %s are refused', (kind, value, code) => {
    expect(codeOf(() => InstalledRegistry.load(['./p'], bringing(kind, value)))).toBe(code);
  });

  it.each(['null', '{ "mmulab": null }', '{ "mmulab": { "plugin": null } }'])('whose package.json is %s are none', text => {
    expect(codeOf(() => InstalledRegistry.load(['./p'], writeFiles({ 'p/package.json': text })))).toBe('PLUGIN_NO_ENTRY');
  });

  it('that bring the same name are both named', () => {
    expect(messageOf(() => load('./toy', './toy-rival'))).toBe(
      'PLUGIN_NAME_TAKEN: backend toy-mmu is brought by two plugins: mmulab-plugin-toy and mmulab-plugin-toy-rival',
    );
  });

  it('cannot replace a kind of host memory', () => {
    expect(messageOf(() => load('./backing-rival'))).toContain(
      'backing shmem is brought by two plugins: @mmulab/runner and mmulab-plugin-backing-rival',
    );
  });
});

describe('a plan that a plugin answers with', () => {
  const vm = { memslots: [], spaces: [] };

  it.each([
    ['null', null],
    ['nothing', undefined],
    ['no VM', { vm: null, phases: [], notes: [] }],
    ['a VM of nothing', { vm: {}, phases: [], notes: [] }],
    ['phases null', { vm, phases: null, notes: [] }],
    ['phases that are no list', { vm, phases: {}, notes: [] }],
    ['notes null', { vm, phases: [], notes: null }],
  ])('is refused: %s', (_what, plan) => {
    expect(codeOf(() => checkPlan('a_test', plan))).toBe('PLUGIN_SHAPE');
  });

  it('is taken with phases that are made when they are asked for', () => {
    const phases = { length: 0, [Symbol.iterator]: () => [][Symbol.iterator]() };
    expect(codeOf(() => checkPlan('a_test', { vm, phases, notes: [] }))).toBe('');
  });
});
