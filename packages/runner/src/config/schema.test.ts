import { Ajv } from 'ajv';
import { toyRegistry } from '../fixtures/registry';
import { configSchema } from './schema';
import type { RawConfig } from './types';
import { resolveRuns } from './validate';

const validate = new Ajv({ strict: false }).compile(configSchema(toyRegistry()));

describe('the JSON Schema of configs', () => {
  it.each<[string, unknown]>([
    ['a command line', { workload: 'toy_test -v 2' }],
    [
      'options of all kinds',
      { backend: { name: 'toy-mmu', kernel: '6.1.7', options: { cmo: 'abort', ept: true, ratio: '5', chunk: '2M', period: '1s' } } },
    ],
    ['a workload by name', { workload: { name: 'toy_test', options: { vcpus: 2, bytes: '16M', selftest: 6.1, random: true } } }],
    ['host facts', { host: { vendor: 'amd', thp: 'never', cores: 48 } }],
    ['a matrix', { vary: { cmo: ['abort'] }, zip: {}, thresholds: { wallMs: '< 5' }, seed: 1, plugins: [] }],
    ['another backend behind an extended config', { extends: 'a.yaml', host: { cpu: 'max' } }],
  ])('accepts %s', (_what, config) => {
    expect([validate(config), validate.errors]).toEqual([true, null]);
  });

  it.each<[string, unknown]>([
    ['an unknown key', { backends: 'toy-mmu' }],
    ['an unknown backend', { backend: 'toy-mmv' }],
    ['an unknown workload', { workload: { name: 'toy_tst' } }],
    ['an unknown option of the default backend', { backend: { name: 'toy-mmu', options: { cmoo: 'abort' } } }],
    ['an unknown choice', { backend: { name: 'toy-mmu', options: { cmo: 'neither' } } }],
    ['an unknown host option', { host: { vendr: 'amd' } }],
    ['an unknown option of a workload', { workload: { name: 'toy_test', options: { vcpu: 2 } } }],
    ['too many vCPUs', { workload: { name: 'toy_test', options: { vcpus: 9 } } }],
    ['a size that is none', { workload: { name: 'toy_test', options: { bytes: '1.5G' } } }],
  ])('refuses %s', (_what, config) => {
    expect(validate(config)).toBe(false);
  });
});

describe('what the JSON Schema refuses, validation refuses', () => {
  const values: readonly unknown[] = [
    ...[null, true, false, 0, 1, -1, 1.5, 6.1, 4096, 1e300, [], [1], ['Y'], {}, { a: 1 }],
    ...[
      '',
      ' ',
      'Y',
      'n',
      'on',
      'yes',
      'TRUE',
      '1',
      ' 1',
      '1 ',
      '-1',
      '1.5',
      '1e3',
      '0x10',
      '4K',
      ' 4k ',
      '4KiB',
      '4iB',
      '4Q',
      '1s',
      '5 ms',
      'abort',
      'walker',
      '6.1',
      'anonymous',
      'x',
    ],
  ];
  const registry = toyRegistry();
  const isRefused = (config: unknown): boolean => {
    try {
      resolveRuns(config as RawConfig, registry);
      return false;
    } catch {
      return true;
    }
  };
  const places: readonly (readonly [string, (value: unknown) => object])[] = [
    ...['name', 'plugins', 'backend', 'host', 'vm', 'workload', 'time', 'vary', 'zip', 'thresholds', 'seed', 'bakend'].map(
      key => [key, (value: unknown) => ({ workload: 'toy_test', [key]: value })] as const,
    ),
    ...registry
      .backends()[0]
      .options.map(
        ({ name }) =>
          [
            `backend.options.${name}`,
            (value: unknown) => ({ workload: 'toy_test', backend: { name: 'toy-mmu', options: { [name]: value } } }),
          ] as const,
      ),
    ...registry
      .workloads()[0]
      .options.map(
        ({ name }) => [`workload.options.${name}`, (value: unknown) => ({ workload: { name: 'toy_test', options: { [name]: value } } })] as const,
      ),
    ['host.thp', value => ({ workload: 'toy_test', host: { thp: value } })],
    ['vm.vcpus', value => ({ workload: 'toy_test', vm: { vcpus: value } })],
    ['vm.vcpu', value => ({ workload: 'toy_test', vm: { vcpu: value } })],
    ['backend.kernel', value => ({ workload: 'toy_test', backend: { kernel: value } })],
    ['vary.seed', value => ({ workload: 'toy_test', vary: { seed: value } })],
    ['thresholds.wallMs', value => ({ workload: 'toy_test', thresholds: { wallMs: value } })],
    [
      'a backend that varies',
      value => ({ workload: 'toy_test', backend: { name: 'toy-scoped', options: { cmo: value } }, vary: { backend: ['toy-mmu'] } }),
    ],
  ];

  it.each(places)('at %s', (_place, configWith) => {
    const configs = values.map(configWith);
    expect(configs.filter(config => !validate(config) && !isRefused(config))).toEqual([]);
  });
});
