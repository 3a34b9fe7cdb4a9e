/**
 * The errors of this package, sorted by code. A message names file and line where there is one, the value, and what was expected.
 */
import { MmulabError } from '@mmulab/api';

/** Where something stands: a file, and its line when it is known. */
export interface Place {
  readonly file: string;
  readonly line?: number | undefined;
}

const at = ({ file, line }: Place): string => (line === undefined ? file : `${file}:${line}`);
const cut = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}...` : text);

/** Imports of one command say two things, or counts where a config is wanted. */
export function importUnfit(file: string, format: string, problem: string): MmulabError {
  return new MmulabError('IMPORT_UNFIT', `${file}: ${format}: ${problem}`);
}

/** The file is of a known format, and broken. */
export function importMalformed(place: Place, format: string, problem: string): MmulabError {
  return new MmulabError('IMPORT_MALFORMED', `${at(place)}: ${format}: ${cut(problem)}`);
}

/** Counts were found, and nobody says of what. */
export function noCommand(file: string): MmulabError {
  return new MmulabError(
    'IMPORT_NO_COMMAND',
    `${file}: does not say which test was counted: give it after --, as in mmulab import ${file} -- TEST -v 2`,
  );
}

/** Nothing in the file means anything to a run. */
export function nothingUnderstood(file: string, format: string, expected: string): MmulabError {
  return new MmulabError('IMPORT_NOTHING', `${file}: ${format}: nothing in it concerns a run; expected ${expected}`);
}

/** The file is of no format that is read. */
export function unknownFormat(file: string, formats: readonly string[]): MmulabError {
  return new MmulabError('IMPORT_UNKNOWN_FORMAT', `${file}: of no format that can be imported (known: ${formats.join('; ')})`);
}

/** A value that its own program would refuse. */
export function importValue(place: Place, what: string, value: unknown, expected: string): MmulabError {
  return new MmulabError('IMPORT_VALUE', `${at(place)}: ${cut(what)}: ${cut(JSON.stringify(value) ?? 'nothing')}: expected ${expected}`);
}
