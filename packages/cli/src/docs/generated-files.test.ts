/**
 * What is generated from the definitions is as they are now.
 */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { loadRegistry } from '../built-in';
import { generatedFiles } from './generated-files';

describe('generated files', () => {
  const registry = loadRegistry();
  const files = generatedFiles(registry);

  it.each(files.map(file => [basename(file.path), file] as const))('%s is not stale (npm run docs)', (_name, { path, text }) => {
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it('name every counter and every option', () => {
    const [events = '', configuration = ''] = files.map(file => file.text);
    for (const backend of registry.backends()) {
      for (const event of backend.events) expect(events).toContain(`| \`${event.name}\` |`);
      for (const option of [...backend.options, ...backend.hostOptions]) expect(configuration).toContain(`| \`${option.name}\``);
    }
    for (const workload of registry.workloads()) {
      for (const option of workload.options) expect(configuration).toContain(`| \`${option.name}\``);
    }
  });
});
