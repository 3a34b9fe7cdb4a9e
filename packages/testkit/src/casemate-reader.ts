/**
 * Reads the trace language of Casemate's checker, strictly: one record per line, fields in their order, numbers in the base they are written in.
 *
 * It knows the language and nothing else, least of all who wrote the trace. What a trace means is casemate-checker.ts's affair. A line that begins with an exclamation mark ends
 * the trace: there the tool that wrote it had found a fault.
 */
import { casemateAddress, casemateSyntax } from './casemate-errors';

/** One record. Addresses of memory are bytes below 2^52; those of locks may be anything. */
export type CasemateRecord = Readonly<{ line: number; tid: number; src: string }> &
  (
    | Readonly<{ kind: 'sysreg-write'; register: string; value: bigint }>
    | Readonly<{ kind: 'mem-init' | 'mem-free'; address: number; size: number }>
    | Readonly<{ kind: 'mem-set'; address: number; size: number; value: bigint }>
    | Readonly<{ kind: 'mem-write'; release: boolean; address: number; value: bigint }>
    | Readonly<{ kind: 'mem-read'; address: number; value: bigint }>
    | Readonly<{ kind: 'dsb'; domain: 'ish' | 'ishst' | 'nsh' }>
    | Readonly<{ kind: 'isb' }>
    | Readonly<{ kind: 'tlbi'; operation: string; value: bigint }>
    | Readonly<{ kind: 'hint'; hint: string; location: number; value: bigint }>
    | Readonly<{ kind: 'lock' | 'unlock'; address: bigint }>
  );

const HEX = '((?:0x)?[0-9a-fA-F]{1,16})';
const RANGE = new RegExp(`^\\(address ${HEX}\\) \\(size ${HEX}\\)$`);
const LOCK = new RegExp(`^\\(address ${HEX}\\)$`);
const BY_ADDRESS = 'ipas2e1is|vale2is|vae2is';
const WHOLE = '(?:vmalle1|vmalls12e1|alle1|alle2)(?:is)?';
const FIELDS: Readonly<Record<string, RegExp>> = {
  'sysreg-write': new RegExp(`^\\(sysreg ((?:vttbr|ttbr0|vtcr|tcr|hcr|sctlr|mair)_el2)\\) \\(value ${HEX}\\)$`),
  'mem-init': RANGE,
  'mem-free': RANGE,
  'mem-set': new RegExp(`^\\(address ${HEX}\\) \\(size ${HEX}\\) \\(value ((?:0x)?[0-9a-fA-F]{1,2})\\)$`),
  'mem-write': new RegExp(`^\\(mem-order (plain|release)\\) \\(address ${HEX}\\) \\(value ${HEX}\\)$`),
  'mem-read': new RegExp(`^\\(address ${HEX}\\) \\(value ${HEX}\\)$`),
  barrier: /^(?:dsb \(kind (ish|ishst|nsh)\)|isb)$/,
  tlbi: new RegExp(`^(?:(${BY_ADDRESS}) \\(value ${HEX}\\)|(${WHOLE}))$`),
  hint: new RegExp(`^\\(kind (set_root_lock|set_owner_root|release_table|set_pte_thread_owner)\\) \\(location ${HEX}\\) \\(value ${HEX}\\)$`),
  lock: LOCK,
  trylock: LOCK,
  unlock: LOCK,
};
const RECORD = /^\(([a-z-]+) \(id (0|[1-9]\d*)\) \(tid (0|[1-9]\d*)\) (.*) \(src "([^"]+:\d+)"\)\)$/;

/** Threads, host included. */
const MAX_THREADS = 4;
const ENTRY = 8;
const PAGE = 0x1000;
const ADDRESS_LIMIT = 2 ** 52;

/**
 * Reads a trace.
 * @returns its records in order
 * @throws CASEMATE_SYNTAX with the line: no record, fields missing or in another order, ids that do not count up, a thread there is not
 * @throws CASEMATE_ADDRESS with the line: an entry or a page that does not lie where such things lie
 */
export function readCasemateTrace(text: string): readonly CasemateRecord[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const end = lines.findIndex(line => line.startsWith('!'));
  let id = -1;
  return lines.slice(0, end < 0 ? lines.length : end).map((line, index) => {
    const match = RECORD.exec(line);
    if (match === null) throw casemateSyntax(index + 1, line, 'a record (NAME (id N) (tid N) … (src "FILE:LINE"))');
    if (Number(match[2]) <= id) throw casemateSyntax(index + 1, line, `an id above ${id}`);
    id = Number(match[2]);
    if (Number(match[3]) >= MAX_THREADS) throw casemateSyntax(index + 1, line, 'a thread from 0 to 3');
    return readRecord(index + 1, line, match);
  });
}

function readRecord(number: number, line: string, [, name, , tid, fields, src]: readonly string[]): CasemateRecord {
  const pattern = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
  const match = pattern?.exec(fields);
  if (match === undefined || match === null)
    throw casemateSyntax(number, line, pattern === undefined ? 'the name of a record' : `the fields of ${name}`);
  const common = { line: number, tid: Number(tid), src };
  switch (name) {
    case 'sysreg-write':
      return { ...common, kind: name, register: match[1], value: wide(match[2]) };
    case 'mem-init':
    case 'mem-free':
      return { ...common, kind: name, ...range(number, match) };
    case 'mem-set':
      return { ...common, kind: name, ...range(number, match), value: wide(match[3]) };
    case 'mem-write':
      return { ...common, kind: name, release: match[1] === 'release', address: entry(number, match[2]), value: wide(match[3]) };
    case 'mem-read':
      return { ...common, kind: name, address: entry(number, match[1]), value: wide(match[2]) };
    case 'barrier':
      return fields === 'isb' ? { ...common, kind: 'isb' } : { ...common, kind: 'dsb', domain: match[1] as 'ish' };
    case 'tlbi':
      return { ...common, kind: name, operation: match[1] ?? match[3], value: wide(match[2] ?? '0') };
    case 'hint':
      return { ...common, kind: name, hint: match[1], location: entry(number, match[2]), value: wide(match[3]) };
    default:
      return { ...common, kind: name === 'unlock' ? name : 'lock', address: wide(match[1]) };
  }
}

/** A stretch of whole pages. */
function range(line: number, [, address, size]: readonly string[]): { readonly address: number; readonly size: number } {
  return { address: multiple(line, 'address', address, PAGE), size: multiple(line, 'size', size, PAGE) };
}

/** The address of an entry, or of anything that is one or more of them. */
function entry(line: number, text: string): number {
  return multiple(line, 'address', text, ENTRY);
}

function multiple(line: number, what: string, text: string, unit: number): number {
  const value = wide(text);
  if (value >= ADDRESS_LIMIT || value % BigInt(unit) !== 0n) throw casemateAddress(line, `${what} ${text}`, `a multiple of ${unit} below 2^52`);
  return Number(value);
}

function wide(text: string): bigint {
  return BigInt(text.startsWith('0x') ? text : `0x${text}`);
}
