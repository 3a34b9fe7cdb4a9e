import { join } from 'node:path';
import { codeOf, messageOf, writeFiles } from '../fixtures/registry';
import { loadConfigFile } from './load';

const write = (files: Readonly<Record<string, string>>, name = 'a.yaml'): string => join(writeFiles(files), name);

describe('a config file', () => {
  it('is YAML or JSON', () => {
    expect(loadConfigFile(write({ 'a.yaml': 'name: A\nvm: { vcpus: 2 }\n' }))).toEqual({ name: 'A', vm: { vcpus: 2 } });
    expect(loadConfigFile(write({ 'a.json': '{\n\t"name": "A",\n\t"seed": 2\n}' }, 'a.json'))).toEqual({ name: 'A', seed: 2 });
  });

  it('keeps the last digit of kernel 6.10', () => {
    expect(loadConfigFile(write({ 'a.yaml': 'backend: { kernel: 6.10 }\nvary: { kernel: [6.10, 6.2] }' }))).toEqual({
      backend: { kernel: '6.10' },
      vary: { kernel: ['6.10', 6.2] },
    });
  });

  it('may be empty', () => {
    expect(loadConfigFile(write({ 'a.yaml': '# nothing yet\n' }))).toEqual({});
  });

  it('that does not exist is refused', () => {
    expect(messageOf(() => loadConfigFile('nowhere/a.yaml'))).toBe('FILE_NOT_FOUND: nowhere/a.yaml: no such file; expected a config in YAML or JSON');
    expect(codeOf(() => loadConfigFile(writeFiles({})))).toBe('FILE_UNREADABLE');
  });

  it.each([
    ['an open list', 'name: A\nvm: [1\nseed: 2\n', ':3:1: '],
    ['a key given twice', 'name: A\nname: B\n', ':2:1: '],
    ['cut-off JSON', '{ "name": "A",\n  "vm": {', ':2:10: '],
    ['two documents', 'name: A\n---\nname: B\n', ':2:1: '],
  ])('with %s is refused with line and column', (_what, text, place) => {
    const path = write({ 'a.yaml': text });
    expect(messageOf(() => loadConfigFile(path))).toContain(`CONFIG_MALFORMED: ${path}${place}`);
  });

  it('that is a bomb of aliases is refused', () => {
    const bomb = `a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n${['b', 'c', 'd', 'e']
      .map((key, i) => {
        const alias = `*${'abcd'[i] ?? ''}`;
        return `${key}: &${key} [${Array<string>(10).fill(alias).join(', ')}]\n`;
      })
      .join('')}`;
    expect(codeOf(() => loadConfigFile(write({ 'a.yaml': bomb })))).toBe('CONFIG_MALFORMED');
  });

  it.each([
    ['a tag that nobody knows', 'vm: { vcpus: !count 2 }\n', 'CONFIG_MALFORMED', 'Unresolved tag: !count'],
    ['a date', '%YAML 1.1\n---\nhost: 2001-01-01\n', 'CONFIG_WRONG_TYPE', 'host: "Date"'],
    ['a set', 'backend: { options: !!set { cmo } }\n', 'CONFIG_WRONG_TYPE', 'backend.options: "Set"'],
    ['binary data', '%YAML 1.1\n---\nname: !!binary aGk=\n', 'CONFIG_WRONG_TYPE', 'name: '],
    ['an anchor that contains itself', 'plugins: &a [x, *a]\n', 'CONFIG_MALFORMED', 'plugins.1: an anchor that contains itself'],
    ['an anchor that contains itself as a map', 'host: &a { vendor: *a }\n', 'CONFIG_MALFORMED', 'host.vendor: an anchor that contains itself'],
    ['lists in lists, 100,000 deep', `workload: ${'['.repeat(100_000)}${']'.repeat(100_000)}\n`, 'CONFIG_MALFORMED', ''],
    ['maps in maps, 100 deep', `workload: ${'{a: '.repeat(100)}${'}'.repeat(100)}\n`, 'CONFIG_MALFORMED', 'more than 64 levels deep'],
    ['more than 1 MiB', `vary: { seed: [${'1,'.repeat(1_000_000)}1] }\n`, 'CONFIG_TOO_LARGE', 'at most 1M'],
    ['more than 300,000 words', `vary: { seed: [${'1,'.repeat(400_000)}1] }\n`, 'CONFIG_TOO_LARGE', 'at most 300000 words'],
    [
      'maps in maps, 1,200 deep, line by line',
      `${Array.from({ length: 1200 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')} 1\n`,
      'CONFIG_MALFORMED',
      'more than 64 levels deep',
    ],
    ['lists in lists, 100,000 deep, in dashes', `workload:\n  ${'- '.repeat(100_000)}x\n`, 'CONFIG_MALFORMED', 'more than 64 levels deep'],
    ['an unknown key with nothing after it', 'bakend:\n', 'CONFIG_UNKNOWN_KEY', 'backend?'],
    ['an unknown key', 'vm: { vcpu: 2 }\n', 'CONFIG_UNKNOWN_KEY', 'a.yaml: vm.vcpu'],
  ])('with %s is refused', (_what, text, code, part) => {
    const path = write({ 'a.yaml': text });
    expect(codeOf(() => loadConfigFile(path))).toBe(code);
    expect(messageOf(() => loadConfigFile(path))).toContain(part);
  });

  it('may repeat an anchor', () => {
    expect(loadConfigFile(write({ 'a.yaml': 'vary: { vcpus: &a [1, 2] }\nzip: { seed: *a }\n' }))).toEqual({
      vary: { vcpus: [1, 2] },
      zip: { seed: [1, 2] },
    });
  });

  it('that is a device without an end is refused', () => {
    expect(codeOf(() => loadConfigFile('/dev/zero'))).toBe('CONFIG_TOO_LARGE');
  });

  it('that is no map is refused', () => {
    expect(codeOf(() => loadConfigFile(write({ 'a.yaml': '- name: A\n' })))).toBe('CONFIG_WRONG_TYPE');
  });
});

