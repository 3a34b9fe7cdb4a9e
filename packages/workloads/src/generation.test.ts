import type { OptionValues } from '@mmulab/api';
import { codeOf } from './fixtures/code-of';
import { Family, generationOfKernel, resolveSelftest, type FamilyOptions } from './generation';

const OWN: FamilyOptions = { [Family.Older]: { fraction: 1 }, [Family.Newer]: { percent: 100 } };
const test = (options: OptionValues, kernel?: string): string => {
  const { generation, isNewer } = resolveSelftest('t', { selftest: 'kernel', fraction: 1, percent: 100, ...options }, kernel, OWN);
  return `${generation} ${isNewer ? 'newer' : 'older'}`;
};

describe('the generation of a test', () => {
  it.each([
    ['5.10.223', '5.12'],
    ['5.13', '5.12'],
    ['5.16.20', '5.12'],
    ['5.17', '6.1'],
    ['6.1.176', '6.1'],
    ['6.2', '6.2'],
    ['6.7.9', '6.2'],
    ['6.8', '6.8'],
    ['6.12.107', '6.12'],
    ['8.1 (as 7.3)', '6.12'],
    ['default', '6.1'],
    [undefined, '6.1'],
  ])('of kernel %s is that of %s', (kernel, generation) => {
    expect(generationOfKernel(kernel)).toBe(generation);
    expect(test({}, kernel)).toBe(`${generation} older`);
  });

  it('is the kernel’s as far as the options given allow', () => {
    expect([test({ percent: 10 }, '6.5'), test({ percent: 10 }, '6.1'), test({ percent: 10 }, '7.3')]).toEqual([
      '6.2 newer',
      '6.2 newer',
      '6.12 newer',
    ]);
    expect([test({ fraction: 20 }, '5.13'), test({ fraction: 20 }, '6.1'), test({ fraction: 20 }, '7.3')]).toEqual([
      '5.12 older',
      '6.1 older',
      '6.1 older',
    ]);
    expect([test({ selftest: 'since-6.2' }, '6.5'), test({ selftest: 'until-6.1' }, '6.5')]).toEqual(['6.2 newer', '6.1 older']);
  });

  it('is the one asked for, unless the options given rule it out', () => {
    expect(['5.12', '6.1', '6.2', '6.8', '6.12'].map(selftest => test({ selftest }, '5.13'))).toEqual([
      '5.12 older',
      '6.1 older',
      '6.2 newer',
      '6.8 newer',
      '6.12 newer',
    ]);
    expect([test({ selftest: '6.1', percent: 10 }, '6.5'), test({ selftest: '6.8', fraction: 20 }, '6.5')]).toEqual(['6.12 newer', '6.1 older']);
  });

  it('cannot be of both sides', () => {
    expect(codeOf(() => test({ percent: 10, fraction: 20 }))).toBe('WORKLOAD_OPTION_CONFLICT');
  });
});
