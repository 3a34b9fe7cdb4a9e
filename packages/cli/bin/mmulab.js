#!/usr/bin/env node
/**
 * The `mmulab` command as npm links it. npm does so at install time, before anything is built, so this file is committed and only loads
 * the build: `main(argv)` of lib/main.js, which resolves to the exit code.
 */
'use strict';

const { existsSync } = require('node:fs');
const { join } = require('node:path');

const INTERNAL_ERROR = 3;
const built = join(__dirname, '..', 'lib', 'main.js');

if (!existsSync(built)) {
  console.error('mmulab is not built yet: run `npm start` or `npm test` in the checkout first.');
  process.exitCode = INTERNAL_ERROR;
} else {
  new Promise(resolve => resolve(require(built).main(process.argv.slice(2)))).then(
    code => {
      process.exitCode = code;
    },
    error => {
      console.error(error);
      process.exitCode = INTERNAL_ERROR;
    },
  );
}
