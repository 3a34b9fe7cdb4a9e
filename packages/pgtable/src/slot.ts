/**
 * One 32-bit word per page-table entry of level 2 and above.
 *
 * - empty: 0;
 * - uniform(mapLevel, attr, tableAttr): a leaf (or special entry) when `mapLevel` is the slot's own level; below it, a virtual subtree of tables whose
 *   entries of level `mapLevel` all hold `attr` (0: empty) and whose tables all carry `tableAttr`. Virtual tables take no memory but count;
 * - node(index): an owned table of slots;
 * - leafTable(index): an owned table of level-1 entries.
 *
 * Bits: kind 28-29; uniform: attr 0-7, tableAttr 8-11, mapLevel 12-14; otherwise the index in 0-27. Hot path.
 */

/** Nothing. */
export const EMPTY_SLOT = 0;
/** Kind bits. */
export const UNIFORM = 1 << 28;
export const NODE = 2 << 28;
export const LEAF_TABLE = 3 << 28;
export const KIND_MASK = 3 << 28;
export const INDEX_MASK = (1 << 28) - 1;

/** Packs a uniform slot. A leaf has no table below: give it `tableAttr` 0, so that equal leaves are equal words. */
export function uniformSlot(mapLevel: number, attr: number, tableAttr: number): number {
  return UNIFORM | (mapLevel << 12) | (tableAttr << 8) | attr;
}
/** The word of a leaf or special entry; attribute 0 is empty. */
export function leafSlot(level: number, attr: number): number {
  return attr === 0 ? EMPTY_SLOT : UNIFORM | (level << 12) | attr;
}
export function slotAttr(word: number): number {
  return word & 255;
}
export function slotTableAttr(word: number): number {
  return (word >> 8) & 15;
}
export function slotMapLevel(word: number): number {
  return (word >> 12) & 7;
}

/** The word of every entry of the virtual table below a uniform slot of `level` (mapLevel < level). */
export function childSlot(word: number, level: number): number {
  return slotMapLevel(word) === level - 1 ? leafSlot(level - 1, slotAttr(word)) : word;
}

/**
 * The uniform slot of a table (attribute `tableAttr`, entries of level `level` - 1) all of whose entries are the word `child`; -1 when no
 * uniform slot can say so: the entries own storage, or the tables below carry another attribute.
 */
export function foldSlot(child: number, level: number, tableAttr: number): number {
  if (child === EMPTY_SLOT) return uniformSlot(level - 1, 0, tableAttr);
  if ((child & KIND_MASK) !== UNIFORM) return -1;
  if (slotMapLevel(child) === level - 1) return uniformSlot(level - 1, slotAttr(child), tableAttr);
  return slotTableAttr(child) === tableAttr ? child : -1;
}
