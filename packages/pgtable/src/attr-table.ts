/**
 * Interning of attribute bits: each combination of bits a backend uses gets a small id, which is what entries and leaf tables store.
 *
 * Id 0 is "empty". Special attributes (frozen, MMIO, owner annotations) are ids that are not present; the engine treats them as neither empty nor
 * mapped. Ids are handed out in order of first use and are at most 255.
 */
import { MmulabError } from '@mmulab/api';

/** Interned attributes of one backend instance. */
export class AttrTable {
  /** Bits by id. */
  readonly bits = new Int32Array(256);
  /** 1 for ids that are special: not present, not empty. */
  readonly special = new Uint8Array(256);
  private readonly ids = new Map<number, number>();
  private size = 1;

  /**
   * Id of a combination of bits.
   * @param bits the backend's own bits, not 0
   * @param special whether entries of this attribute are non-present; fixed at first use
   */
  intern(bits: number, special = false): number {
    const known = this.ids.get(bits);
    if (known !== undefined) return known;
    if (this.size > 255) throw new MmulabError('ATTR_TABLE_FULL', 'more than 255 combinations of attribute bits', 'internal');
    const id = this.size++;
    this.bits[id] = bits;
    this.special[id] = special ? 1 : 0;
    this.ids.set(bits, id);
    return id;
  }

  /** Number of ids in use, id 0 included. */
  get count(): number {
    return this.size;
  }
}
