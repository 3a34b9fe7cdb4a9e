import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const BUILT = join(__dirname, '..', 'lib', 'bundle.js');

/** Two packages beside each other, `api` and `cli`, with a bundle of both, in which each module says that it comes from there. */
function makePackages(root: string): void {
  const files: Readonly<Record<string, string>> = {
    'api/lib/.tsbuildinfo': '',
    'api/lib/index.js': `exports.from = 'a file';`,
    'api/package.json': '{ "main": "lib/index.js" }',
    'cli/lib/.tsbuildinfo': '',
    'cli/lib/program.js': `exports.from = 'a file'; exports.api = require('../../api');`,
    'cli/lib/bundle/bundle.json': '{ "file": "b.js", "packages": ["api", "cli"] }',
    'cli/lib/bundle/b.js': `
      const api = { from: 'the bundle' };
      exports.host = {};
      exports.modules = { 'api/lib/index.js': () => api, 'cli/lib/program.js': () => ({ from: 'the bundle', api, place: exports.host.directoryOf('api', 'lib') }) };
      exports.shared = {};`,
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  copyFileSync(BUILT, join(root, 'cli/lib/bundle.js'));
}

/** Loads the program in a process of its own, and then the api as a plugin would. */
function start(root: string): unknown {
  const text = `
    const program = require('./cli/lib/bundle.js').loadModule('program');
    console.log(JSON.stringify({ from: program.from, isShared: require('./api') === program.api, place: program.place }));`;
  return JSON.parse(execFileSync(process.execPath, ['-e', text], { cwd: root, encoding: 'utf8' }));
}

describe('the bundle of the command', () => {
  let top: string;
  beforeEach(() => {
    top = realpathSync(mkdtempSync(join(tmpdir(), 'mmulab-bundle-')));
  });
  afterEach(() => {
    rmSync(top, { recursive: true });
  });

  it('is what a command is loaded from, and its 1 api is that of plugins, unless a package was built after it', () => {
    makePackages(top);
    expect(start(top)).toEqual({ from: 'the bundle', isShared: true, place: join(top, 'api', 'lib') });
    const later = new Date(Date.now() + 5000);
    utimesSync(join(top, 'api/lib/.tsbuildinfo'), later, later);
    expect(start(top)).toEqual({ from: 'a file', isShared: true });
  });

  it('is taken where packages are installed, whichever file is newer', () => {
    const root = join(top, 'node_modules', '@mmulab');
    makePackages(root);
    const earlier = new Date(0);
    utimesSync(join(root, 'cli/lib/bundle/bundle.json'), earlier, earlier);
    expect(start(root)).toMatchObject({ from: 'the bundle', isShared: true });
  });
});
