/**
 * The version of this package.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** As in package.json. */
export function version(): string {
  const manifest = JSON.parse(readFileSync(join(__dirname, '..', 'package.json'), 'utf8')) as { readonly version: string };
  return manifest.version;
}
