/**
 * What `new-plugin` writes; that it builds, tests itself and runs from packed packages is tried by .ci/packed-plugins.js.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, blocksOf } from './fixtures/doc-blocks';
import { record, scratchDirectory } from './fixtures/recorder';
import { PLUGIN_KINDS, writePlugin } from './new-plugin';

const root = JSON.parse(readFileSync(join(__dirname, '../../../package.json'), 'utf8')) as { readonly devDependencies: Record<string, string> };
const api = JSON.parse(readFileSync(join(__dirname, '../../api/package.json'), 'utf8')) as {
  readonly version: string;
  readonly dependencies: Record<string, string>;
};

describe.each(Object.keys(PLUGIN_KINDS))('a new %s', kind => {
  const { directory, files } = writePlugin('my-thing', kind, scratchDirectory());
  const read = (file: string): string => readFileSync(join(directory, file), 'utf8');

  it('is a package with a marker, scripts, settings, a README and a test', () => {
    expect(JSON.parse(read('package.json'))).toMatchObject({
      name: 'mmulab-plugin-my-thing',
      mmulab: { plugin: 'lib/plugin.js', api: 1 },
      scripts: { test: 'tsc && jest' },
    });
    expect(files).toEqual(expect.arrayContaining(['tsconfig.json', 'jest.config.js', 'README.md', '.gitignore', 'src/plugin.ts']));
    expect(files.filter(file => file.endsWith('.test.ts'))).toHaveLength(kind === 'backend' ? 2 : 1);
    expect(JSON.parse(read('tsconfig.json'))).toMatchObject({ compilerOptions: { experimentalDecorators: true } });
    expect(read('README.md')).toMatch(/^npx mmulab (run|compare) --plugin \. /m);
    expect(files.map(read).join('\n')).not.toMatch(/__[A-Z]+__/);
  });

  it('wants the libraries this version is tested with', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>;
    for (const [name, wanted] of Object.entries({ ...dependencies, ...devDependencies }))
      expect([name, wanted]).toEqual([name, name.startsWith('@mmulab/') ? api.version : (api.dependencies[name] ?? root.devDependencies[name])]);
  });
});

it.each([
  ['writing-a-backend', 'toy-direct', 'backend'],
  ['writing-a-workload', 'drop-and-read', 'workload'],
  ['writing-a-backing', 'swapped', 'backing'],
  ['writing-a-reporter', 'faults', 'reporter'],
  ['patches', 'split-early', 'patch'],
])('docs/%s.md shows what new-plugin %s writes, file by file', (page, name, kind) => {
  const { directory, files } = writePlugin(name, kind, scratchDirectory());
  const shown = blocksOf(readFileSync(join(ROOT, 'docs', `${page}.md`), 'utf8')).filter(({ language, info }) => language === 'ts' && info !== '');
  expect(shown.map(({ info }) => info).sort()).toEqual(files.filter(file => file.startsWith('src/')).sort());
  for (const { info, lines } of shown) expect(lines).toEqual(readFileSync(join(directory, info), 'utf8').trimEnd().split('\n'));
});

it.each([
  [['My-Mmu'], 'CLI_PLUGIN_NAME'],
  [['mmulab-plugin-x'], 'CLI_PLUGIN_NAME'],
  [['../x'], 'CLI_PLUGIN_NAME'],
  [['x', '--kind', 'backed'], 'CLI_BAD_CHOICE: --kind: backed \\(did you mean backend\\?\\)'],
])('new-plugin %j is refused with %s, and writes nothing', (argv, message) => {
  const before = process.cwd();
  const directory = scratchDirectory();
  process.chdir(directory);
  try {
    const { code, err } = record('new-plugin', ...argv);
    expect([code, err]).toEqual([2, expect.stringMatching(message)]);
    expect(existsSync(join(directory, 'mmulab-plugin-x'))).toBe(false);
  } finally {
    process.chdir(before);
  }
});

it('writes into no directory that holds something', () => {
  const parent = scratchDirectory();
  writePlugin('x', 'reporter', parent);
  expect(() => writePlugin('x', 'reporter', parent)).toThrow('CLI_DIRECTORY_IN_USE');
});
