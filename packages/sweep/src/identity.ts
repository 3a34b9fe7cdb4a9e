/**
 * What the counts of a run depend on beside its config: the packages that make it, by name, version and content.
 *
 * The version alone would not do. Results are kept across sweeps, and a checkout that moves on keeps its version; so what they are built of is hashed too: code and data of
 * mmulab's packages and of every plugin. Two machines that built the same sources have the same identity.
 */
import type { Registry } from '@mmulab/runner';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Package name → version, `0.1.0+1f2e3d4c` where the content counts too. Sorted by name. */
export type Identity = Readonly<Record<string, string>>;

interface Manifest {
  readonly name?: string;
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const SCOPE = '@mmulab/';
const ENGINE = '@mmulab/runner';
const CODE = /\.(c?js|mjs|json|ya?ml|wasm|node)$/;
const NOT_CODE = /\.test\.|^package-lock\.json$/;
const HASH_DIGITS = 12;

/** The identity of runs made with what a registry holds. */
export function identityOf(registry: Registry): Identity {
  const found = new Map<string, string>();
  addPackage(dirname(require.resolve(`${ENGINE}/package.json`)), true, found);
  for (const { path } of registry.plugins()) addPackage(path, true, found);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A short name of an identity: the same for the same packages. */
export function fingerprintOf(identity: Identity): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, HASH_DIGITS);
}

/** How two identities differ, one line per package; none when they are equal. */
export function identityDifferences(here: Identity, there: Identity): readonly string[] {
  const names = [...new Set([...Object.keys(here), ...Object.keys(there)])].sort();
  return names
    .filter(name => here[name] !== there[name])
    .map(name => `${name} is ${here[name] ?? 'not installed'} here and ${there[name] ?? 'not installed'} there`);
}

/** Adds a package and, below it, those of mmulab; what else a plugin depends on goes by its version. */
function addPackage(directory: string, isOurs: boolean, found: Map<string, string>): void {
  const { name = directory, version = '0', dependencies = {} } = readManifest(directory);
  if (found.has(name)) return;
  found.set(name, isOurs ? `${version}+${contentHash(directory)}` : version);
  if (!isOurs) return;
  for (const dependency of Object.keys(dependencies)) {
    const isScoped = dependency.startsWith(SCOPE);
    const path = isScoped || !name.startsWith(SCOPE) ? findPackage(dependency, directory) : undefined;
    if (path !== undefined) addPackage(path, isScoped, found);
  }
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
}

function findPackage(name: string, from: string): string | undefined {
  const directories = createRequire(join(from, 'package.json')).resolve.paths(name) ?? [];
  return directories.map(directory => join(directory, name)).find(path => existsSync(join(path, 'package.json')));
}

/** Of all its code and data; where a package is built, its sources say nothing more. */
function contentHash(directory: string): string {
  const sources = existsSync(join(directory, 'lib')) ? 'src/' : undefined;
  const files = codeFiles(directory, '').filter(file => sources === undefined || !file.startsWith(sources));
  const hash = createHash('sha256');
  for (const file of files.sort())
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(directory, file)))
      .update('\0');
  return hash.digest('hex').slice(0, HASH_DIGITS);
}

function codeFiles(root: string, below: string): string[] {
  return readdirSync(join(root, below), { withFileTypes: true }).flatMap(entry => {
    const path = below === '' ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' || entry.name.startsWith('.') ? [] : codeFiles(root, path);
    return CODE.test(entry.name) && !NOT_CODE.test(entry.name) ? [path] : [];
  });
}
