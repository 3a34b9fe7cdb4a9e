/**
 * The units everything is measured in: frames, levels and byte sizes.
 *
 * Frame numbers count 4 KiB pages on x86 and pages of the host granule elsewhere; byte addresses live only at the edges (configuration,
 * dumps). The flavoured number types keep a guest frame from being taken for a host frame at no cost.
 */

/** Guest physical frame number: guest physical address divided by the page size. Up to 45 bits. */
export type Gfn = number & { readonly unit?: 'gfn' };
/** Guest virtual frame number: guest virtual address divided by the page size. */
export type Vfn = number & { readonly unit?: 'vfn' };
/** Host physical frame number. */
export type Pfn = number & { readonly unit?: 'pfn' };
/** Host virtual frame number: host virtual address divided by the page size. Only its congruence with the gfn matters to an MMU. */
export type Hvf = number & { readonly unit?: 'hvf' };
/** Level of a page-table entry, counted up from 1 = one page. */
export type Level = number & { readonly unit?: 'level' };

/** Bytes in one small page of the x86 and of the default arm64 granule. */
export const PAGE_SIZE_BYTES = 4096;

/** Entries per table on every 64-bit radix table with a 4 KiB granule. */
export const ENTRIES_PER_TABLE = 512;

/** Pages of 4 KiB that one entry of a 512-entry table maps at levels 1 to 5; index 0 is unused. */
export const PAGES_PER_LEVEL: readonly number[] = [0, 1, 512, 512 ** 2, 512 ** 3, 512 ** 4];

const SIZE_FACTORS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/**
 * Reads a size such as `4K`, `16M`, `1G`, `12T` or a plain number of bytes, also in hexadecimal (`0x200000`), as the tests do.
 * @returns bytes, or undefined when the text is not a size: negative, fractional, unknown suffix, beyond 2^53.
 */
export function parseSize(text: string): number | undefined {
  const match = /^(0x[0-9a-f]+|\d+)([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  if (match === null) return undefined;
  const bytes = Number(match[1]) * (SIZE_FACTORS[(match[2] ?? '').toUpperCase()] ?? NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Writes a byte count with the largest suffix that divides it: 1073741824 becomes `1G`. */
export function formatSize(bytes: number): string {
  for (const suffix of ['T', 'G', 'M', 'K']) {
    const factor = SIZE_FACTORS[suffix] ?? 1;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${suffix}`;
  }
  return String(bytes);
}

const TIME_FACTORS_NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** Reads a time such as `250ns`, `1.5us`, `20ms`, `3s`. @returns nanoseconds, or undefined when the text is not a time. */
export function parseTimeNs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ns|us|ms|s)$/.exec(text.trim());
  return match === null ? undefined : Number(match[1]) * (TIME_FACTORS_NS[match[2] ?? 'ns'] ?? NaN);
}
