/**
 * Errors of the reader of Casemate traces, by code.
 */
import { MmulabError } from '@mmulab/api';

/** CASEMATE_ADDRESS: an address or a size that no table page or entry can have. */
export function casemateAddress(line: number, what: string, expected: string): MmulabError {
  return new MmulabError('CASEMATE_ADDRESS', `line ${line}: ${what}: expected ${expected}`);
}

/** CASEMATE_SYNTAX: a line that is no record. */
export function casemateSyntax(line: number, text: string, expected: string): MmulabError {
  return new MmulabError('CASEMATE_SYNTAX', `line ${line}: ${text}: expected ${expected}`);
}
