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

/** One setting cannot be rows and columns at once. */
export function pivotOnOneAxis(name: string): MmulabError {
  return new MmulabError('REPORT_PIVOT_AXES', `--pivot: ${name}: rows and columns are the same setting; expected two axes of the matrix`);
}

/** A name is missing between commas. */
export function emptyPivotName(text: string): MmulabError {
  return new MmulabError('REPORT_PIVOT_FORM', `--pivot ${text}: a name is empty; expected ROW,COLUMN,COUNTER`);
}

/** `--pivot` takes three names. */
export function pivotNeedsThree(text: string): MmulabError {
  return new MmulabError('REPORT_PIVOT_FORM', `--pivot ${text}: expected ROW,COLUMN,COUNTER: two axes of the matrix, and a counter or time`);
}

/** There will be no times to show. */
export function untimedPivot(): MmulabError {
  return new MmulabError('REPORT_PIVOT_UNTIMED', '--pivot: time: none of the runs names a cost model (time.model); expected a counter');
}

/** A page would be too large to be opened and sent. */
export function reportTooLarge(bytes: number, maxBytes: number): MmulabError {
  const ways = '--counters and --phases name what is to be in it, or make one report of fewer runs';
  return new MmulabError('REPORT_TOO_LARGE', `--html: the page would have ${bytes} bytes, at most ${maxBytes} are allowed; ${ways}`);
}

/** The runs do not differ in this. */
export function unknownAxis(name: string, axes: readonly string[]): MmulabError {
  return new MmulabError('REPORT_UNKNOWN_AXIS', `--pivot: ${name}: not a setting in which these runs differ${suggestName(name, axes)}`);
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
