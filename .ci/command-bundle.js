/**
 * Bundles the command: one file with every module that most commands need, so that a start finds and reads one file instead of seven hundred.
 *
 * The modules in it stay modules, made when they are first asked for, and each is known by the file it was made of: packages/cli/src/bundle.ts puts them into Node's cache of
 * modules under those files. So whoever asks for `@mmulab/api` afterwards, a plugin of somebody else or a package that is not in the bundle, gets the instance that is at work.
 * Beside the bundle lies what V8 made of it (for this version of Node; others compile it, and keep what they made where they can).
 *
 *   node .ci/command-bundle.js    makes the bundle, if what tsc has built is newer
 */
'use strict';

const { build } = require('esbuild');
const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join, relative, sep } = require('node:path');
const { compiledValidator } = require('./page-plugins.js');

const root = join(__dirname, '..');
const self = join(__dirname, 'command-bundle.js');
const packages = join(root, 'packages');
const out = join(packages, 'cli', 'lib', 'bundle');

/** Packages of ours in the bundle, whole; the others are loaded from their files. */
const OWN = ['api', 'pgtable', 'kvm', 'x86', 'arm64', 'workloads', 'time', 'runner', 'import', 'report', 'cli'];
/** Packages of others in it, with all that they need. */
const OTHERS = ['ajv', 'cli-progress', 'cli-table3', 'commander', 'fast-xml-parser', 'inversify', 'picocolors', 'reflect-metadata', 'yaml'];
/** Modules of Node that are dear to load and that hardly any command needs, whoever names them. */
const LATE = ['child_process', 'http', 'readline', 'worker_threads'];
/** Packages of others that hardly any command needs. */
const LATE_OTHERS = ['yaml'];
/** Of the former, what plugins of others import as well: they get the same instance. */
const SHARED = ['inversify', 'reflect-metadata'];

/** Modules of the command that load the bundle, or are for building. */
const OUTSIDE = /^(bundle|docs)\/|^(bundle|index|main|thread-start|generate-\w+)\.js$/;

const posix = path => path.split(sep).join('/');

/** Modules of a package, relative to packages/. */
function modulesOf(name) {
  const lib = join(packages, name, 'lib');
  const files = readdirSync(lib, { recursive: true }).filter(file => file.endsWith('.js') && !(name === 'cli' && OUTSIDE.test(posix(file))));
  return files.map(file => posix(join(name, 'lib', file))).sort();
}

/** The file that a package of others is loaded from: `inversify/lib/index.js`. */
function sharedFile(name) {
  const file = posix(createRequire(join(packages, 'api', 'package.json')).resolve(name));
  return file.slice(file.lastIndexOf(`/node_modules/${name}/`) + '/node_modules/'.length);
}

/** The module that esbuild starts from: all others by name. */
function tableText() {
  const row = (name, path) => `  ${JSON.stringify(name)}: () => require(${JSON.stringify(path)}),\n`;
  const own = OWN.flatMap(modulesOf).map(file => row(file, join(packages, file)));
  const shared = SHARED.map(name => row(sharedFile(name), name));
  return `exports.host = require('mmulab:host');\nexports.modules = {\n${own.join('')}};\nexports.shared = {\n${shared.join('')}};\n`;
}

/** The list of commands, with each module that it loads by a name put together named in full. */
function namingCommands(path) {
  const text = readFileSync(path, 'utf8');
  const files = readdirSync(join(dirname(path), 'commands')).filter(file => file.endsWith('.js'));
  const loaders = files.map(file => `${JSON.stringify(file.slice(0, -3))}: () => require('./commands/${file}')`);
  const put = 'require(`./commands/${name}`)';
  if (!text.includes(put)) throw new Error(`${path}: does not load commands with ${put} any more`);
  return text.replace(put, () => `({ ${loaders.join(', ')} })[name]()`);
}

