/**
 * Single accesses of several vCPUs, one after the other, as data: who is told many at once can fetch what they need together.
 */

/** Accesses in order: access i is vCPU `vcpus[i]`'s, of kind `kinds[i]`, to frame `vfns[i]`. The arrays belong to whoever fills them, and are filled anew once all have been made. */
export interface AccessBatch {
  /** Number of accesses; the arrays may be longer. */
  count: number;
  readonly vcpus: Int32Array;
  readonly vfns: Float64Array;
  /** AccessKind. */
  readonly kinds: Uint8Array;
}
