import type { OptionSpec, OptionValue } from '@mmulab/api';
import { codeOf, messageOf } from '../fixtures/registry';
import { expectedValue, readOption, readOptions } from './option-values';

const doc = 'An option.';
const specs = {
  flag: { kind: 'flag', name: 'flag', default: 'N', doc, aliases: ['alias'] },
  choice: { kind: 'choice', name: 'choice', choices: ['zap', 'split', '6.1', '6.12'], default: 'zap', doc },
  feature: { kind: 'choice', name: 'feature', choices: ['cpu', 'Y', 'N'], default: 'cpu', doc },
  spelled: { kind: 'choice', name: 'spelled', choices: ['Y', 'N', 'auto'], synonyms: { force: 'Y', off: 'N' }, default: 'N', doc },
  integer: { kind: 'number', name: 'integer', default: 1, min: 1, max: 512, integer: true, doc },
  number: { kind: 'number', name: 'number', default: 0, min: -1, max: 1, integer: false, doc },
  period: { kind: 'number', name: 'period', default: 0, min: 0, max: 3600000, integer: false, unit: 'ms', doc },
  size: { kind: 'size', name: 'size', default: 4096, min: 1, max: 2 ** 44, doc },
  text: { kind: 'text', name: 'text', default: 'w', pattern: '^[a-z,]+$', expected: 'letters and commas', doc },
  switch: { kind: 'switch', name: 'switch', default: false, doc },
} as const satisfies Record<string, OptionSpec>;

const read = (spec: keyof typeof specs, value: unknown): OptionValue => readOption(specs[spec], value, 'at');

describe('values that are accepted', () => {
  it.each<[keyof typeof specs, unknown, OptionValue]>([
    ['flag', 'Y', 'Y'],
    ['flag', 'n', 'N'],
    ['flag', true, 'Y'],
    ['flag', 'off', 'N'],
    ['flag', 1, 'Y'],
    ['switch', 'true', true],
    ['switch', false, false],
    ['switch', 'N', false],
    ['choice', 'split', 'split'],
    ['choice', 6.1, '6.1'],
    ['feature', true, 'Y'],
    ['feature', false, 'N'],
    ['feature', 'cpu', 'cpu'],
    ['feature', 'on', 'Y'],
    ['spelled', 'force', 'Y'],
    ['spelled', 'off', 'N'],
    ['spelled', 'auto', 'auto'],
    ['spelled', 0, 'N'],
    ['spelled', '1', 'Y'],
    ['integer', 512, 512],
    ['integer', '16', 16],
    ['integer', '1.0', 1],
    ['number', '-0.5', -0.5],
    ['period', '2s', 2000],
    ['period', '250us', 0.25],
    ['period', 60000, 60000],
    ['size', '16M', 2 ** 24],
    ['size', '0x200000', 2 ** 21],
    ['size', '0x10K', 2 ** 14],
    ['size', '16T', 2 ** 44],
    ['size', 4096, 4096],
    ['size', '4096', 4096],
    ['size', '2GiB', 2 ** 31],
    ['text', 'w,r', 'w,r'],
  ])('%s: %p means %p', (spec, value, expected) => {
    expect(read(spec, value)).toBe(expected);
  });
});

