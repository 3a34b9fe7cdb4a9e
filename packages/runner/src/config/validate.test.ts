import { codeOf, messageOf, toyRegistry } from '../fixtures/registry';
import { commandLineConfig } from './command-line';
import { applySetting } from './settings';
import type { RawConfig, ResolvedRun } from './types';
import { resolveRuns } from './validate';

const registry = toyRegistry();
const workload = 'toy_test';
const resolve = (config: RawConfig): readonly ResolvedRun[] => resolveRuns(config, registry);
const one = (config: RawConfig): ResolvedRun => resolve(config)[0];
const circle: unknown[] = [];
circle.push(circle);
/** What comes from YAML may be of any shape. */
const untyped = (config: unknown): RawConfig => config as RawConfig;

describe('a config with a workload alone', () => {
  it('has defaults for everything else', () => {
    expect(one({ workload })).toEqual({
      name: 'toy_test',
      variation: '',
      backend: {
        name: 'toy-mmu',
        kernel: '6.10',
        options: { cmo: 'walker', npt: 'Y', ratio: 40, period: 0, chunk: 0, slot_scope: 'N', shared_name: 'N' },
      },
      host: {
        vendor: 'intel',
        thp: 'madvise',
        sockets: 1,
        cores: 1,
        huge_zero_write: 'split',
        hugetlb_dontneed: 'Y',
        madvise_collapse: 'Y',
        mprotect_notify: 'gib',
        mprotect_restores: 'huge',
        page_table_reclaim: 'N',
        threads: 1,
        vcpu_scheduling: 'parallel',
      },
      workload: {
        name: 'toy_test',
        options: {
          vcpus: 1,
          bytes: 16384,
          backing: 'anonymous',
          overlap: false,
          write_percent: 100,
          random: false,
          selftest: '6.1',
          shared_name: 'N',
        },
      },
      seed: 1,
      thresholds: [],
      plugins: [],
      notes: [],
    });
  });
});

describe('option values', () => {
  it('come from defaults, then the profile, then the user', () => {
    const options = (kernel: string, user: Record<string, unknown> = {}): unknown =>
      one({ workload, backend: { kernel, options: user } }).backend.options['ratio'];
    expect([options('6.1'), options('6.1.192'), options('6.1.192', { ratio: 1 })]).toEqual([60, 50, 1]);
  });

  it('may use aliases; the canonical name is kept', () => {
    expect(one({ workload, backend: { options: { ept: 'N' } } }).backend.options).toMatchObject({ npt: 'N' });
  });

  it('may use names with a dot, as module parameters have, in options, settings and axes', () => {
    expect(one({ workload, backend: { options: { 'toy_module.ept': 'N' } } }).backend.options).toMatchObject({ npt: 'N' });
    expect(resolve({ workload, vary: { 'toy_module.ept': ['Y', 'N'] } }).map(({ backend }) => backend.options['npt'])).toEqual(['Y', 'N']);
    expect(messageOf(() => resolve({ workload, vary: { 'toy_module.epd': ['Y', 'N'] } }))).toMatch(/^CONFIG_UNKNOWN_KEY: .*toy_module\.ept/);
    expect(messageOf(() => resolve({ workload, vary: { 'other.epd': ['Y', 'N'] } }))).toMatch(/^CONFIG_UNKNOWN_KEY: .*known: backend/);
  });

  it('are checked together by the backend', () => {
    expect(codeOf(() => resolve({ workload, backend: { options: { npt: 'N' } }, host: { vendor: 'amd' } }))).toBe('TOY_COMBINATION');
  });

  it('of an unknown point release are those of the nearest earlier one, and name and note say so', () => {
    const { backend, notes } = one({ workload, backend: { kernel: '6.1.200' } });
    expect([backend.kernel, backend.options.ratio, notes]).toEqual([
      '6.1.200 (as 6.1.192)',
      50,
      ['backend.kernel: 6.1.200 is no profile of toy-mmu: counted as 6.1.192'],
    ]);
  });
});

