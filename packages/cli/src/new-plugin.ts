/**
 * Writes a new plugin package: what it brings in its smallest useful form, with tests, that installs, builds and runs outside this checkout.
 *
 * The files lie under templates/, `common` and one folder per kind, with names in double underscores where the plugin's own go.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { makeOutputDirectory, writeOutputFile } from '@mmulab/runner';
import { badChoice, badPluginName, directoryInUse } from './errors';
import { version } from './version';

/** What a kind of plugin needs, and how it is tried. */
interface Kind {
  readonly what: string;
  /** Packages of ours beside the api, at run time and for its tests. */
  readonly uses: readonly string[];
  readonly tests: readonly string[];
  /** Arguments of `mmulab` that show it at work. */
  readonly run: string;
  readonly files: readonly string[];
}

const RUN = ['runner', 'workloads', 'x86'];

/** Kinds of plugins by name, the default first. */
export const PLUGIN_KINDS: Readonly<Record<string, Kind>> = {
  backend: {
    what: 'A second-stage MMU',
    uses: ['kvm', 'pgtable'],
    tests: ['testkit'],
    run: 'run --plugin . --backend __NAME__ -- dirty_log_perf_test -b 4M -s anonymous_hugetlb_2mb',
    files: [
      '`src/definition.ts`: kernels, options and counters, as data.',
      '`src/rules.ts`: what happens to one entry, and by which atomic steps.',
      '`src/mmu.ts`: the VM around them. `src/mmu.test.ts` holds it to the conformance suite, `src/laws.test.ts` to the laws.',
    ],
  },
  workload: {
    what: 'A test',
    uses: ['workloads'],
    tests: ['runner', 'x86'],
    run: 'run --plugin . -- __SNAKE__ -v 2 -b 4M',
    files: ['`src/workload.ts`: options, flags, and the plan: who touches which pages in which phase.'],
  },
  backing: {
    what: 'A kind of host memory',
    uses: [],
    tests: RUN,
    run: 'run --plugin . -- access_rounds -b 1M -s __SNAKE__ -p r,w,Z,w',
    files: ['`src/backing.ts`: what a host fault makes of a page, state by state.'],
  },
  reporter: {
    what: 'An output format',
    uses: [],
    tests: RUN,
    run: 'run --plugin . --format __NAME__ -- execute_perf_test -b 4M',
    files: ['`src/reporter.ts`: from a report to text.'],
  },
  patch: {
    what: 'A patch of a built-in backend',
    uses: ['x86'],
    tests: ['runner', 'workloads'],
    run: 'compare --plugin . --kernel 6.1 --set nx_huge_pages=Y --vary patch=none,__NAME__ -- execute_perf_test -b 4M -s anonymous_hugetlb_2mb',
    files: ['`src/patched.ts`: the rule with another answer. `src/plugin.ts` puts it in the place of the backend’s own.'],
  },
};

/** What else packages need, as this project has it. */
const LIBRARIES = { inversify: '7.11.0', 'reflect-metadata': '0.2.2' };
const TOOLS = { '@types/jest': '30.0.0', '@types/node': '20.19.43', jest: '30.5.2', typescript: '6.0.3' };

const TEMPLATES = join(__dirname, '..', 'templates');
const ENDING = '.tmpl';

/**
 * Writes a package.
 * @param name lower-case words with hyphens; the package is called mmulab-plugin-NAME, and so is its directory
 * @param parent directory to make it in
 * @returns the directory, and the paths written in it
 * @throws CLI_PLUGIN_NAME, CLI_BAD_CHOICE for another kind, CLI_DIRECTORY_IN_USE; FILE_UNWRITABLE
 */
export function writePlugin(name: string, kindName: string, parent: string): { readonly directory: string; readonly files: readonly string[] } {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) || name.startsWith('mmulab-plugin')) throw badPluginName(name);
  const kind = Object.hasOwn(PLUGIN_KINDS, kindName) ? PLUGIN_KINDS[kindName] : undefined;
  if (kind === undefined) throw badChoice('--kind', kindName, Object.keys(PLUGIN_KINDS));
  const directory = join(parent, `mmulab-plugin-${name}`);
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true && readdirSync(directory).length > 0) throw directoryInUse(directory);
  const files = new Map([['package.json', manifest(name, kind)], ...templatesOf('common'), ...templatesOf(kindName)]);
  const words = wordsOf(name, kind);
  for (const [file, text] of files) {
    const path = join(directory, file);
    makeOutputDirectory(join(path, '..'));
    writeOutputFile(path, [text.replace(/__([A-Z]+)__/g, (whole, word: string) => words[word] ?? whole)]);
  }
  return { directory, files: [...files.keys()] };
}

/** Files of a folder of templates, by the paths they are to have. */
function templatesOf(folder: string): readonly (readonly [path: string, text: string])[] {
  const root = join(TEMPLATES, folder);
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith(ENDING));
  return names.sort().map(name => {
    // Packages leave out what is called a test, so templates of tests are not.
    const path = name
      .slice(0, -ENDING.length)
      .split(sep)
      .join('/')
      .replace(/-test\.ts$/, '.test.ts');
    return [path === 'gitignore' ? '.gitignore' : path, readFileSync(join(root, name), 'utf8')];
  });
}

function wordsOf(name: string, { what, run, files }: Kind): Readonly<Record<string, string>> {
  const snake = name.replaceAll('-', '_');
  const own = (text: string): string => text.replaceAll('__NAME__', name).replaceAll('__SNAKE__', snake);
  const words = name.split('-').map(word => word.charAt(0).toUpperCase() + word.slice(1));
  return {
    NAME: name,
    SNAKE: snake,
    CLASS: words.join(''),
    PACKAGE: `mmulab-plugin-${name}`,
    WHAT: what,
    RUN: `npx mmulab ${own(run)}`,
    FILES: files.map(line => `- ${line}`).join('\n'),
  };
}

function manifest(name: string, { what, uses, tests }: Kind): string {
  const ours = (names: readonly string[]): Record<string, string> => Object.fromEntries(names.map(one => [`@mmulab/${one}`, version()]));
  const sorted = (map: Record<string, string>): Record<string, string> =>
    Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
  const document = {
    name: `mmulab-plugin-${name}`,
    version: '0.1.0',
    description: `${what} of mmulab.`,
    main: 'lib/plugin.js',
    types: 'lib/plugin.d.ts',
    files: ['lib', '!**/*.test.*'],
    engines: { node: '>=20' },
    mmulab: { plugin: 'lib/plugin.js', api: 1 },
    scripts: { build: 'tsc', test: 'tsc && jest', prepare: 'tsc' },
    dependencies: sorted({ ...ours(['api', ...uses]), ...LIBRARIES }),
    devDependencies: sorted({ ...ours(['cli', ...tests]), ...TOOLS }),
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}
