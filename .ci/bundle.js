/**
 * Bundles the pages that mmulab writes: script and style of each into assets/ of its package, committed, so that a checkout that was only compiled writes pages too.
 * A page is a row of PAGES; it shares components with the others by importing them.
 *
 *   node .ci/bundle.js          writes the bundles
 *   node .ci/bundle.js --check  ends with 1 when a bundle is not what the sources make, or is larger than it may be
 */
'use strict';

const { buildSync } = require('esbuild');
const { Buffer } = require('node:buffer');
const { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } = require('node:fs');
const { dirname, join, sep } = require('node:path');

const root = join(__dirname, '..');

/** Entry, output without ending, and the most bytes of script and style together. */
const PAGES = [{ entry: 'packages/report/src/html/page/main.tsx', out: 'packages/report/assets/report', maxBytes: 450_000 }];

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
function bundle({ entry, out }) {
  const result = buildSync({
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
    // The sources, not what was compiled of them: only what a page uses gets into it.
    alias: { '@mmulab/api': join(root, 'packages/api/src/index.ts') },
    logLevel: 'warning',
  });
  const textOf = ending => result.outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? '';
  const names = packagesIn(result.metafile);
  return { [`${out}.js`]: notice(names) + textOf('.js'), [`${out}.css`]: textOf('.css'), [`${out}.LICENSES.txt`]: licences(names) };
}

const isCheck = process.argv.includes('--check');
let wrong = 0;
for (const page of PAGES) {
  const files = bundle(page);
  const bytes = Buffer.byteLength(files[`${page.out}.js`]) + Buffer.byteLength(files[`${page.out}.css`]);
  if (bytes > page.maxBytes) {
    console.error(`${page.out}: ${bytes} bytes, at most ${page.maxBytes} are allowed`);
    wrong++;
  }
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, path);
    const isFresh = existsSync(file) && readFileSync(file, 'utf8') === text;
    if (isFresh) continue;
    if (isCheck) {
      console.error(`${path}: is not what the sources make; run npm run build:pages`);
      wrong++;
    } else {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
      console.log(`wrote ${path} (${Buffer.byteLength(text)} bytes)`);
    }
  }
}
process.exitCode = wrong === 0 ? 0 : 1;