describe('extends', () => {
  it('lays the config over the others: maps merge, lists and values replace, null takes away', () => {
    const path = write({
      'a.yaml': 'extends: [base/one.yaml, two.yaml]\nbackend: { options: { cmo: abort } }\nvm: null\nvary: { kernel: [6.1] }\n',
      'base/one.yaml': 'name: one\nbackend: { name: toy-mmu, options: { cmo: walker, npt: N } }\nvary: { kernel: [6.2, 6.4] }\n',
      'two.yaml': 'name: two\nvm: { vcpus: 2 }\n',
    });
    expect(loadConfigFile(path)).toEqual({ name: 'two', backend: { name: 'toy-mmu', options: { cmo: 'abort', npt: 'N' } }, vary: { kernel: [6.1] } });
  });

  it('takes a string for the name or command it stands for', () => {
    const path = write({
      'a.yaml': 'extends: base.yaml\nbackend: { kernel: 6.2 }\nworkload: { options: { vcpus: 2 } }\n',
      'base.yaml': 'backend: toy-mmu\nworkload: toy_test -b 1M\n',
    });
    expect(loadConfigFile(path)).toEqual({
      backend: { name: 'toy-mmu', kernel: 6.2 },
      workload: { command: 'toy_test -b 1M', options: { vcpus: 2 } },
    });
  });

  it('adds up plugins, their paths seen from the config that is run', () => {
    const path = write({ 'a.yaml': 'extends: base/b.yaml\nplugins: [./mine]\n', 'base/b.yaml': 'plugins: [./theirs, named]\n' });
    expect(loadConfigFile(path).plugins).toEqual(['./base/theirs', 'named', './mine']);
  });

  it('of itself is refused, directly or through others', () => {
    expect(messageOf(() => loadConfigFile(write({ 'a.yaml': 'extends: a.yaml\n' })))).toBe(
      'CONFIG_EXTENDS_CYCLE: a.yaml: the config extends itself: a.yaml -> a.yaml',
    );
    const path = write({ 'a.yaml': 'extends: sub/b.yaml\n', 'sub/b.yaml': 'extends: ../c.yaml\n', 'c.yaml': 'extends: sub/b.yaml\n' });
    expect(messageOf(() => loadConfigFile(path))).toContain('sub/b.yaml -> c.yaml -> sub/b.yaml');
  });

  it('of the same config twice is no circle', () => {
    const path = write({ 'a.yaml': 'extends: [b.yaml, c.yaml]\n', 'b.yaml': 'extends: c.yaml\n', 'c.yaml': 'name: c\n' });
    expect(loadConfigFile(path)).toEqual({ name: 'c' });
  });

  it('of what is no path, or does not exist, is refused', () => {
    expect(codeOf(() => loadConfigFile(write({ 'a.yaml': 'extends: 5\n' })))).toBe('CONFIG_WRONG_TYPE');
    expect(codeOf(() => loadConfigFile(write({ 'a.yaml': 'extends: b.yaml\n' })))).toBe('FILE_NOT_FOUND');
  });

  it('of a command line replaces the whole workload', () => {
    const base = 'workload: { name: toy_test, options: { vcpus: 2 } }\n';
    const load = (child: string): unknown => loadConfigFile(write({ 'a.yaml': `extends: base.yaml\n${child}\n`, 'base.yaml': base })).workload;
    expect(load('workload: toy_test -b 1M')).toBe('toy_test -b 1M');
    expect(load('workload: { command: toy_test }')).toEqual({ command: 'toy_test' });
    expect(load('workload: { options: { bytes: 1M } }')).toEqual({ name: 'toy_test', options: { vcpus: 2, bytes: '1M' } });
  });

  it('names the file that is wrong', () => {
    const path = write({ 'a.yaml': 'extends: base.yaml\nvm: null\n', 'base.yaml': 'vm: { vcpu: 2 }\n' });
    expect(messageOf(() => loadConfigFile(path))).toMatch(/^CONFIG_UNKNOWN_KEY: .*base\.yaml: vm\.vcpu: /);
  });

  it('may be a chain of 3,000', () => {
    const files = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`${i}.yaml`, i === 2999 ? 'name: last\n' : `extends: ${i + 1}.yaml\n`]));
    expect(loadConfigFile(write(files, '0.yaml'))).toEqual({ name: 'last' });
    const circle = write({ ...files, '2999.yaml': 'extends: 0.yaml\n' }, '0.yaml');
    expect(messageOf(() => loadConfigFile(circle))).toMatch(
      /^CONFIG_EXTENDS_CYCLE: .*0\.yaml -> 1\.yaml -> 2\.yaml -> 2995 more -> .*2999\.yaml -> 0\.yaml$/,
    );
  });

  it('may be a diamond 24 deep, whose files are read once each', () => {
    const level = (i: number): string => (i === 24 ? 'name: bottom\n' : `extends: [a${i + 1}.yaml, b${i + 1}.yaml]\n`);
    const files = Object.fromEntries(Array.from({ length: 25 }, (_, i) => i).flatMap(i => ['a', 'b'].map(side => [`${side}${i}.yaml`, level(i)])));
    expect(loadConfigFile(write(files, 'a0.yaml'))).toEqual({ name: 'bottom' });
  });
});
