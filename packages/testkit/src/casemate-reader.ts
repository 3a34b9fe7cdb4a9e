/**
 * Reads the trace language of Casemate's checker, strictly: one record per line, fields in their order, numbers in the base they are written in.
 *
 * It knows the language and nothing else, least of all who wrote the trace. What a trace means is casemate-checker.ts's affair.
 */
import { casemateSyntax } from './casemate-errors';

/** One record. */
export type CasemateRecord = Readonly<{ line: number; tid: number; src: string }> &
  (
    | Readonly<{ kind: 'sysreg-write'; register: string; value: bigint }>
    | Readonly<{ kind: 'mem-init' | 'mem-free'; address: number; size: number }>
    | Readonly<{ kind: 'mem-write'; release: boolean; address: number; value: bigint }>
    | Readonly<{ kind: 'dsb'; inner: boolean }>
    | Readonly<{ kind: 'isb' }>
    | Readonly<{ kind: 'tlbi'; operation: string; value: bigint }>
    | Readonly<{ kind: 'hint'; hint: string; location: number; value: number }>
    | Readonly<{ kind: 'lock' | 'unlock'; address: number }>
  );

const HEX = '((?:0x)?[0-9a-f]{1,16})';
const FIELDS: Readonly<Record<string, RegExp>> = {
  'sysreg-write': new RegExp(`^\\(sysreg (vttbr_el2|vtcr_el2|hcr_el2)\\) \\(value ${HEX}\\)$`),
  'mem-init': new RegExp(`^\\(address ${HEX}\\) \\(size ${HEX}\\)$`),
  'mem-free': new RegExp(`^\\(address ${HEX}\\) \\(size ${HEX}\\)$`),
  'mem-write': new RegExp(`^\\(mem-order (plain|release)\\) \\(address ${HEX}\\) \\(value ${HEX}\\)$`),
  barrier: /^(?:dsb \(kind (ish|ishst|nsh)\)|isb)$/,
  tlbi: new RegExp(`^(?:(ipas2e1is) \\(value ${HEX}\\)|(vmalle1is|vmalls12e1is|alle1is))$`),
  hint: new RegExp(`^\\(kind (set_root_lock|set_owner_root|release_table)\\) \\(location ${HEX}\\) \\(value ${HEX}\\)$`),
  lock: new RegExp(`^\\(address ${HEX}\\)$`),
  unlock: new RegExp(`^\\(address ${HEX}\\)$`),
};
const RECORD = /^\(([a-z-]+) \(id (0|[1-9]\d*)\) \(tid (0|[1-9]\d*)\) (.*) \(src "([^"]+:\d+)"\)\)$/;

/** Threads, host included. */
const MAX_THREADS = 4;

/**
 * Reads a trace.
 * @returns its records in order
 * @throws CASEMATE_SYNTAX with the line: no record, fields missing or in another order, ids that do not count up, a thread there is not
 */
export function readCasemateTrace(text: string): readonly CasemateRecord[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  let id = -1;
  return lines.map((line, index) => {
    const match = RECORD.exec(line);
    if (match === null) throw casemateSyntax(index + 1, line, 'a record (NAME (id N) (tid N) … (src "FILE:LINE"))');
    if (Number(match[2]) <= id) throw casemateSyntax(index + 1, line, `an id above ${id}`);
    id = Number(match[2]);
    if (Number(match[3]) >= MAX_THREADS) throw casemateSyntax(index + 1, line, 'a thread from 0 to 3');
    return readRecord(index + 1, line, match);
  });
}

function readRecord(number: number, line: string, [, name, , tid, fields, src]: readonly string[]): CasemateRecord {
  const pattern = FIELDS[name];
  const match = pattern?.exec(fields);
  if (match === undefined || match === null)
    throw casemateSyntax(number, line, pattern === undefined ? 'the name of a record' : `the fields of ${name}`);
  const common = { line: number, tid: Number(tid), src };
  switch (name) {
    case 'sysreg-write':
      return { ...common, kind: name, register: match[1], value: wide(match[2]) };
    case 'mem-init':
    case 'mem-free':
      return { ...common, kind: name, address: narrow(match[1]), size: narrow(match[2]) };
    case 'mem-write':
      return { ...common, kind: name, release: match[1] === 'release', address: narrow(match[2]), value: wide(match[3]) };
    case 'barrier':
      return fields === 'isb' ? { ...common, kind: 'isb' } : { ...common, kind: 'dsb', inner: match[1] === 'ish' };
    case 'tlbi':
      return match[1] === undefined
        ? { ...common, kind: name, operation: match[3], value: 0n }
        : { ...common, kind: name, operation: match[1], value: wide(match[2]) };
    case 'hint':
      return { ...common, kind: name, hint: match[1], location: narrow(match[2]), value: narrow(match[3]) };
    default:
      return { ...common, kind: name as 'lock' | 'unlock', address: narrow(match[1]) };
  }
}

function wide(text: string): bigint {
  return BigInt(text.startsWith('0x') ? text : `0x${text}`);
}

/** An address: 48 bits and so a plain number. */
function narrow(text: string): number {
  return Number(wide(text));
}
