/**
 * What every package and the lock file have in common, so that a fresh clone installs anywhere and all packages are released as one.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly resolved?: string; readonly link?: boolean }>>;
}

const root = resolve(__dirname, '../../..');
const parse = <T>(...path: string[]): T => JSON.parse(readFileSync(join(root, ...path), 'utf8')) as T;
const packages = readdirSync(join(root, 'packages')).filter(name => existsSync(join(root, 'packages', name, 'package.json')));

describe('the lock file', () => {
  it('names no download address, so that it installs from whichever registry is configured', () => {
    const { packages: locked } = parse<Lock>('package-lock.json');
    expect(Object.keys(locked).filter(path => locked[path].resolved !== undefined && locked[path].link !== true)).toEqual([]);
  });
});

describe.each(['.', ...packages.map(name => `packages/${name}`)])('the manifest of %s', path => {
  const manifest = parse<Manifest>(path, 'package.json');

  it('has the version, licence and Node of the whole', () => {
    const { version, license, engines } = parse<Manifest>('package.json');
    expect({ version: manifest.version, license: manifest.license, engines: manifest.engines }).toEqual({ version, license, engines });
  });

  it('pins exact versions', () => {
    const pins = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(pins.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });
});
