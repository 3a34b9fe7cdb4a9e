import { Ajv } from 'ajv';
import { toyRegistry } from '../fixtures/registry';
import { configSchema } from './schema';

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
