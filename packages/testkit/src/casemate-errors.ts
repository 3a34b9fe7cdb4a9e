/**
 * Errors of the reader of Casemate traces.
 */
import { MmulabError } from '@mmulab/api';

/** CASEMATE_SYNTAX: a line that is no record. */
export function casemateSyntax(line: number, text: string, expected: string): MmulabError {
  return new MmulabError('CASEMATE_SYNTAX', `line ${line}: ${text}: expected ${expected}`);
}
