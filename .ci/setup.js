/**
 * Sets a checkout up and then runs a command in it: installs what the lock file asks for, when node_modules has something else or nothing;
 * builds (tsc -b, incremental, then the pages of .ci/bundle.js and the command of .ci/command-bundle.js); with --check-tests also checks the types of the tests, which belong to no build. Uses nothing but Node,
 * because on a fresh clone there is nothing else.
 *
 *   node .ci/setup.js [--no-build] [--check-tests] [COMMAND ARG...]
 *
 * The command is one of node_modules/.bin, `node`, or one on the PATH; its exit code is the exit code.
 */
'use strict';

const { spawnSync } = require('node:child_process');
const { existsSync, readFileSync } = require('node:fs');
const { delimiter, join } = require('node:path');

const root = join(__dirname, '..');
const isWindows = process.platform === 'win32';
const INTERRUPTED = 130;

/** The package table of a lock file of npm, or undefined if there is no such file. */
function lockedPackages(file) {
  const path = join(root, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : undefined;
}

/**
 * Does node_modules hold what the lock file names? Compared by content, since git gives the lock file a new time at every clone and pull.
 * Optional packages are left out: most are for other platforms.
 */
function isInstalled() {
  const wanted = lockedPackages('package-lock.json');
  const present = lockedPackages('node_modules/.package-lock.json');
  if (!wanted || !present) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.includes('node_modules/') || entry.optional || entry.devOptional || entry.peer) return true;
    const there = present[path];
    return there !== undefined && there.version === entry.version && there.resolved === entry.resolved;
  });
}

/** Runs a command in the root with the tools of node_modules at hand; ends this process with its code unless that is 0. */
function run(command, args, options) {
  const env = { ...process.env, PATH: join(root, 'node_modules', '.bin') + delimiter + process.env.PATH };
  const done = spawnSync(command, args, { cwd: root, env, stdio: 'inherit', shell: isWindows, ...options });
  if (done.error) console.error(`${command}: ${done.error.message}`);
  if (done.signal) process.exit(done.signal === 'SIGINT' ? INTERRUPTED : 1);
  if (done.status !== 0) process.exit(done.status ?? 1);
}

const toStderr = { stdio: ['ignore', 2, 2] };
const args = process.argv.slice(2);
const options = new Set();
while (args[0]?.startsWith('--')) options.add(args.shift());

if (!isInstalled()) {
  console.error('mmulab: installing what package-lock.json names (once) ...');
  run('npm', ['ci', '--no-fund', '--no-audit', '--loglevel=error'], toStderr);
}
if (!options.has('--no-build')) {
  if (!existsSync(join(root, 'packages', 'api', 'lib'))) console.error('mmulab: building (once) ...');
  run('tsc', ['-b'], toStderr);
}
// Committed bundles of pages are made anew when their sources changed, and where checks run a test says so instead. The page with the engine inside is made with every build.
if (!options.has('--no-build')) run(process.execPath, [join('.ci', 'bundle.js'), ...(process.env.CI ? ['--uncommitted'] : [])], toStderr);
// The command finds its modules in one file; it runs without, only slower to start.
if (!options.has('--no-build')) run(process.execPath, [join('.ci', 'command-bundle.js')], toStderr);
const checked = ['tsconfig.test.json', join('packages', 'report', 'tsconfig.page.json'), join('packages', 'playground', 'tsconfig.page.json')];
if (options.has('--check-tests')) for (const config of checked) run('tsc', ['-p', config], toStderr);
if (args.length > 0) run(args[0] === 'node' ? process.execPath : args[0], args.slice(1));
