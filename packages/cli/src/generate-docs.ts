/**
 * Writes what is generated from the definitions: docs/events.md, docs/configuration.md and the JSON Schema of configs; and, by running all
 * shipped records, the judged part of docs/fidelity.md.
 *
 *   node packages/cli/lib/generate-docs.js [--check]
 *
 * With `--check` nothing is written: the exit code is 1 when a file is stale, and its name is printed.
 */
import { writeWithDirectory } from '@mmulab/runner';
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { loadRegistry } from './built-in';
import { fidelityFile, generatedFiles, type GeneratedFile } from './docs/generated-files';
import { ExitCode } from './exit-code';

function isStale({ path, text }: GeneratedFile): boolean {
  return !existsSync(path) || readFileSync(path, 'utf8') !== text;
}

const isCheck = process.argv.includes('--check');
const registry = loadRegistry();
const stale = [...generatedFiles(registry), fidelityFile(registry)].filter(isStale);
for (const file of stale) {
  if (!isCheck) writeWithDirectory(file.path, file.text);
  console.log(`${isCheck ? 'stale' : 'wrote'}: ${relative(process.cwd(), file.path)}`);
}
if (isCheck && stale.length > 0) {
  console.log('Run npm run docs.');
  process.exitCode = ExitCode.Failed;
}
