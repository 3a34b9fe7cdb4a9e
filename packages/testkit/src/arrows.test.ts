/**
 * The arrows between the packages, held against arrows.json: `imports` is what a package may import and depends on, `loads` what it depends on
 * and loads by name without importing, `tests` its development dependencies. Every package.json, every tsconfig reference and every import
 * statement is compared, and each offence is named as file:line. A row whose package is not there is passed over; a package without a row is an
 * offence.
 *
 * The files of a page for browsers (in a folder `page`) are bundled when they are built, so what they import is a development dependency; `bundles` names packages of this
 * project that are bundled with a page.
 * Tests may beside that import the testkit and their own package by name: they meet packages as users do, built.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join, posix, relative, resolve, sep } from 'node:path';
import ts from 'typescript';

interface Row {
  readonly imports: readonly string[];
  readonly loads?: readonly string[];
  readonly tests?: readonly string[];
  readonly bundles?: readonly string[];
}

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface ReferencingConfig {
  readonly references?: readonly { readonly path: string }[];
}

const root = resolve(__dirname, '../../..');
const scope = '@mmulab/';

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const parse = <T>(file: string): T => JSON.parse(read(file)) as T;

const packages = readdirSync(join(root, 'packages')).filter(name => existsSync(join(root, 'packages', name, 'package.json')));
const arrows = parse<Record<string, Row>>('packages/testkit/arrows.json');
const rootManifest = parse<Manifest>('package.json');

const present = (names: readonly string[] = []): string[] => names.filter(name => packages.includes(name));

/** `file:line` of the first occurrence of `what` in the file's text, line 1 when it does not occur. */
function lineOf(file: string, text: string, what: string): string {
  const at = text.indexOf(what);
  return `${file}:${at < 0 ? 1 : text.slice(0, at).split('\n').length}`;
}

/** One offence per name that is in only one of the two lists; `file` holds `found`, each name quoted as `quote` writes it. */
function compare(file: string, kind: string, found: readonly string[], wanted: readonly string[], quote: (name: string) => string): string[] {
  const text = read(file);
  const extra = found.filter(name => !wanted.includes(name)).map(name => `${lineOf(file, text, quote(name))}: ${kind} ${name} is not in arrows.json`);
  const missing = wanted.filter(name => !found.includes(name)).map(name => `${file}:1: ${kind} ${name} is missing, arrows.json has it`);
  return [...extra, ...missing];
}

const ours = (dependencies: Readonly<Record<string, string>> = {}): string[] =>
  Object.keys(dependencies)
    .filter(name => name.startsWith(scope))
    .map(name => name.slice(scope.length));

function manifestOffences(name: string, row: Row): string[] {
  const file = `packages/${name}/package.json`;
  const manifest = parse<Manifest>(file);
  const quote = (other: string): string => `"${scope}${other}"`;
  return [
    ...(manifest.name === scope + name ? [] : [`${file}:2: is called ${manifest.name}, not ${scope}${name}`]),
    ...compare(file, 'dependency', ours(manifest.dependencies), present([...row.imports, ...(row.loads ?? [])]), quote),
    ...compare(file, 'development dependency', ours(manifest.devDependencies), present([...(row.tests ?? []), ...(row.bundles ?? [])]), quote),
  ];
}

function referenceOffences(name: string, row: Row): string[] {
  const file = `packages/${name}/tsconfig.json`;
  const found = (parse<ReferencingConfig>(file).references ?? []).map(({ path }) => path.replace(/^\.\.\//, ''));
  return compare(file, 'reference', found, present([...row.imports, ...(row.loads ?? [])]), other => `"../${other}"`);
}

/** What a file of a package may import by name: packages of this project, packages of others. */
interface Allowance {
  readonly ours: readonly string[];
  readonly others: readonly string[];
}

function allowanceOf(name: string, row: Row, isTest: boolean, isBundled: boolean): Allowance {
  const manifest = parse<Manifest>(`packages/${name}/package.json`);
  const others = [...Object.keys(manifest.dependencies ?? {}), ...(isBundled ? Object.keys(manifest.devDependencies ?? {}) : [])];
  if (!isTest) return { ours: isBundled ? [...row.imports, ...(row.bundles ?? [])] : row.imports, others };
  const forTests = [...Object.keys(manifest.devDependencies ?? {}), ...Object.keys(rootManifest.devDependencies ?? {})];
  return {
    ours: [...row.imports, ...(row.loads ?? []), ...(row.tests ?? []), ...(row.bundles ?? []), 'testkit', name],
    others: [...others, ...forTests],
  };
}

/** Why `specifier` may not be imported by `file` (relative to the root) of package `name`; undefined if it may. */
function objection(name: string, file: string, specifier: string, allowed: Allowance): string | undefined {
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier);
    return target.startsWith(`packages/${name}/`) ? undefined : `leaves the package; between packages one imports the package name`;
  }
  // `mmulab:plugins` is made when a page is bundled (.ci/page-plugins.js).
  if (isBuiltin(specifier) || specifier === 'mmulab:plugins') return undefined;
  if (!specifier.startsWith(scope)) {
    const owner = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
    return allowed.others.includes(owner) ? undefined : `is not among the dependencies of ${scope}${name}`;
  }
  const other = specifier.slice(scope.length);
  if (other.includes('/')) return 'reaches into a package; import its name';
  if (allowed.ours.includes(other)) return undefined;
  return other === name ? 'is the own package; import the file' : `is not an arrow of ${name} in arrows.json`;
}

