/**
 * The shape of stage-2 tables: from granule and guest address width to levels, start level and concatenated start tables.
 *
 * Inside mmulab levels count up from 1 = one page; the architecture counts down to 3 = one page. `archLevel` turns one into the other: the only
 * place where both meet.
 *
 * Models: Linux arch/arm64/include/asm/kvm_pgtable.h and stage2_pgtable.h: ARM64_HW_PGTABLE_LEVEL_SHIFT(), stage2_pgtable_levels(),
 * kvm_pgd_pages(), KVM_PGTABLE_MIN_BLOCK_LEVEL, kvm_mmu_cache_min_pages().
 */
import { formatSize } from '@mmulab/api';
import { Geometry } from '@mmulab/pgtable';
import { badGranule, badIpaBits } from './errors';

/** Pages, and blocks of level 2, that a contiguous page of the host is made of, by page shift. */
const CONTIGUOUS: Readonly<Record<number, readonly [pages: number, blocks: number]>> = { 12: [16, 16], 14: [128, 32], 16: [32, 32] };
const GRANULES = [4096, 16384, 65536];
/** Bits one level's index and the page offset never cover: 2^b is reached with at most 16 concatenated start tables. */
const CONCATENATION_BITS = 4;

/** Shape of one VM's stage-2. */
export interface Stage2Shape {
  readonly geometry: Geometry;
  readonly granuleBytes: number;
  readonly pageShift: number;
  /** Guest physical address bits. */
  readonly ipaBits: number;
  /** Start level in the architecture's numbering. */
  readonly startLevel: number;
  /** Largest level (counted from 1) at which a leaf may lie. */
  readonly maxLeafLevel: number;
  /** Objects a memory cache must hold before a fault maps anything. */
  readonly minCachePages: number;
}

/** Bits of the page offset. Throws STAGE2_GRANULE. */
function pageShiftOf(granuleBytes: number): number {
  if (!GRANULES.includes(granuleBytes)) throw badGranule(granuleBytes);
  return Math.log2(granuleBytes);
}

/** Level in the architecture's numbering (3 = page) of a level counted from 1, or the reverse. */
export function archLevel(level: number): number {
  return 4 - level;
}

/** Largest level with leaves: 1 GiB blocks exist with 4 KiB granules only. */
export function maxLeafLevelOf(granuleBytes: number): number {
  return granuleBytes === 4096 ? 3 : 2;
}

/** Bytes a leaf of a level (counted from 1) maps. */
export function leafBytes(granuleBytes: number, level: number): number {
  return granuleBytes * (granuleBytes / 8) ** (level - 1);
}

/**
 * Entries of a contiguous page of the host, by level (CONT_PTES, CONT_PMDS). Stage 2 itself has no contiguous entries.
 * @throws STAGE2_GRANULE
 */
export function contiguousEntries(granuleBytes: number): Readonly<Record<1 | 2, number>> {
  const [pages, blocks] = CONTIGUOUS[pageShiftOf(granuleBytes)] ?? [1, 1];
  return { 1: pages, 2: blocks };
}

/**
 * Shape for a granule and address width.
 * @param limitBits largest width the machine allows
 * @param why what sets that limit, for the message
 * @throws STAGE2_GRANULE, HOST_IPA_BITS
 */
export function stage2Shape(granuleBytes: number, ipaBits: number, limitBits = 52, why = 'the architecture'): Stage2Shape {
  const pageShift = pageShiftOf(granuleBytes);
  if (!Number.isInteger(ipaBits) || ipaBits < 32 || ipaBits > limitBits) throw badIpaBits(ipaBits, formatSize(granuleBytes), limitBits, why);
  const indexBits = pageShift - 3;
  const levels = Math.max(2, Math.floor((ipaBits - 4 - CONCATENATION_BITS) / indexBits));
  const tableBits = pageShift + levels * indexBits;
  return {
    geometry: new Geometry(2 ** indexBits, levels, 2 ** Math.max(0, ipaBits - tableBits)),
    granuleBytes,
    pageShift,
    ipaBits,
    startLevel: archLevel(levels),
    maxLeafLevel: maxLeafLevelOf(granuleBytes),
    minCachePages: levels - 1,
  };
}
