/**
 * Counted events. A backend declares all of its events once; a counter is an index into a Float64Array.
 */

/** One counted event. */
export interface EventDef {
  /** Name as in tables, results and records, for example `page_fault.write`. */
  readonly name: string;
  /** What one count is: `events`, `bytes`, `pages`, `tables`. */
  readonly unit: 'events' | 'bytes' | 'pages' | 'tables';
  /** A gauge holds a level (mapped pages); its value at the end of a phase is reported, not the difference. */
  readonly gauge: boolean;
  /** Counted for the VM as a whole, whichever memslot is concerned: what is compared with records of one memslot. Absent: for the memslot concerned. */
  readonly scope?: 'vm';
  /**
   * How values of several actors and phases become one where it is not their sum: the least of those that are not 0, or the largest. Such a counter starts anew in every
   * phase.
   */
  readonly fold?: 'min' | 'max';
  /** `work`: how much there was to do, for cost models; outputs for readers show it when asked to. Absent: what came of it. */
  readonly group?: 'work';
  /** One sentence. */
  readonly doc: string;
}

/**
 * The counters of one run. `now` is the vector of whoever acts at the moment (a vCPU or the host, in the scope of a memslot or of none); hot
 * code adds to `now[index]` and to nothing else.
 */
export interface Counters {
  now: Float64Array;
  /**
   * Makes the vector of an actor current.
   * @param actor vCPU number, or -1 for the host
   * @param slot memslot whose scope counts (arm64 reports what concerns the test memslot apart); 0 for no particular one
   */
  select(actor: number, slot?: number): void;
  /**
   * Told once by a backend that holds counts back: `flushCounts` is to be called before any vector is read. Counters without it get every count at once.
   */
  holdBack?(flushCounts: () => void): void;
}