function importOffences(name: string, row: Row, file: string, text: string): string[] {
  const allowed = allowanceOf(name, row, /\.test\.tsx?$/.test(file), file.includes('/page/'));
  return ts.preProcessFile(text, true, true).importedFiles.flatMap(({ fileName, pos }) => {
    const why = objection(name, file, fileName, allowed);
    return why === undefined ? [] : [`${file}:${text.slice(0, pos).split('\n').length}: '${fileName}' ${why}`];
  });
}

/** The TypeScript files of a package, relative to the root, in one order everywhere. */
function sourcesOf(name: string): string[] {
  const src = join(root, 'packages', name, 'src');
  if (!existsSync(src)) return [];
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(file => /\.tsx?$/.test(file));
  return files.map(file => relative(root, join(src, file)).split(sep).join('/')).sort();
}

/** Files beside or below each other that a file imports, types too. */
function filesImported(file: string): string[] {
  return ts.preProcessFile(read(file), true, true).importedFiles.flatMap(({ fileName }) => {
    const target = posix.join(posix.dirname(file), fileName);
    return fileName.startsWith('.') ? [`${target}.ts`, `${target}.tsx`] : [];
  });
}

/** What is left of a graph once everything is taken away, again and again, that points to nothing or that nothing points to: the circles, and ways between them. */
function circlesOf(imports: ReadonlyMap<string, readonly string[]>): string[] {
  let left = [...imports.keys()];
  for (let before = -1; before !== left.length;) {
    before = left.length;
    const present = new Set(left);
    const wanted = new Set(left.flatMap(file => imports.get(file) ?? []));
    left = left.filter(file => wanted.has(file) && imports.get(file)?.some(other => present.has(other)) === true);
  }
  return left;
}

describe('the files', () => {
  it.each(packages)('of packages/%s import each other in no circle, types included', name => {
    expect(circlesOf(new Map(sourcesOf(name).map(file => [file, filesImported(file)])))).toEqual([]);
  });

  it('would be named if they did: 2 of 4', () => {
    const imports = { 'a.ts': ['b.ts'], 'b.ts': ['c.ts'], 'c.ts': ['b.ts', 'd.ts'], 'd.ts': [] };
    expect(circlesOf(new Map(Object.entries(imports)))).toEqual(['b.ts', 'c.ts']);
  });
});

describe('the arrows between packages', () => {
  it('have a row for every package', () => {
    expect(packages.filter(name => !(name in arrows))).toEqual([]);
  });

  it('point from every row to rows, never in a circle', () => {
    const placed: string[] = [];
    const isPlaceable = (name: string): boolean => [...arrows[name].imports, ...(arrows[name].loads ?? [])].every(other => placed.includes(other));
    for (let before = -1; before < placed.length;) {
      before = placed.length;
      placed.push(...Object.keys(arrows).filter(name => !placed.includes(name) && isPlaceable(name)));
    }
    expect(Object.keys(arrows).filter(name => !placed.includes(name))).toEqual([]);
  });

  it('have every package in the solution', () => {
    const found = (parse<ReferencingConfig>('tsconfig.json').references ?? []).map(({ path }) => path).filter(path => path.startsWith('packages/'));
    expect([...found].sort()).toEqual(packages.map(name => `packages/${name}`).sort());
  });

  it.each(packages)('are those of packages/%s: its dependencies, references and imports', name => {
    const row = arrows[name];
    const imports = sourcesOf(name).flatMap(file => importOffences(name, row, file, read(file)));
    expect([...manifestOffences(name, row), ...referenceOffences(name, row), ...imports]).toEqual([]);
  });
});

describe('an import against the arrows', () => {
  const offencesOf = (file: string, text: string): string[] => importOffences('x86', arrows['x86'], `packages/x86/src/${file}`, text);

  it('is named with its file and line', () => {
    expect(offencesOf('plugin.ts', "import { Gfn } from '@mmulab/api';\n\nimport type { Run } from '@mmulab/runner';\n")).toEqual([
      "packages/x86/src/plugin.ts:3: '@mmulab/runner' is not an arrow of x86 in arrows.json",
    ]);
  });

  it.each([
    ['another backend', "export { Cmo } from '@mmulab/arm64';"],
    ['a file inside another package', "import { Gfn } from '@mmulab/api/lib/units';"],
    ['a file of another package by path', "import { Gfn } from '../../api/src/units';"],
    ['the own package by name', "import { Spte } from '@mmulab/x86';"],
    ['a dependency nobody declared', "import chalk from 'chalk';"],
    ['one hidden in a type', "export type T = import('@mmulab/runner').Run;"],
    ['one hidden in a require', "const run = require('@mmulab/runner');"],
    ['the testkit outside a test', "import { runCase } from '@mmulab/testkit';"],
  ])('is refused when it is %s', (_what, text) => {
    expect(offencesOf('spte.ts', text)).toHaveLength(1);
  });

  it.each([
    ['a package below', "import { Gfn } from '@mmulab/api';"],
    ['a file beside', "import { Spte } from '../spte';"],
    ['Node itself', "import { readFileSync } from 'node:fs';"],
    ['a declared dependency', "import { ContainerModule } from 'inversify';"],
  ])('is accepted when it is %s', (_what, text) => {
    expect(offencesOf('tdp/fault.ts', text)).toEqual([]);
  });

  it.each([
    ['the testkit', "import { runCase } from '@mmulab/testkit';"],
    ['the own package, built', "import { x86Profiles } from '@mmulab/x86';"],
    ['a development dependency of the root', "import fc from 'fast-check';"],
  ])('is accepted in a test when it is %s', (_what, text) => {
    expect(offencesOf('spte.test.ts', text)).toEqual([]);
  });
});
