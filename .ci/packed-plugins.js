/**
 * A stranger's way in: the packages as they would be published, in an empty folder, and there a new plugin of each kind that builds, tests itself and runs.
 *
 *   node .ci/packed-plugins.js [KIND...]
 *
 * A plugin must also meet the one `@mmulab/api` that is at work in the command's bundle.
 *
 * Packages of ours come out of their tarballs; what they need of others is that of this checkout, since nothing is fetched.
 */
'use strict';
const { execFileSync, spawnSync } = require('node:child_process');
const { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { dirname, join } = require('node:path');
const { performance } = require('node:perf_hooks');

const root = join(__dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'mmulab-packed-'));
const modules = join(folder, 'node_modules');
const KINDS = ['backend', 'workload', 'backing', 'reporter', 'patch'];

/** Runs a program to its end. @returns what it printed */
function run(program, args, cwd = folder) {
  return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000 });
}

/** Links a directory of the checkout under the same name. */
function link(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  symlinkSync(from, to, 'dir');
}

function install() {
  const packed = JSON.parse(run('npm', ['pack', '--workspaces', '--json', '--ignore-scripts', '--pack-destination', folder], root));
  for (const { name, filename } of packed) {
    const directory = join(modules, name);
    mkdirSync(directory, { recursive: true });
    run('tar', ['-xzf', join(folder, filename.replace('@', '').replace('/', '-')), '-C', directory, '--strip-components=1']);
    const own = join(root, 'packages', name.replace('@mmulab/', ''), 'node_modules');
    if (existsSync(own)) link(own, join(directory, 'node_modules'));
  }
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name.startsWith('.') || name === '@mmulab') continue;
    const names = name.startsWith('@') ? readdirSync(join(root, 'node_modules', name)).map(inner => join(name, inner)) : [name];
    for (const one of names) link(join(root, 'node_modules', one), join(modules, one));
  }
  return packed.length;
}

const mmulab = (args, cwd) => run(process.execPath, [join(modules, '@mmulab/cli/bin/mmulab.js'), ...args], cwd);

function tryKind(kind) {
  const startedMs = performance.now();
  mmulab(['new-plugin', `my-${kind}`, '--kind', kind]);
  const directory = join(folder, `mmulab-plugin-my-${kind}`);
  run(process.execPath, [join(modules, 'typescript/bin/tsc')], directory);
  run(process.execPath, [join(modules, 'jest/bin/jest.js'), '--no-cache'], directory);
  const command = /^npx mmulab (.*)$/m.exec(readFileSync(join(directory, 'README.md'), 'utf8'))[1];
  const shown = mmulab(command.split(' '), directory);
  if (shown.trim() === '') throw new Error(`mmulab ${command}: printed nothing`);
  console.log(`${kind}: builds, passes its tests, runs (${Math.round((performance.now() - startedMs) / 100) / 10} s)`);
}

/** A plugin that changes a function of the api: the command's own messages show whether it is the same one. */
const SPY = `
  const { ContainerModule } = require('inversify');
  const bundled = name => (Object.getOwnPropertyDescriptor(require.cache[require.resolve(name)], 'exports').get ? 'bundled' : 'from its file');
  require('@mmulab/api/lib/errors.js').suggestName = () => \` (api \${bundled('@mmulab/api')}, inversify \${bundled('inversify')})\`;
  exports.default = new ContainerModule(({ bind }) => bind(require('@mmulab/api').ReporterContribution).toConstantValue({ name: 'spy', doc: '', render: () => '' }));
`;

/** Whether plugins of others and the command share one api. */
function trySharing() {
  const directory = join(folder, 'spy');
  mkdirSync(directory);
  writeFileSync(join(directory, 'package.json'), '{ "name": "mmulab-plugin-spy", "mmulab": { "plugin": "p.js", "api": 1 } }');
  writeFileSync(join(directory, 'p.js'), SPY);
  const args = ['list', 'profiles', '--backend', 'x86-td', '--plugin', './spy'];
  const { stderr } = spawnSync(process.execPath, [join(modules, '@mmulab/cli/bin/mmulab.js'), ...args], { cwd: folder, encoding: 'utf8' });
  if (!stderr.includes('(api bundled, inversify bundled)')) throw new Error(`mmulab ${args.join(' ')}: a plugin has another api: ${stderr}`);
  console.log('shares one api with the bundle');
}

try {
  console.log(`${install()} packages from their tarballs`);
  trySharing();
  const asked = process.argv.slice(2);
  for (const kind of asked.length === 0 ? KINDS : asked) tryKind(kind);
} catch (error) {
  console.error(error.message, error.stdout ?? '', error.stderr ?? '');
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
