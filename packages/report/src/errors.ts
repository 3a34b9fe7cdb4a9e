/**
 * The errors of this package, sorted by code.
 */
import { MmulabError, suggestName } from '@mmulab/api';

/** The report has no such form: a verification has no lines of a selftest. */
export function noSuchForm(format: string, what: string, formats: readonly string[]): MmulabError {
  return new MmulabError('REPORT_NO_SUCH_FORM', `${what} cannot be written as ${format} (possible: ${formats.join(', ')})`);
}

/** Fewer than two results were handed to a comparison. */
export function nothingToCompare(count: number): MmulabError {
  return new MmulabError('REPORT_NOTHING_TO_COMPARE', `a comparison needs at least two results, here ${count === 1 ? 'is one' : 'are none'}`);
}

/** None of the results has this counter. */
export function unknownCounter(name: string, counters: readonly string[]): MmulabError {
  return new MmulabError('REPORT_UNKNOWN_COUNTER', `${name}: not a counter of these runs${suggestName(name, counters)}`);
}

/** No reporter has this name. */
export function unknownFormat(name: string, formats: readonly string[]): MmulabError {
  return new MmulabError('REPORT_UNKNOWN_FORMAT', `${name}: not an output format${suggestName(name, formats)}`);
}

/** None of the results has this phase. */
export function unknownPhase(name: string, phases: readonly string[]): MmulabError {
  return new MmulabError('REPORT_UNKNOWN_PHASE', `${name}: not a phase of these runs${suggestName(name, phases)}`);
}