describe('a workload', () => {
  it('may be a command line, a name, or options on top of either', () => {
    const expected = { vcpus: 2, bytes: 2 ** 20 };
    expect(one({ workload: './bin/toy_test -v 2 -b 1M' }).workload.options).toMatchObject(expected);
    expect(one({ workload: { name: 'toy_test', options: { vcpus: '2', bytes: '1M' } } }).workload.options).toMatchObject(expected);
    expect(one({ workload: { command: "toy_test -b '1M'", options: { vcpus: 2 } } }).workload.options).toMatchObject(expected);
    expect(one(commandLineConfig(['toy_test', '-v', '2', '-b', '1M'], registry)).workload.options).toMatchObject(expected);
  });

  it('takes its vCPUs from vm.vcpus too, but not two different numbers', () => {
    expect(one({ workload, vm: { vcpus: '3' } }).workload.options['vcpus']).toBe(3);
    expect(one({ workload: 'toy_test -v 3', vm: { vcpus: 3 } }).workload.options['vcpus']).toBe(3);
    expect(codeOf(() => resolve({ workload: 'toy_test -v 2', vm: { vcpus: 3 } }))).toBe('CONFIG_CONFLICT');
    expect(codeOf(() => resolve({ workload: { name: 'other', command: 'toy_test' } }))).toBe('CONFIG_CONFLICT');
  });
});

describe('a command line', () => {
  const vcpus = (config: RawConfig): readonly unknown[] => resolve(config).map(run => run.workload.options['vcpus']);
  const named = { name: workload, options: { vcpus: 3, bytes: '8K' } };

  it('is not contradicted by the options beside it, by whatever name', () => {
    expect(one({ workload: { command: 'toy_test -v 2', options: { vcpus: '2' } } }).workload.options['vcpus']).toBe(2);
    expect(messageOf(() => resolve({ workload: { command: 'toy_test -v 8', options: { vcpus: 2 } } }))).toBe(
      'CONFIG_CONFLICT: workload.options.vcpus: 2, but workload.command says "toy_test -v 8": give one of them',
    );
  });

  it('as a setting replaces the whole workload, and the vCPUs of the VM where it says its own', () => {
    const set = (config: RawConfig, command: string): ResolvedRun => one(applySetting(config, 'workload.command', command, registry));
    expect(set({ workload: named }, 'toy_test -v 2').workload.options).toMatchObject({ vcpus: 2, bytes: 16384 });
    expect(set({ workload: 'toy_test -v 4 -b 8K' }, 'toy_test').workload.options).toMatchObject({ vcpus: 1, bytes: 16384 });
    expect(set({ workload: named, vm: { vcpus: 3 } }, 'toy_test -v 2').workload.options['vcpus']).toBe(2);
    expect(set({ workload, vm: { vcpus: 3 } }, 'toy_test -b 8K').workload.options['vcpus']).toBe(3);
  });

  it('in a matrix replaces the whole workload, wherever it stands among the keys', () => {
    const commands = ['toy_test -v 1', 'toy_test -v 2'];
    expect(vcpus({ workload: named, vary: { 'workload.command': commands } })).toEqual([1, 2]);
    expect(vcpus({ workload: 'toy_test -v 4', vary: { 'workload.command': commands } })).toEqual([1, 2]);
    expect(vcpus({ workload: named, zip: { bytes: ['4K', '16K'], 'workload.command': commands } })).toEqual([1, 2]);
    const bytes = resolve({ vary: { 'workload.options.bytes': ['4K', '8K'], workload: ['toy_test'] } });
    expect(bytes.map(run => run.workload.options['bytes'])).toEqual([4096, 8192]);
  });

  it('in a matrix is not contradicted by another key', () => {
    expect(codeOf(() => resolve({ vary: { workload: ['toy_test -b 4K', 'toy_test -b 8K'], bytes: ['4K', '8K'] } }))).toBe('CONFIG_CONFLICT');
    expect(codeOf(() => resolve({ vary: { workload: ['toy_test -v 1', 'toy_test'], vcpus: [1, 2] } }))).toBe('CONFIG_CONFLICT');
  });
});

