/**
 * The bundle of the command (.ci/command-bundle.js), if there is one that is not older than what was built: one file with the modules that most commands need. Finding and reading
 * seven hundred files takes longer than most commands.
 *
 * Its modules are put into Node's cache of modules, each under the file it was made of, before any of them is at work. Whoever asks for such a file afterwards, a plugin or a package that is
 * not in the bundle, gets the same instance. What V8 made of the bundle when it was made lies beside it; another version of Node keeps what it made itself, where it can.
 */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import Module, { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { constants, Script } from 'node:vm';

/** `bundle.json`. */
interface Manifest {
  /** File of the bundle, beside it. */
  readonly file: string;
  /** Directories of packages of ours that are in it. */
  readonly packages: readonly string[];
}

/** What the bundle exports: modules by their files (`api/lib/index.js`), and those of others that plugins import as well (`inversify/lib/index.js`). */
interface Bundle {
  readonly host: { directoryOf: (name: string, place?: string) => string; requireFrom: (name: string) => NodeJS.Require };
  readonly modules: Readonly<Record<string, () => unknown>>;
  readonly shared: Readonly<Record<string, () => unknown>>;
}

/** A module of this package that is loaded out of the bundle. */
type Entry = 'program' | 'command-thread';

const DIRECTORY = join(__dirname, 'bundle');
/** Packages of ours lie beside each other, in a checkout and where they are installed. */
const PACKAGES = join(__dirname, '..', '..');

/**
 * Loads a module of this package: out of the bundle, or from its file.
 * @param name its file in lib, without ending
 */
export function loadModule(name: Entry): unknown {
  const bundle = CommandBundle.find();
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- one of two ways
  return bundle === undefined ? require(`./${name}`) : bundle.load(name);
}

/** The bundle, its modules known to Node. */
export class CommandBundle {
  private readonly bundle: Bundle;
  private readonly script: Script | undefined;

  private constructor({ file }: Manifest, packages: ReadonlyMap<string, string>, isMaking: boolean) {
    const path = join(DIRECTORY, file);
    this.script = compile(path, isMaking ? undefined : readCode(`${path}.${process.version}-${process.arch}`), isMaking);
    this.bundle = this.script === undefined ? (createRequire(__filename)(path) as Bundle) : evaluate(this.script, path);
    this.enter(packages);
  }

  /**
   * The bundle; undefined where there is none, or one that is not of these packages.
   * @param isMaking whether V8's code is about to be made, and not to be used
   */
  static find(isMaking = false): CommandBundle | undefined {
    const found = findPackages();
    return found && new CommandBundle(found.manifest, found.packages, isMaking);
  }

  load(name: Entry): unknown {
    return this.bundle.modules[`cli/lib/${name}.js`]?.();
  }

  /** What V8 has made of the bundle so far; undefined where Node loaded it. */
  createCode(): Buffer | undefined {
    return this.script?.createCachedData();
  }

  private enter(packages: ReadonlyMap<string, string>): void {
    const { host, modules, shared } = this.bundle;
    host.directoryOf = (name, place = '') => join(packages.get(name) ?? PACKAGES, place);
    host.requireFrom = name => createRequire(join(packages.get(name) ?? PACKAGES, 'package.json'));
    for (const [path, load] of Object.entries(modules)) {
      const at = path.indexOf('/');
      keep((packages.get(path.slice(0, at)) ?? '') + path.slice(at).replaceAll('/', sep), load);
    }
    for (const [path, load] of Object.entries(shared)) {
      const file = findInstalled(path, packages.get('api') ?? PACKAGES);
      if (file !== undefined) keep(file, load);
    }
  }
}

/** Where the packages of the bundle lie; undefined where there is no bundle, or one that does not fit them. */
function findPackages(): { readonly manifest: Manifest; readonly packages: ReadonlyMap<string, string> } | undefined {
  try {
    const path = join(DIRECTORY, 'bundle.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
    const packages = new Map(manifest.packages.map(name => [name, realpathSync(join(PACKAGES, name))]));
    return isFresh(path, [...packages.values()]) ? { manifest, packages } : undefined;
  } catch {
    return undefined;
  }
}

/** A file of an installed package, found as Node finds it from a directory. */
function findInstalled(path: string, from: string): string | undefined {
  for (let directory = from; ; directory = dirname(directory)) {
    const file = join(directory, 'node_modules', path);
    if (existsSync(file)) return realpathSync(file);
    if (directory === dirname(directory)) return undefined;
  }
}

/** Whether a bundle was made after packages were built, as far as they are worked at: what is installed does not change. */
function isFresh(path: string, directories: readonly string[]): boolean {
  const { mtimeMs } = statSync(path);
  const builtMs = (directory: string): number => statSync(join(directory, 'lib', '.tsbuildinfo'), { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
  return directories.every(directory => directory.includes(`${sep}node_modules${sep}`) || builtMs(directory) <= mtimeMs);
}

/** Puts a module that is made when it is first asked for into Node's cache. */
function keep(file: string, load: () => unknown): void {
  const kept = new Module(file);
  kept.filename = file;
  kept.loaded = true;
  Object.defineProperty(kept, 'exports', { get: load });
  require.cache[file] = kept;
}

/** The bundle with the code that V8 made of it before; undefined where there is no such code, and Node is left to load it (and from 22 on to keep what it made). */
function compile(file: string, cachedData: Buffer | undefined, isMaking: boolean): Script | undefined {
  if (!isMaking && cachedData === undefined) {
    (Module as { readonly enableCompileCache?: () => void }).enableCompileCache?.();
    return undefined;
  }
  const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  return new Script(Module.wrap(readFileSync(file, 'latin1')), { filename: file, importModuleDynamically, ...(cachedData && { cachedData }) });
}

function evaluate(script: Script, file: string): Bundle {
  const made = { exports: {} as Bundle };
  const run = script.runInThisContext() as (...parameters: unknown[]) => void;
  run(made.exports, createRequire(file), made, file, DIRECTORY);
  return made.exports;
}

function readCode(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
