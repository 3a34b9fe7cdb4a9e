import type { Registry } from '@mmulab/runner';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { registry, scratch } from './fixtures/scratch';
import { fingerprintOf, identityDifferences, identityOf } from './identity';

/** A copy of the plugin that dies, with something changed. */
function changed(change: (directory: string) => void): string {
  const directory = join(scratch(), 'mortal');
  cpSync(join(__dirname, 'fixtures', 'mortal'), directory, { recursive: true });
  change(directory);
  return directory;
}

const versionOf = (directory: string): string | undefined => {
  const fake = { plugins: () => [{ name: 'mmulab-plugin-mortal', path: directory, brings: [] }] } as unknown as Registry;
  return identityOf(fake)['mmulab-plugin-mortal'];
};

describe('the identity of runs', () => {
  it('names the engine, what it is built on, and every plugin', () => {
    const identity = identityOf(registry);
    expect(Object.keys(identity)).toEqual(
      expect.arrayContaining(['@mmulab/api', '@mmulab/pgtable', '@mmulab/runner', '@mmulab/workloads', '@mmulab/x86', 'mmulab-plugin-mortal']),
    );
    expect(Object.values(identity).every(version => /^\d+\.\d+\.\d+\+[0-9a-f]{12}$/.test(version))).toBe(true);
    expect(identityOf(registry)).toEqual(identity);
  });

  it('changes with the code and the data of a plugin, and not with its tests or prose', () => {
    const plain = versionOf(changed(() => undefined));
    const other = (name: string, text: string): string | undefined =>
      versionOf(
        changed(directory => {
          mkdirSync(join(directory, 'models'), { recursive: true });
          writeFileSync(join(directory, name), text);
        }),
      );
    expect(other('README.md', '# other')).toBe(plain);
    expect(other('plugin.test.js', 'other')).toBe(plain);
    expect(other('helper.js', 'other')).not.toBe(plain);
    expect(other('models/a.yaml', 'other: 1')).not.toBe(plain);
  });

  it('tells two apart by name', () => {
    const [here, there] = [
      { a: '1', b: '1' },
      { a: '1', b: '2', c: '1' },
    ];
    expect(identityDifferences(here, there)).toEqual(['b is 1 here and 2 there', 'c is not installed here and 1 there']);
    expect(identityDifferences(here, here)).toEqual([]);
    expect(fingerprintOf(here)).not.toBe(fingerprintOf(there));
  });
});