describe('keys of a matrix', () => {
  it.each<[string, unknown, string]>([
    ['vary', { vary: { vary: [{ vcpus: [1] }] } }, 'CONFIG_UNSETTABLE'],
    ['zip, as a path', { vary: { 'zip.vcpus': [1] } }, 'CONFIG_UNSETTABLE'],
    ['extends', { vary: { extends: ['a.yaml'] } }, 'CONFIG_UNSETTABLE'],
    ['plugins', { zip: { plugins: [['./a']] } }, 'CONFIG_UNSETTABLE'],
    ['an option and its alias', { vary: { npt: ['Y', 'N'], ept: ['Y', 'N'] } }, 'CONFIG_VARIED_TWICE'],
    ['an option, bare and as a path', { vary: { ratio: [1], 'backend.options.ratio': [2] } }, 'CONFIG_VARIED_TWICE'],
    ['the vCPUs by two names', { vary: { vcpus: [1, 2], 'workload.options.vcpus': [1, 2] } }, 'CONFIG_VARIED_TWICE'],
    ['the same key in vary and zip', { vary: { ratio: [1] }, zip: { ratio: [2] } }, 'CONFIG_VARIED_TWICE'],
    ['the backend by two names', { vary: { backend: ['toy-mmu'], 'backend.name': ['toy-mmu'] } }, 'CONFIG_VARIED_TWICE'],
    ['the workload by two names', { vary: { workload: ['toy_test'], 'workload.command': ['toy_test'] } }, 'CONFIG_VARIED_TWICE'],
    ['a section and what is in it', { vary: { host: [{ vendor: 'amd' }], 'host.vendor': ['intel'] } }, 'CONFIG_VARIED_TWICE'],
    ['a key with 20,000 dots', { vary: { [`backend.options${'.a'.repeat(20_000)}`]: [1] } }, 'CONFIG_UNKNOWN_OPTION'],
    ['20,000 dots of nothing known', { vary: { ['a.'.repeat(20_000)]: [1] } }, 'CONFIG_UNKNOWN_KEY'],
    ['a key below a value', { vary: { 'vm.vcpus.more': [1] } }, 'CONFIG_UNKNOWN_KEY'],
  ])('%s: refused', (_what, matrix, code) => {
    expect(codeOf(() => resolve(untyped({ workload, ...(matrix as object) })))).toBe(code);
  });

  it('may be thresholds, whose names have dots of their own', () => {
    const key = 'thresholds.phases.populate.counters.page_fault';
    const runs = resolve({ workload, vary: { [key]: ['<= 1', '<= 2'] } });
    expect(runs.map(({ thresholds: [threshold] }) => threshold?.bound)).toEqual([1, 2]);
  });

  it('replace what the config says under an alias', () => {
    const runs = resolve({ workload, backend: { options: { ept: 'N' } }, vary: { npt: ['Y', 'N'] } });
    expect(runs.map(run => run.backend.options['npt'])).toEqual(['Y', 'N']);
  });

  it('may be 16,000, and runs 10,000', () => {
    // Tenths of a second; a look at all others for each of them takes minutes, and the test runner's patience ends.
    const keys = Object.fromEntries(Array.from({ length: 16_000 }, (_, i) => [`thresholds.phases.p${i}.counters.page_fault`, [0]]));
    expect(resolve({ workload, vary: keys }).map(run => run.thresholds.length)).toEqual([16_000]);
    const seeds = Array.from({ length: 10_000 }, (_, i) => i);
    expect(resolve({ workload, vary: { seed: seeds } }).map(run => run.seed)).toEqual(seeds);
  });

  it('of 1,000,000 values are refused at once, with the limit', () => {
    const values = Array<number>(1_000_000).fill(1);
    expect(messageOf(() => resolve({ workload, vary: { seed: values } }))).toBe(
      'CONFIG_TOO_MANY_RUNS: vary: 1000000 combinations, expected at most 10000 (mmulab sweep takes more; sample: { n: … } takes some of them)',
    );
    expect(codeOf(() => resolve({ workload, zip: { seed: values, ratio: values } }))).toBe('CONFIG_TOO_MANY_RUNS');
  });
});

