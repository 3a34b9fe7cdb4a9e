/**
 * Where the records lie that come with mmulab.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The package whose `records/` hold them. */
const RECORDS_PACKAGE = '@mmulab/testkit';

/** Paths of the records that come with mmulab, in the order of their names. */
export function shippedRecords(): readonly string[] {
  const directory = join(dirname(require.resolve(`${RECORDS_PACKAGE}/package.json`)), 'records');
  const names = existsSync(directory) ? readdirSync(directory).filter(name => name.endsWith('.json')) : [];
  return names.sort().map(name => join(directory, name));
}
