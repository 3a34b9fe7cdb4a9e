/**
 * `--slot GPA:SIZE[@HVA]`: a memslot in words. Addresses are hexadecimal with 0x, or sizes (`4G`); sizes take the usual suffixes.
 */
import { parseSize } from '@mmulab/api';
import { traceOption } from './errors';
import type { GivenSlot } from './guest-memory';

const PAGE_BYTES = 4096;
const EXPECTED = 'GPA:SIZE or GPA:SIZE@HVA, multiples of 4096, as 0xfcff600000:4M@0x7f0000000000';

/** @throws TRACE_OPTION */
export function readSlot(text: string): GivenSlot {
  const match = /^([^:@]+):([^:@]+)(?:@([^:@]+))?$/.exec(text.trim());
  const gpa = read(match?.[1]);
  const size = read(match?.[2]);
  const hva = match?.[3] === undefined ? gpa : read(match[3]);
  if (gpa === undefined || size === undefined || hva === undefined || size === 0) throw traceOption('--slot', text, EXPECTED);
  return { baseGfn: gpa / PAGE_BYTES, npages: size / PAGE_BYTES, hvf: hva / PAGE_BYTES };
}

function read(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bytes = /^0x[0-9a-f]{1,13}$/i.test(text) ? Number(text) : parseSize(text);
  return bytes === undefined || bytes % PAGE_BYTES !== 0 ? undefined : bytes;
}