describe('bad input', () => {
  it.each<[string, unknown, string]>([
    ['an unknown option', { workload, backend: { options: { cmoo: 'abort' } } }, 'CONFIG_UNKNOWN_OPTION'],
    ['an unknown host option', { workload, host: { vendr: 'amd' } }, 'CONFIG_UNKNOWN_OPTION'],
    ['an unknown workload option', { workload: { name: workload, options: { vcpu: 2 } } }, 'CONFIG_UNKNOWN_OPTION'],
    ['an unknown backend', { workload, backend: 'toy-mmv' }, 'CONFIG_UNKNOWN_BACKEND'],
    ['an unknown kernel', { workload, backend: { kernel: 'newest' } }, 'CONFIG_UNKNOWN_KERNEL'],
    ['a kernel that is no release', { workload, backend: { kernel: 'newest' } }, 'CONFIG_UNKNOWN_KERNEL'],
    ['an unknown workload', { workload: 'toy_tests' }, 'CONFIG_UNKNOWN_WORKLOAD'],
    ['no workload', {}, 'CONFIG_MISSING'],
    ['an empty command line', { workload: '' }, 'WORKLOAD_COMMAND'],
    ['an unknown flag', { workload: 'toy_test -q' }, 'WORKLOAD_UNKNOWN_FLAG'],
    ['a quote left open', { workload: 'toy_test -s "anon' }, 'WORKLOAD_COMMAND'],
    ['an unknown key', { workload, backends: 'toy-mmu' }, 'CONFIG_UNKNOWN_KEY'],
    ['an unknown key with nothing after it', { workload, backends: null }, 'CONFIG_UNKNOWN_KEY'],
    ['an unknown key below with nothing after it', { workload, vm: { vcpu: null } }, 'CONFIG_UNKNOWN_KEY'],
    ['an unknown option with nothing after it', { workload, backend: { options: { cmoo: null } } }, 'CONFIG_UNKNOWN_OPTION'],
    ['a date for a map', { workload, host: new Date(0) }, 'CONFIG_WRONG_TYPE'],
    ['a set for a map', { workload, backend: { options: new Set(['cmo']) } }, 'CONFIG_WRONG_TYPE'],
    ['a threshold without a condition', { workload, thresholds: { wallMs: [] } }, 'CONFIG_OUT_OF_RANGE'],
    ['a threshold that is a map', { workload, thresholds: { wallMs: [{}] } }, 'CONFIG_WRONG_TYPE'],
    ['a value that contains itself', { workload, vm: { vcpus: circle } }, 'CONFIG_WRONG_TYPE'],
    ['an unknown key below', { workload, vm: { vcpu: 2 } }, 'CONFIG_UNKNOWN_KEY'],
    ['a size of 0', { workload: 'toy_test -b 0' }, 'CONFIG_OUT_OF_RANGE'],
    ['a size beyond 16 TiB', { workload: 'toy_test -b 17T' }, 'CONFIG_OUT_OF_RANGE'],
    ['a negative size', { workload: { name: workload, options: { bytes: -4096 } } }, 'CONFIG_OUT_OF_RANGE'],
    ['more vCPUs than the test allows', { workload: 'toy_test -v 9' }, 'CONFIG_OUT_OF_RANGE'],
    ['no vCPUs', { workload, vm: { vcpus: 0 } }, 'CONFIG_OUT_OF_RANGE'],
    ['a huge number', { workload, backend: { options: { ratio: 1e300 } } }, 'CONFIG_OUT_OF_RANGE'],
    ['a fraction of a vCPU', { workload: { name: workload, options: { vcpus: 1.5 } } }, 'CONFIG_OUT_OF_RANGE'],
    ['half a vCPU in vm', { workload, vm: { vcpus: 1.5 } }, 'CONFIG_OUT_OF_RANGE'],
    ['a word for a number', { workload, vm: { vcpus: 'two' } }, 'CONFIG_WRONG_TYPE'],
    ['a negative seed', { workload, seed: -1 }, 'CONFIG_OUT_OF_RANGE'],
    ['a seed beyond 32 bits', { workload, seed: 2 ** 32 }, 'CONFIG_OUT_OF_RANGE'],
    ['a list for the backend', { workload, backend: ['toy-mmu'] }, 'CONFIG_WRONG_TYPE'],
    ['a list for a name', { workload, name: [] }, 'CONFIG_WRONG_TYPE'],
    ['a config that is a word', 'toy_test', 'CONFIG_WRONG_TYPE'],
    ['an unknown cost model', { workload, time: { model: 'x86-2022' } }, 'CONFIG_UNKNOWN_MODEL'],
    ['a solver without a cost model', { workload, time: { solver: 'mva' } }, 'CONFIG_SOLVER_WITHOUT_MODEL'],
    ['extends outside a file', { workload, extends: 'a.yaml' }, 'CONFIG_WRONG_TYPE'],
    ['a threshold of an unknown counter', { workload, thresholds: { 'phases.populate.counters.page_falt': 1 } }, 'THRESHOLD_UNKNOWN_COUNTER'],
    ['an empty list of values', { workload, vary: { vcpus: [] } }, 'CONFIG_OUT_OF_RANGE'],
    ['one value to vary', { workload, vary: { vcpus: 2 } }, 'CONFIG_WRONG_TYPE'],
    ['an unknown option to vary', { workload, vary: { cmoo: ['abort'] } }, 'CONFIG_UNKNOWN_OPTION'],
    ['an unknown path to vary', { workload, vary: { 'bakend.options.cmo': ['abort'] } }, 'CONFIG_UNKNOWN_KEY'],
    ['an unknown key below to vary', { workload, vary: { 'backend.kernal': ['6.1'] } }, 'CONFIG_UNKNOWN_KEY'],
    ['zipped lists of different length', { workload, zip: { vcpus: [1, 2], cmo: ['abort'] } }, 'CONFIG_ZIP_LENGTHS'],
    ['an option of two owners to vary', { workload, vary: { shared_name: ['Y'] } }, 'CONFIG_AMBIGUOUS_OPTION'],
    ['too many runs', { workload, vary: { seed: Array(200).fill(1), ratio: Array(200).fill(1) } }, 'CONFIG_TOO_MANY_RUNS'],
  ])('%s is refused', (_what, config, code) => {
    expect(codeOf(() => resolve(untyped(config)))).toBe(code);
  });

  it('is named with its place, its value and the nearest known name', () => {
    expect(messageOf(() => resolve({ workload, backend: { options: { cmoo: 'abort' } } }))).toBe(
      'CONFIG_UNKNOWN_OPTION: backend.options.cmoo: not an option of toy-mmu (did you mean cmo?)',
    );
    expect(messageOf(() => resolve(untyped({ workload, backends: 1 })))).toBe(
      'CONFIG_UNKNOWN_KEY: backends: not a key of the config (did you mean backend?)',
    );
    expect(messageOf(() => resolve(untyped({ workload, vm: { vcpus: [1] } })))).toBe('CONFIG_WRONG_TYPE: vm.vcpus: [1]: expected a number or text');
    expect(messageOf(() => resolve({ workload, vary: { vcpu: [1] } }))).toContain('(did you mean vcpus?)');
  });
});

