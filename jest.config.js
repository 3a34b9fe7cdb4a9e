/**
 * Tests lie beside the source and are compiled file by file (tsconfig.test.json, isolatedModules), so jest checks no types: `npm test`
 * does that first. Other packages are met as users meet them: by name, built.
 */
'use strict';

/** @type {import('jest').Config} */
module.exports = {
  testEnvironment: 'node',
  // Every core: most tests compute, some wait for processes and a browser.
  maxWorkers: '100%',
  // What suites leave behind adds up in a process: a fresh one before its heap is full.
  workerIdleMemoryLimit: '1500MB',
  // Tests run in a context of their own, where a global name is looked up afresh at every use: hot code gets these directly.
  sandboxInjectedGlobals: ['Infinity', 'Math', 'Number'],
  testMatch: ['<rootDir>/packages/*/src/**/*.test.ts', '<rootDir>/packages/*/src/**/*.test.tsx', '<rootDir>/examples/*/src/**/*.test.ts'],
  modulePathIgnorePatterns: ['<rootDir>/mmulab-out/'],
  transform: { '\\.tsx?$': ['ts-jest', { tsconfig: '<rootDir>/tsconfig.test.json' }] },
  cacheDirectory: '<rootDir>/node_modules/.cache/jest',
};