/** What esbuild needs to know of our modules: the table, where they lie, what is not in the bundle. */
const commandModules = {
  name: 'mmulab-command',
  setup(pack) {
    pack.onResolve({ filter: /^mmulab:/ }, ({ path }) => ({ path: path.slice('mmulab:'.length), namespace: 'mmulab' }));
    pack.onLoad({ filter: /^table$/, namespace: 'mmulab' }, () => ({ contents: tableText(), resolveDir: join(packages, 'runner') }));
    pack.onLoad({ filter: /^host$/, namespace: 'mmulab' }, () => ({ contents: 'exports.directories = {};' }));
    pack.onResolve({ filter: /./ }, ({ path, namespace }) => {
      const name = path.replace(/^node:/, '');
      return LATE.includes(name) && namespace !== 'mmulab' ? { path: `late:${name}`, namespace: 'mmulab' } : undefined;
    });
    pack.onLoad({ filter: /^late:/, namespace: 'mmulab' }, ({ path }) => {
      const name = path.slice('late:'.length);
      const names = Object.keys(require(name)).map(key => `  get ${key}() { return require('node:${name}').${key}; },\n`);
      return { contents: `module.exports = {\n${names.join('')}};\n` };
    });
    pack.onResolve({ filter: /^[a-z]/ }, ({ path, importer }) =>
      LATE_OTHERS.includes(path) && importer.startsWith(packages) ? { path: `later:${path}`, namespace: 'mmulab' } : undefined,
    );
    pack.onLoad({ filter: /^later:/, namespace: 'mmulab' }, ({ path }) => {
      const name = path.slice('later:'.length);
      const { resolve } = createRequire(join(packages, 'runner', 'package.json'));
      const names = Object.keys(require(resolve(name))).map(key => `  get ${key}() { return require('${name}').${key}; },\n`);
      return { contents: `module.exports = {\n${names.join('')}};\n`, resolveDir: join(packages, 'runner') };
    });
    // Text of one column per character, which nearly all is, needs none of the tables that tell how wide others are.
    pack.onResolve({ filter: /^string-width$/ }, ({ namespace }) => (namespace === 'mmulab' ? undefined : { path: 'width', namespace: 'mmulab' }));
    pack.onLoad({ filter: /^width$/, namespace: 'mmulab' }, () => ({
      contents: `const PLAIN = /^[\\x20-\\x7e\\u2500-\\u257f]*$/;
        module.exports = text => (typeof text === 'string' && PLAIN.test(text) ? text.length : require('string-width')(text));`,
      resolveDir: dirname(require.resolve('cli-table3/package.json')),
    }));
    pack.onLoad({ filter: /^file:/, namespace: 'mmulab' }, ({ path }) => {
      const [, importer, name] = path.split(':');
      return { contents: `module.exports = require('mmulab:host').requireFrom(${JSON.stringify(importer)})(${JSON.stringify(name)});` };
    });
    pack.onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
      const own = posix(relative(packages, importer)).split('/')[0];
      if (kind !== 'require-call' || !OWN.includes(own) || path.startsWith('node:')) return undefined;
      const [first, second] = path.split('/');
      const isIn = first === '@mmulab' ? OWN.includes(second) : OTHERS.includes(first);
      return isIn ? undefined : { path: `file:${own}:${path}`, namespace: 'mmulab' };
    });
    pack.onLoad({ filter: /[\\/]packages[\\/].*\.js$/ }, ({ path }) => {
      if (path.endsWith(join('cli', 'lib', 'command-entry.js'))) return { contents: namingCommands(path) };
      const text = readFileSync(path, 'utf8');
      if (!/\b__dirname\b/.test(text)) return undefined;
      const [name, ...rest] = posix(dirname(relative(packages, path))).split('/');
      const place = JSON.stringify(rest.join('/'));
      return { contents: `const __dirname = require('mmulab:host').directoryOf(${JSON.stringify(name)}, ${place});\n${text}` };
    });
  },
};

async function bundle() {
  const result = await build({
    absWorkingDir: root,
    entryPoints: ['mmulab:table'],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: ['node20'],
    // Short enough to be found in the stack of a bug report.
    minifyWhitespace: true,
    lineLimit: 160,
    charset: 'ascii',
    legalComments: 'none',
    plugins: [commandModules, compiledValidator(root)],
    logLevel: 'error',
  });
  return result.outputFiles[0].text;
}

/** What commands do while V8's code is made: the functions they call are in it. */
const WARM_UP = ['list', 'run -- dirty_log_perf_test -v 2 -b 16M'];

/** Writes what V8 has made of the bundle. */
function writeCode(file) {
  const { CommandBundle } = require(join(packages, 'cli', 'lib', 'bundle.js'));
  const opened = CommandBundle.find(true);
  const { runCommand } = opened.load('program');
  const quiet = { columns: 80, color: false, out() {}, err() {}, progress() {} };
  for (const line of WARM_UP) runCommand(line.split(' '), quiet);
  writeWhole(file, opened.createCode());
}

/** Writes a file that is never there in part. */
function writeWhole(path, content) {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

/** The bundle that is there, if nothing it is made of is newer. */
function findFresh() {
  try {
    const path = join(out, 'bundle.json');
    const madeMs = statSync(path).mtimeMs;
    const sources = [...OWN.map(name => join(packages, name, 'lib', '.tsbuildinfo')), join(root, 'node_modules', '.package-lock.json')];
    const isFresh = [...sources, self, join(__dirname, 'page-plugins.js')].every(file => statSync(file).mtimeMs <= madeMs);
    const manifest = JSON.parse(readFileSync(path, 'utf8'));
    return isFresh && existsSync(join(out, manifest.file)) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

async function makeBundle() {
  const text = await bundle();
  const file = `mmulab-${createHash('sha256').update(text).digest('hex').slice(0, 12)}.js`;
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, file), text);
  // The bundle that it names is there at any time: somebody may be starting.
  writeWhole(join(out, 'bundle.json'), JSON.stringify({ file, packages: OWN }));
  for (const old of readdirSync(out)) if (old !== 'bundle.json' && !old.startsWith(file)) rmSync(join(out, old));
  console.log(`wrote ${posix(relative(root, join(out, file)))} (${text.length} bytes)`);
  return { file };
}

async function main() {
  if (process.argv[2] === '--code') return writeCode(process.argv[3]);
  const { file } = findFresh() ?? (await makeBundle());
  const code = join(out, `${file}.${process.version}-${process.arch}`);
  // In a process of its own, so that nothing else is in it.
  if (!existsSync(code)) execFileSync(process.execPath, [self, '--code', code], { stdio: ['ignore', 'ignore', 'inherit'] });
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
