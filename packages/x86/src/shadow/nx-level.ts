/**
 * How shadow pages stand in the list of NX huge pages, whose entries are positions of tables in the TDP MMU.
 */

/** Level of the marks that stand for shadow pages: their number takes the place of a frame. */
export const NX_SHADOW_LEVEL = 16;
