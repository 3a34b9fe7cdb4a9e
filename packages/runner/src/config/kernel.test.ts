import type { BackendDefinition } from '@mmulab/api';
import { toyBackend } from '../fixtures/toy/toy-mmu';
import { codeOf, messageOf } from '../fixtures/registry';
import { resolveKernel } from './kernel';

const resolve = (kernel: string | number | undefined, definition: BackendDefinition = toyBackend): string =>
  resolveKernel(definition, kernel, 'backend.kernel').profile.name;
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
  ])('%s is the nearest earlier profile, %s, and a note says so', (kernel, profile) => {
    expect(resolve(kernel)).toBe(profile);
    expect(noteOf(kernel)).toBe(`backend.kernel: ${kernel} is no profile of toy-mmu: taken as ${profile}, the nearest earlier one`);
  });

  it('that is a series without a profile of that name is its first one, and a note says so', () => {
    expect([resolve('5.10'), resolve('v5.10'), resolve('6.1')]).toEqual(['5.10.200', '5.10.200', '6.1']);
    expect(noteOf('5.10')).toBe('backend.kernel: 5.10 is no profile of toy-mmu: taken as 5.10.200, the first of its series');
  });

  it('older than all profiles is refused, with the list of them', () => {
    expect(messageOf(() => resolve('5.10.199'))).toContain('older than all of them (known: 5.10.200, 6.1, 6.1.192, 6.10)');
    expect(codeOf(() => resolve('4.19'))).toBe('CONFIG_UNKNOWN_KERNEL');
  });

  it.each(['latest', '6', '6.x', '', '6.1.192-rc1', '-6.1', '6.1.1.1', 6, -6.1, NaN, 1e300])('%p is refused', kernel => {
    expect(codeOf(() => resolve(kernel))).toBe('CONFIG_UNKNOWN_KERNEL');
  });

  it('that is nearly a profile gets it suggested', () => {
    expect(messageOf(() => resolve('6.1.x92'))).toContain('(did you mean 6.1.192?)');
  });
});
