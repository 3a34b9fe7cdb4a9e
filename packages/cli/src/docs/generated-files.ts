/**
 * The files that are generated from the definitions of the built-in plugins, and what belongs into them.
 */
import { configSchema, type Registry } from '@mmulab/runner';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shippedRecords } from '../shipped-records';
import { configurationPage } from './configuration-page';
import { eventsPage } from './events-page';
import { fidelityPage, judge } from './fidelity-page';

/** A file and its text. */
export interface GeneratedFile {
  /** Absolute path. */
  readonly path: string;
  readonly text: string;
}

/** From lib/docs/ and src/docs/ alike. */
const PACKAGE = join(__dirname, '..', '..');
const CHECKOUT = join(PACKAGE, '..', '..');

/** All generated files of a checkout. */
export function generatedFiles(registry: Registry): readonly GeneratedFile[] {
  return [
    { path: join(CHECKOUT, 'docs', 'events.md'), text: eventsPage(registry) },
    { path: join(CHECKOUT, 'docs', 'configuration.md'), text: configurationPage(registry) },
    { path: join(PACKAGE, 'schema', 'config.v1.json'), text: `${JSON.stringify(configSchema(registry), undefined, 2)}\n` },
  ];
}

/** docs/fidelity.md, with what running all shipped records comes to. Takes as long as `mmulab verify`. */
export function fidelityFile(registry: Registry): GeneratedFile {
  const path = join(CHECKOUT, 'docs', 'fidelity.md');
  return { path, text: fidelityPage(readFileSync(path, 'utf8'), judge(shippedRecords(), registry), registry) };
}