describe('empty sections', () => {
  it('count as absent', () => {
    expect(one(untyped({ workload, vm: null, host: null, backend: { name: 'toy-mmu', options: null, kernel: null } })).backend.kernel).toBe('6.10');
  });
});

describe('a matrix', () => {
  const variations = (config: RawConfig): readonly string[] => resolve(config).map(run => run.variation);

  it('has a run per combination, the last key changing fastest', () => {
    expect(variations({ workload, vary: { 'backend.options.cmo': ['abort', 'walker'], vcpus: [1, 2] } })).toEqual([
      'cmo=abort, vcpus=1',
      'cmo=abort, vcpus=2',
      'cmo=walker, vcpus=1',
      'cmo=walker, vcpus=2',
    ]);
  });

  it('takes zipped lists in step, combined with what varies', () => {
    expect(variations({ workload, vary: { kernel: ['6.1'] }, zip: { vcpus: [1, 2], 'workload.options.bytes': ['4K', '8K'] } })).toEqual([
      'kernel=6.1, vcpus=1, bytes=4K',
      'kernel=6.1, vcpus=2, bytes=8K',
    ]);
  });

  it('applies its values', () => {
    const runs = resolve({ workload: 'toy_test -v 4', vary: { 'vm.vcpus': [1, 2], backend: ['toy-mmu', 'toy-scoped'] } });
    expect(runs.map(run => [run.backend.name, run.workload.options['vcpus']])).toEqual([
      ['toy-mmu', 1],
      ['toy-scoped', 1],
      ['toy-mmu', 2],
      ['toy-scoped', 2],
    ]);
  });

  it('may vary whole command lines and paths that end alike', () => {
    expect(resolve({ vary: { workload: ['toy_test -v 1', 'toy_test -v 2'] } }).map(run => run.workload.options['vcpus'])).toEqual([1, 2]);
    expect(variations({ workload, vary: { 'backend.options.shared_name': ['Y'], 'workload.options.shared_name': ['N'] } })).toEqual([
      'backend.options.shared_name=Y, workload.options.shared_name=N',
    ]);
  });
});

describe('a single setting', () => {
  const set = (key: string, value: unknown, config: RawConfig = { workload }): ResolvedRun => one(applySetting(config, key, value, registry));

  it('may be an option of backend, host or workload, a short key or a path', () => {
    expect(set('cmo', 'abort').backend.options['cmo']).toBe('abort');
    expect(set('thp', 'never').host['thp']).toBe('never');
    expect(set('selftest', '6.12').workload.options['selftest']).toBe('6.12');
    expect(set('kernel', '6.1').backend.kernel).toBe('6.1');
    expect(set('backend', 'toy-scoped').backend.name).toBe('toy-scoped');
    expect(set('seed', '7').seed).toBe(7);
    expect(set('workload.options.bytes', '8K').workload.options['bytes']).toBe(8192);
  });

  it('of the vCPUs beats the command line', () => {
    expect(set('vcpus', '2', { workload: 'toy_test -v 4' }).workload.options['vcpus']).toBe(2);
    expect(set('workload.options.vcpus', 2, { workload, vm: { vcpus: 4 } }).workload.options['vcpus']).toBe(2);
  });

  it('that is no option, or one of two, is refused', () => {
    expect(codeOf(() => set('cmoo', 'abort'))).toBe('CONFIG_UNKNOWN_OPTION');
    expect(codeOf(() => set('shared_name', 'Y'))).toBe('CONFIG_AMBIGUOUS_OPTION');
    expect(codeOf(() => set('backend.options.cmo', 'neither'))).toBe('CONFIG_WRONG_TYPE');
  });
});
