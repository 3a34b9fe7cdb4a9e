/**
 * One 32-bit word per page-table entry of level 2 and above.
 *
 * - empty: 0;
 * - uniform(mapLevel, attr, tableAttr): a leaf (or special entry) when `mapLevel` is the entry's own level; below it, a virtual subtree of tables whose
 *   entries of level `mapLevel` all hold `attr` (0: empty) and whose tables all carry `tableAttr`. Virtual tables take no memory but count;
 * - node(index): an owned table of entries;
 * - leafTable(index): an owned table of level-1 entries.
 *
 * Bits: kind 28-29; uniform: attr 0-7, tableAttr 8-11, mapLevel 12-14; otherwise the index in 0-27. Hot path.
 */

/** Nothing. */
export const EMPTY_WORD = 0;
/** Kind bits. */
export const UNIFORM = 1 << 28;
export const NODE = 2 << 28;
export const LEAF_TABLE = 3 << 28;
export const KIND_MASK = 3 << 28;
export const INDEX_MASK = (1 << 28) - 1;
/** Set in the index of a node that is a kept content (node-contents.ts): such a word lies in no tree. */
export const KEPT = 1 << 27;

/** Packs a uniform word. A leaf has no table below: give it `tableAttr` 0, so that equal leaves are equal words. */
export function uniformWord(mapLevel: number, attr: number, tableAttr: number): number {
  return UNIFORM | (mapLevel << 12) | (tableAttr << 8) | attr;
}
/** The word of a leaf or special entry; attribute 0 is empty. */
export function leafWord(level: number, attr: number): number {
  return attr === 0 ? EMPTY_WORD : UNIFORM | (level << 12) | attr;
}
export function wordAttr(word: number): number {
  return word & 255;
}
export function wordTableAttr(word: number): number {
  return (word >> 8) & 15;
}
export function wordMapLevel(word: number): number {
  return (word >> 12) & 7;
}

/** The word of every entry of the virtual table below a uniform word of an entry of `level` (mapLevel < level). */
export function childWord(word: number, level: number): number {
  return wordMapLevel(word) === level - 1 ? leafWord(level - 1, wordAttr(word)) : word;
}

/**
 * The uniform word of a table (attribute `tableAttr`, entries of level `level` - 1) all of whose entries are the word `child`; -1 when no
 * uniform word can say so: the entries own storage, or the tables below carry another attribute.
 */
export function foldWord(child: number, level: number, tableAttr: number): number {
  if (child === EMPTY_WORD) return uniformWord(level - 1, 0, tableAttr);
  if ((child & KIND_MASK) !== UNIFORM) return -1;
  if (wordMapLevel(child) === level - 1) return uniformWord(level - 1, wordAttr(child), tableAttr);
  return wordTableAttr(child) === tableAttr ? child : -1;
}
