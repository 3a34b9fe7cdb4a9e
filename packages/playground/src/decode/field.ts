/**
 * How a 64-bit table entry is taken apart: fields by their bits, with the names the architecture's manual gives them and what a value says.
 */

/** One field of an entry. */
export interface Field {
  readonly high: number;
  readonly low: number;
  /** The manual's name for it. */
  readonly name: string;
  /** Whether the hardware ignores it and KVM keeps something there. */
  readonly software?: boolean;
  /** What a value says, in a few words. @param level of the entry, counted from 1 */
  readonly says: (value: bigint, level: number) => string;
}

/** Fields of entries that map a page or block, and of entries that point to a table. */
export interface DescriptorFormat {
  /** `EPT entry`. */
  readonly name: string;
  /** Where the manual has it. */
  readonly manual: string;
  readonly leaf: readonly Field[];
  readonly table: readonly Field[];
  /** What an entry says that is not present, the hardware's view. */
  readonly absent: string;
}

/** A field of one entry. */
export interface DecodedField {
  readonly bits: string;
  readonly name: string;
  readonly value: string;
  readonly says: string;
  readonly software: boolean;
}

/** A field of one bit. */
export function flag(bit: number, name: string, set: string, clear: string, software = false): Field {
  return { high: bit, low: bit, name, software, says: value => (value === 1n ? set : clear) };
}

/** A field whose value is an address: shown as the frame. */
export function address(high: number, low: number, name: string, what: string): Field {
  return { high, low, name, says: value => `${what} 0x${(value << BigInt(low)).toString(16)}` };
}

/** A field of which only the value is told. */
export function field(high: number, low: number, name: string, says: Field['says'], software = false): Field {
  return { high, low, name, says, software };
}

/** Takes a word apart, highest bits first. @param word hexadecimal digits */
export function decode(word: string, level: number, fields: readonly Field[]): readonly DecodedField[] {
  const bits = BigInt(`0x${word}`);
  return [...fields]
    .sort((a, b) => b.high - a.high)
    .map(({ high, low, name, says, software = false }) => {
      const value = (bits >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
      return {
        bits: high === low ? String(high) : `${high}:${low}`,
        name,
        value: high - low < 4 ? value.toString(2).padStart(high - low + 1, '0') : `0x${value.toString(16)}`,
        says: says(value, level),
        software,
      };
    });
}

/** Bits of a word that no field covers and that are set: none, as long as format and word fit. */
export function unexplained(word: string, fields: readonly Field[]): string {
  const known = fields.reduce((mask, { high, low }) => mask | (((1n << BigInt(high - low + 1)) - 1n) << BigInt(low)), 0n);
  return (BigInt(`0x${word}`) & ~known).toString(16);
}
