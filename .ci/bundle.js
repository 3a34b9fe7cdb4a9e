/**
 * Bundles the pages that mmulab writes: script and style of each. A page is a row of PAGES.
 *
 * A page that is given results lies in assets/ of its package, committed, so that a checkout that was only compiled writes it too. A page with the engine inside would change with every
 * change of the engine: it is made of what tsc has built, into lib/, and not committed.
 *
 *   node .ci/bundle.js          writes the bundles
 *   node .ci/bundle.js --check  ends with 1 when a committed bundle is not what the sources make, or any is larger than it may be
 */
'use strict';

const { build } = require('esbuild');
const { Buffer } = require('node:buffer');
const { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } = require('node:fs');
const { dirname, join, sep } = require('node:path');
const { bundledPlugins, compiledValidator } = require('./page-plugins.js');

const root = join(__dirname, '..');

/** Entry, output without ending, and the most bytes of script and style together. `plugins`: the packages whose plugins are in the page, with the engine. */
const PAGES = [
  { entry: 'packages/report/src/html/page/main.tsx', out: 'packages/report/assets/report', maxBytes: 450_000 },
  {
    entry: 'packages/playground/src/page/main.tsx',
    out: 'packages/playground/lib/page/playground',
    maxBytes: 1_200_000,
    plugins: ['x86', 'arm64', 'workloads'],
  },
];

/** The packages of others in a bundle, from the inputs that left something in it. */
function packagesIn(metafile) {
  const inputs = Object.values(metafile.outputs).flatMap(output =>
    Object.entries(output.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0),
  );
  const names = inputs.map(([path]) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path.split(sep).join('/'))?.[1]);
  return [...new Set(names)].filter(name => name !== undefined).sort();
}

function manifestOf(name) {
  return JSON.parse(readFileSync(join(root, 'node_modules', name, 'package.json'), 'utf8'));
}

function licenceOf(name) {
  const directory = join(root, 'node_modules', name);
  const file = readdirSync(directory).find(entry => /^licen[cs]e/i.test(entry));
  return file === undefined ? '' : readFileSync(join(directory, file), 'utf8').replaceAll('\r', '').trim();
}

/** One line per package, for the head of the script. */
function notice(names) {
  const lines = names.map(name => {
    const { version, license } = manifestOf(name);
    const holder = /^copyright .*$/im.exec(licenceOf(name))?.[0] ?? '';
    return ` * ${name} ${version} (${license}) ${holder}`.trimEnd();
  });
  return `/*! This page contains:\n${lines.join('\n')}\n */\n`;
}

function licences(names) {
  return names.map(name => `${name} ${manifestOf(name).version}\n\n${licenceOf(name)}\n`).join(`\n${'-'.repeat(80)}\n\n`);
}

/** The files of a page by path relative to the root. */
async function bundle({ entry, out, plugins }) {
  const result = await build({
    absWorkingDir: root,
    entryPoints: { page: entry },
    outdir: 'bundle',
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    format: 'iife',
    target: ['chrome109', 'firefox115', 'safari16'],
    charset: 'utf8',
    legalComments: 'none',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    tsconfigRaw: { compilerOptions: { target: 'es2022', useDefineForClassFields: true } },
    ...(plugins === undefined
      ? // The sources, not what was compiled of them: only what a page uses gets into it.
        { alias: { '@mmulab/api': join(root, 'packages/api/src/index.ts') } }
      : { plugins: [bundledPlugins(root, plugins), compiledValidator(root)] }),
    logLevel: 'warning',
  });
  const textOf = ending => result.outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
  const names = packagesIn(result.metafile);
  return { [`${out}.js`]: notice(names) + textOf('.js'), [`${out}.css`]: textOf('.css'), [`${out}.LICENSES.txt`]: licences(names) };
}

const isCheck = process.argv.includes('--check');

/** Whether a file holds a text. */
function isFresh(path, text) {
  return existsSync(path) && readFileSync(path, 'utf8') === text;
}

/** Makes a page, and writes it or compares it. @returns what is wrong */
async function makePage(page) {
  const isCommitted = page.plugins === undefined;
  const files = await bundle(page);
  const bytes = Buffer.byteLength(files[`${page.out}.js`]) + Buffer.byteLength(files[`${page.out}.css`]);
  const wrong = bytes > page.maxBytes ? [`${page.out}: ${bytes} bytes, at most ${page.maxBytes} are allowed`] : [];
  for (const [path, text] of Object.entries(files)) {
    if (isFresh(join(root, path), text)) continue;
    if (isCheck && isCommitted) wrong.push(`${path}: is not what the sources make; run npm run build:pages`);
    if (isCheck) continue;
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    console.log(`wrote ${path} (${Buffer.byteLength(text)} bytes)`);
  }
  return wrong;
}

async function main() {
  // Where checks run, committed bundles are compared by a test; those that are not committed have to be made.
  const pages = process.argv.includes('--uncommitted') ? PAGES.filter(page => page.plugins !== undefined) : PAGES;
  const wrong = (await Promise.all(pages.map(makePage))).flat();
  for (const line of wrong) console.error(line);
  process.exitCode = wrong.length === 0 ? 0 : 1;
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
