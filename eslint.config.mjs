/**
 * Lint rules: type-aware over sources and tests alike, through the one project tsconfig.test.json (pages for browsers: tsconfig.page.json). It reads other packages as built, so
 * `npm run lint` builds first. Each rule beyond the recommended ones stands for a sentence of CONTRIBUTING.md.
 */
import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const noExportAll = { selector: 'ExportAllDeclaration', message: 'Name each export: an index is the reading order of its package.' };
const noEnum = { selector: 'TSEnumDeclaration', message: 'Use an `as const` object.' };
const noLazyImport = { selector: 'ImportExpression', message: 'Load lazily with require(): import() does not run under jest.' };

export default defineConfig(
  { ignores: ['**/lib/', '**/assets/', '**/node_modules/', 'coverage/', 'mmulab-out/', '.nx/'] },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['./tsconfig.test.json', './packages/report/tsconfig.page.json', './packages/playground/tsconfig.page.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      eqeqeq: 'error',
      'no-restricted-syntax': ['error', noExportAll, noEnum, noLazyImport],
    },
  },
  {
    files: ['**/*.test.ts', '**/*.test.tsx'],
    rules: {
      // expect(object.method) hands a method over without calling it.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: { require: 'readonly', module: 'writable', process: 'readonly', console: 'readonly', __dirname: 'readonly' },
    },
  },
);
