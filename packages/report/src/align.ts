/**
 * Phases of several runs side by side, matched by what they do.
 *
 * Rounds are numbered through (`1_w`, `2_r`), so a host operation put in front gives every later one another name (`1_D`, `2_w`, `3_r`) although it does the same.
 * Runs are therefore aligned as texts are: the longest sequence of deeds that both have in order, everything else beside it. What a phase does is its name
 * without the position in front; the number of an iteration (`dirty_2`) belongs to the deed.
 */

/** One row of the alignment. */
export interface AlignedPhase {
  /** The name in the runs: `dirty_1`, or `1_w / 2_w` where they number it differently. Unique. */
  readonly name: string;
  /** Per run the phase's name there, undefined where the run has no such phase. */
  readonly names: readonly (string | undefined)[];
}

/** What a phase does: `w` of `1_w`. */
function deedOf(phase: string): string {
  return /^\d+_(.+)$/.exec(phase)?.[1] ?? phase;
}

/** @param runs names of the phases of each run, in order @returns all phases, each run's order kept; the first run's own stand first where orders cross */
export function alignPhases(runs: readonly (readonly string[])[]): readonly AlignedPhase[] {
  let rows: (string | undefined)[][] = [];
  runs.forEach((phases, run) => {
    rows = merge(rows, phases, run);
  });
  return withUniqueNames(rows.map(row => runs.map((_, run) => row[run])));
}

/** Lays one more run beside the rows so far. What both have alike at their beginnings and ends is matched at once. */
function merge(rows: readonly (string | undefined)[][], phases: readonly string[], run: number): (string | undefined)[][] {
  const [a, b] = [rows.map(row => deedOf(row.find(name => name !== undefined) ?? '')), phases.map(deedOf)];
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const matched = (row: readonly (string | undefined)[], phase: string | undefined): (string | undefined)[] => withPhase(row, run, phase);
  return [
    ...rows.slice(0, head).map((row, at) => matched(row, phases[at])),
    ...mergeMiddle(rows.slice(head, a.length - tail), phases.slice(head, b.length - tail), run),
    ...rows.slice(a.length - tail).map((row, at) => matched(row, phases[b.length - tail + at])),
  ];
}

function mergeMiddle(rows: readonly (string | undefined)[][], phases: readonly string[], run: number): (string | undefined)[][] {
  const deeds = rows.map(row => deedOf(row.find(name => name !== undefined) ?? ''));
  const lengths = commonLengths(deeds, phases.map(deedOf));
  const width = phases.length + 1;
  const lengthAt = (i: number, j: number): number => lengths[i * width + j] ?? 0;
  const merged: (string | undefined)[][] = [];
  let [i, j] = [0, 0];
  while (i < rows.length || j < phases.length) {
    const [row, phase] = [rows[i], phases[j]];
    const isMatch = row !== undefined && phase !== undefined && deeds[i] === deedOf(phase);
    if (isMatch) {
      merged.push(withPhase(row, run, phase));
      i++;
      j++;
    } else if (row !== undefined && (phase === undefined || lengthAt(i + 1, j) >= lengthAt(i, j + 1))) {
      merged.push([...row]);
      i++;
    } else {
      merged.push(withPhase([], run, phase));
      j++;
    }
  }
  return merged;
}

function withPhase(row: readonly (string | undefined)[], run: number, phase: string | undefined): (string | undefined)[] {
  const copy = [...row];
  copy[run] = phase;
  return copy;
}

/** Length of the longest common subsequence of the ends of both lists, by where the ends begin: row by row, `b.length + 1` to a row. */
function commonLengths(a: readonly string[], b: readonly string[]): Uint32Array {
  const width = b.length + 1;
  const lengths = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const at = i * width + j;
      lengths[at] = a[i] === b[j] ? (lengths[at + width + 1] ?? 0) + 1 : Math.max(lengths[at + width] ?? 0, lengths[at + 1] ?? 0);
    }
  }
  return lengths;
}

function withUniqueNames(rows: readonly (string | undefined)[][]): AlignedPhase[] {
  const taken = new Set<string>();
  return rows.map(names => {
    const base = [...new Set(names.filter(name => name !== undefined))].join(' / ');
    const run = names.findIndex(name => name !== undefined) + 1;
    const name = taken.has(base) ? `${base} (run ${run})` : base;
    taken.add(name);
    return { name, names };
  });
}
