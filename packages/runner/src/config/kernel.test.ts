import type { BackendDefinition } from '@mmulab/api';
import { toyBackend } from '../fixtures/toy/toy-mmu';
import { codeOf, messageOf } from '../fixtures/registry';
import { resolveKernel } from './kernel';

const resolve = (kernel: string | number | undefined, definition: BackendDefinition = toyBackend): string =>
  resolveKernel(definition, kernel, 'backend.kernel').name;
const noteOf = (kernel: string): string | undefined => resolveKernel(toyBackend, kernel, 'backend.kernel').note;

describe('a kernel', () => {
  it('that has a profile is that profile, without a note', () => {
    expect([resolve('6.1.192'), resolve(6.1), resolve('v6.1'), noteOf('6.1')]).toEqual(['6.1.192', '6.1', '6.1', undefined]);
  });

  it('that is not named is the newest profile', () => {
    expect(resolve(undefined)).toBe('6.10');
    expect(resolve(undefined, { ...toyBackend, profiles: [] })).toBe('default');
  });

  it.each([
    ['6.1.50', '6.1'],
    ['6.1.193', '6.1.192'],
    ['6.2', '6.1.192'],
    ['6.9.7', '6.1.192'],
    ['6.10.3', '6.10'],
    ['7.0', '6.10'],
    ['5.10.201', '5.10.200'],
    ['5.99', '5.10.200'],
    ['5.10', '5.10.200'],
    ['4.19', '5.10.200'],
  ])('%s of a backend without switches counts as a profile, %s, and name and note say so', (kernel, profile) => {
    expect(resolve(kernel)).toBe(`${kernel} (as ${profile})`);
    expect(noteOf(kernel)).toBe(`backend.kernel: ${kernel} is no profile of toy-mmu: counted as ${profile}`);
    expect(resolve(resolve(kernel))).toBe(resolve(kernel));
  });

  it.each(['latest', '6', '6.x', '', '6.1.192-rc1', '-6.1', '6.1.1.1', 6, -6.1, NaN, 1e300])('%p is refused', kernel => {
    expect(codeOf(() => resolve(kernel))).toBe('CONFIG_UNKNOWN_KERNEL');
  });

  it('that is nearly a profile gets it suggested', () => {
    expect(messageOf(() => resolve('6.1.x92'))).toContain('(did you mean 6.1.192?)');
  });
});

describe('a kernel of a backend that names the release of each switch', () => {
  const table: BackendDefinition = {
    ...toyBackend,
    profiles: [
      { name: '5.10.200', doc: 'The oldest.', values: { cmo: 'abort', ratio: 10 } },
      { name: '6.12', doc: 'The newest.', values: { cmo: 'walker', ratio: 30 } },
    ],
    switches: [
      { option: 'cmo', first: 'abort', changes: [{ since: '5.14', value: 'walker', basis: 'reference' }] },
      {
        option: 'ratio',
        first: 10,
        changes: [
          { since: '6.2', backports: ['6.1.80', '5.15.150'], value: 20, basis: 'measured' },
          { backports: ['6.6.3'], value: 25, basis: 'judgement' },
          { since: '6.9', value: 30, basis: 'reference' },
        ],
      },
    ],
  };

  it.each([
    ['5.10.1', 'abort', 10],
    ['5.13', 'abort', 10],
    ['5.14', 'walker', 10],
    ['5.15.149', 'walker', 10],
    ['5.15.150', 'walker', 20],
    ['6.0', 'walker', 10],
    ['6.1.79', 'walker', 10],
    ['6.1.80', 'walker', 20],
    ['6.6', 'walker', 20],
    ['6.6.3', 'walker', 25],
    ['6.7', 'walker', 20],
    ['v6.9', 'walker', 30],
    ['6.12.7', 'walker', 30],
  ])('takes each switch at its own release: %s has %s and %i', (kernel, cmo, ratio) => {
    const { name, values, note } = resolveKernel(table, kernel, 'backend.kernel');
    expect([name, values.cmo, values.ratio, note]).toEqual([kernel.replace('v', ''), cmo, ratio, undefined]);
  });

  it.each([
    ['4.19', '5.10.200'],
    ['5.9.7', '5.10.200'],
    ['6.13', '6.12'],
    ['7.0.1', '6.12'],
  ])('outside the known series counts as the profile at that end: %s as %s, and name and note say so', (kernel, profile) => {
    const { name, note } = resolveKernel(table, kernel, 'backend.kernel');
    expect(name).toBe(`${kernel} (as ${profile})`);
    expect(note).toBe(`backend.kernel: ${kernel} lies outside the releases that toy-mmu knows: counted as ${profile}`);
  });
});
