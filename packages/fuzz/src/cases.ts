/**
 * The cases of a campaign by kind and number: each follows from the seed and its number alone, so that any of them can be run again by itself.
 */
import { loadRegistry, run } from '@mmulab/cli';
import fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { FuzzCase, Kind, Outcome } from './case';
import { commandCases } from './command-lines';
import { configCases } from './configs';
import { recordCases } from './records';
import { vocabularyOf } from './vocabulary';

/** Cases tried on the way to a smaller one. */
const MAX_SHRINKS = 200;
/** Time for it. */
const SHRINK_MS = 5000;
const ODD = 0x9e37_79b1;

/** All cases of a kind. Each is the first of its own seed: small ones are not to come first. */
export function casesOf(kind: Kind): Arbitrary<FuzzCase> {
  if (kind === 'record') return fc.noBias(recordCases(savedResult()));
  const words = vocabularyOf(loadRegistry());
  return fc.noBias(kind === 'config' ? configCases(words) : commandCases(words));
}

/** A result as it is saved, with few counters and options; the same in every process. */
function savedResult(): object {
  const [result] = run({ backend: 'x86-tdp', workload: 'demand_paging_test -v 2 -b 64K -s anonymous' });
  const lists = ['counters', 'options', 'host'];
  const shorter = (name: string, value: unknown): unknown =>
    lists.includes(name) ? Object.fromEntries(Object.entries(value as object).slice(0, 3)) : /^(?:wallMs|simulatorBytes)$/.test(name) ? 1 : value;
  return JSON.parse(JSON.stringify(result, shorter)) as object;
}

/** The seed of one case. */
function seedOf(seed: number, index: number): number {
  return (Math.imul(seed, ODD) ^ Math.imul(index + 1, 0x85eb_ca6b)) | 0;
}

/** One case. */
export function caseAt(cases: Arbitrary<FuzzCase>, seed: number, index: number): FuzzCase {
  return fc.sample(cases, { seed: seedOf(seed, index), numRuns: 1 })[0];
}

/**
 * Runs one case, and smaller ones when it goes wrong.
 * @returns the smallest that goes wrong in the same way, or undefined when nothing does
 */
export async function repeat(
  cases: Arbitrary<FuzzCase>,
  seed: number,
  index: number,
  run: (one: FuzzCase) => Promise<Outcome>,
): Promise<{ readonly one: FuzzCase; readonly fault: string } | undefined> {
  const found: { readonly one: FuzzCase; readonly fault: string }[] = [];
  let [tries, until] = [0, Infinity];
  const isRight = async (one: FuzzCase): Promise<boolean> => {
    const smallest = found.at(-1);
    if (smallest !== undefined && (tries++ > MAX_SHRINKS || Date.now() > until)) return true;
    const { fault } = await run(one);
    if (fault === undefined || (smallest !== undefined && kindOf(fault) !== kindOf(smallest.fault))) return true;
    if (smallest === undefined) until = Date.now() + SHRINK_MS;
    found.push({ one, fault });
    return false;
  };
  await fc.check(fc.asyncProperty(cases, isRight), { seed: seedOf(seed, index), numRuns: 1 });
  return found.at(-1);
}

/** A fault without what differs from case to case: what went wrong, the code it was told by, and the function it was in. */
export function kindOf(fault: string): string {
  const [first] = fault.split('\n');
  const [what, ...rest] = first.split(': ');
  const code = /\b[A-Z][A-Z0-9_]{3,}\b/.exec(rest.join(': '))?.[0] ?? '';
  const where = /\n\s+at (\S+) .*?\/(packages\/[^:)]+)/.exec(fault);
  return `${what.replace(/\d+ ms/, 'the limit')} ${code} ${where === null ? '' : `in ${where[1]} (${where[2]})`}`.trim();
}