describe('values that are refused', () => {
  it.each<[keyof typeof specs, unknown, string]>([
    ['flag', 'maybe', 'CONFIG_WRONG_TYPE'],
    ['flag', 2, 'CONFIG_WRONG_TYPE'],
    ['flag', null, 'CONFIG_WRONG_TYPE'],
    ['switch', 'perhaps', 'CONFIG_WRONG_TYPE'],
    ['choice', 'splitt', 'CONFIG_WRONG_TYPE'],
    ['choice', true, 'CONFIG_WRONG_TYPE'],
    ['integer', 0, 'CONFIG_OUT_OF_RANGE'],
    ['integer', -1, 'CONFIG_OUT_OF_RANGE'],
    ['integer', '-1', 'CONFIG_OUT_OF_RANGE'],
    ['integer', 513, 'CONFIG_OUT_OF_RANGE'],
    ['integer', 1.5, 'CONFIG_OUT_OF_RANGE'],
    ['integer', 1e300, 'CONFIG_OUT_OF_RANGE'],
    ['integer', '999999999999999999999999', 'CONFIG_OUT_OF_RANGE'],
    ['integer', Infinity, 'CONFIG_OUT_OF_RANGE'],
    ['integer', NaN, 'CONFIG_WRONG_TYPE'],
    ['integer', '0x10', 'CONFIG_WRONG_TYPE'],
    ['integer', '1e3', 'CONFIG_WRONG_TYPE'],
    ['integer', '', 'CONFIG_WRONG_TYPE'],
    ['integer', '5 apples', 'CONFIG_WRONG_TYPE'],
    ['integer', [1], 'CONFIG_WRONG_TYPE'],
    ['integer', { a: 1 }, 'CONFIG_WRONG_TYPE'],
    ['integer', '2s', 'CONFIG_WRONG_TYPE'],
    ['integer', true, 'CONFIG_WRONG_TYPE'],
    ['size', 0, 'CONFIG_OUT_OF_RANGE'],
    ['size', '0', 'CONFIG_OUT_OF_RANGE'],
    ['size', '-4K', 'CONFIG_OUT_OF_RANGE'],
    ['size', '17T', 'CONFIG_OUT_OF_RANGE'],
    ['size', '99999999999999T', 'CONFIG_OUT_OF_RANGE'],
    ['size', 4096.5, 'CONFIG_OUT_OF_RANGE'],
    ['size', '1.5G', 'CONFIG_WRONG_TYPE'],
    ['size', '4X', 'CONFIG_WRONG_TYPE'],
    ['size', '', 'CONFIG_WRONG_TYPE'],
    ['text', 'W!', 'CONFIG_OUT_OF_RANGE'],
    ['text', false, 'CONFIG_WRONG_TYPE'],
  ])('%s: %p with %s', (spec, value, code) => {
    expect(codeOf(() => read(spec, value))).toBe(code);
  });

  it('say what was given and what was expected', () => {
    expect(messageOf(() => read('integer', 513))).toBe('CONFIG_OUT_OF_RANGE: at: 513: expected a whole number from 1 to 512');
    expect(messageOf(() => read('size', '17T'))).toBe('CONFIG_OUT_OF_RANGE: at: "17T": expected a size from 1 to 16T, such as 64K, 16M, 1G');
    expect(messageOf(() => read('choice', 'splitt'))).toBe(
      'CONFIG_WRONG_TYPE: at: "splitt": expected one of zap, split, 6.1, 6.12 (did you mean split?)',
    );
  });
});

describe('all options of an owner', () => {
  const all: readonly OptionSpec[] = Object.values(specs);

  it('are defaults, then the profile, then the user', () => {
    const values = readOptions(all, { integer: 2, size: 8192 }, { size: '1M' }, 'toy', 'options');
    expect(values).toMatchObject({ flag: 'N', integer: 2, size: 2 ** 20, switch: false });
  });

  it('may be given by an alias, but not twice with different values', () => {
    expect(readOptions(all, {}, { alias: 'Y' }, 'toy', 'options')['flag']).toBe('Y');
    expect(readOptions(all, {}, { alias: 'Y', flag: true }, 'toy', 'options')['flag']).toBe('Y');
    expect(codeOf(() => readOptions(all, {}, { alias: 'Y', flag: 'N' }, 'toy', 'options'))).toBe('CONFIG_CONFLICT');
  });

  it('may have a default that hangs on what else was given: on nothing but that', () => {
    const [flag, feature] = [specs.flag, specs.feature];
    const hanging: readonly OptionSpec[] = [{ ...flag, defaultWhen: { option: 'feature', value: 'N', default: 'Y' } }, feature];
    const flagOf = (user: Readonly<Record<string, unknown>>, profile = {}): unknown => readOptions(hanging, profile, user, 'toy', 'options')['flag'];
    expect([flagOf({ feature: 'N' }), flagOf({ feature: 'Y' }), flagOf({ feature: 'N', alias: 'N' }), flagOf({}, { feature: 'N' })]).toEqual([
      'Y',
      'N',
      'N',
      'N',
    ]);
  });

  it('refuse names they do not have', () => {
    expect(messageOf(() => readOptions(all, {}, { intger: 1 }, 'toy', 'options'))).toBe(
      'CONFIG_UNKNOWN_OPTION: options.intger: not an option of toy (did you mean integer?)',
    );
    expect(codeOf(() => readOptions(all, {}, JSON.parse('{ "__proto__": 1 }') as Record<string, unknown>, 'toy', 'options'))).toBe(
      'CONFIG_UNKNOWN_OPTION',
    );
  });

  it('are described in words', () => {
    expect(all.map(expectedValue)).toEqual([
      'Y or N',
      'one of zap, split, 6.1, 6.12',
      'one of cpu, Y, N',
      'one of Y, N, auto (force for Y, off for N)',
      'a whole number from 1 to 512',
      'a number from -1 to 1',
      'a number from 0 to 3600000 (ms)',
      'a size from 1 to 16T, such as 64K, 16M, 1G',
      'letters and commas',
      'true or false',
    ]);
  });
});
