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

/** Dependencies, of either kind, whose version is a range. */
function unpinned({ dependencies, devDependencies }: Manifest): string[] {
  const pins = Object.entries({ ...dependencies, ...devDependencies });
  return pins.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)).map(([name]) => name);
}

describe('the lock file', () => {
  it('names no download address, so that it installs from whichever registry is configured', () => {
    const { packages: locked } = parse<Lock>('package-lock.json');
    expect(Object.keys(locked).filter(path => locked[path].resolved !== undefined && locked[path].link !== true)).toEqual([]);
  });
});

describe('the tools of the root', () => {
  it('are pinned to exact versions', () => {
    expect(unpinned(parse<Manifest>('package.json'))).toEqual([]);
  });
});

describe.each(packages)('the manifest of packages/%s', name => {
  const manifest = parse<Manifest>('packages', name, 'package.json');

  it('has the version that lerna.json gives to all', () => {
    expect(manifest.version).toBe(parse<{ version: string }>('lerna.json').version);
  });

  it('has the licence and Node of the whole', () => {
    const { license, engines } = parse<Manifest>('package.json');
    expect({ license: manifest.license, engines: manifest.engines }).toEqual({ license, engines });
  });

  it('pins exact versions', () => {
    expect(unpinned(manifest)).toEqual([]);
  });
});
