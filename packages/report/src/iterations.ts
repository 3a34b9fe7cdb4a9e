/**
 * Long runs of iterations, folded: `dirty_3`, `get_log_3`, …, `dirty_20`, `get_log_20` become `dirty_3..20`, `get_log_3..20` when every one of
 * these iterations counts the same. Tables stay readable, and nothing that differs is hidden.
 */

/** One or more phases shown as one. */
export interface PhaseFold {
  /** Name of the phase, or `dirty_3..20`. */
  readonly name: string;
  /** The first of the phases; the others count the same. */
  readonly first: string;
  /** How many phases are shown as this one. */
  readonly count: number;
}

/** From how many equal iterations on folding makes a table easier to read. */
const WORTH_FOLDING = 3;

/** Phases that follow one another and carry the same number. */
interface Iteration {
  readonly number: number | undefined;
  readonly stems: readonly string[];
  readonly phases: readonly string[];
}

/**
 * Folds equal iterations.
 * @param phases names in the order in which they ran
 * @param areEqual whether two phases show the same values
 */
export function foldIterations(phases: readonly string[], areEqual: (a: string, b: string) => boolean): readonly PhaseFold[] {
  const iterations = intoIterations(phases);
  const folds: PhaseFold[] = [];
  for (let at = 0; at < iterations.length;) {
    const run = equalRun(iterations, at, areEqual);
    folds.push(...(run.length < WORTH_FOLDING ? run.flatMap(unfolded) : folded(run)));
    at += run.length;
  }
  return folds;
}

function intoIterations(phases: readonly string[]): Iteration[] {
  const iterations: { number: number | undefined; stems: string[]; phases: string[] }[] = [];
  for (const phase of phases) {
    const match = /^(.+)_(\d+)$/.exec(phase);
    const number = match === null ? undefined : Number(match[2]);
    const stem = match?.[1] ?? phase;
    const last = iterations.at(-1);
    if (last !== undefined && number !== undefined && last.number === number) {
      last.stems.push(stem);
      last.phases.push(phase);
    } else {
      iterations.push({ number, stems: [stem], phases: [phase] });
    }
  }
  return iterations;
}

/** The iterations from `at` on that count like the first of them, at least that one. */
function equalRun(iterations: readonly Iteration[], at: number, areEqual: (a: string, b: string) => boolean): readonly Iteration[] {
  const first = iterations[at];
  if (first?.number === undefined) return iterations.slice(at, at + 1);
  const start = first.number;
  let end = at + 1;
  while (end < iterations.length && continues(first, iterations[end], start + end - at, areEqual)) end++;
  return iterations.slice(at, end);
}

function continues(first: Iteration, next: Iteration | undefined, number: number, areEqual: (a: string, b: string) => boolean): boolean {
  return (
    next?.number === number &&
    next.stems.length === first.stems.length &&
    next.stems.every((stem, index) => stem === first.stems[index] && areEqual(first.phases[index] ?? '', next.phases[index] ?? ''))
  );
}

function unfolded(iteration: Iteration): PhaseFold[] {
  return iteration.phases.map(phase => ({ name: phase, first: phase, count: 1 }));
}

function folded(run: readonly Iteration[]): PhaseFold[] {
  const first = run[0];
  const last = run.at(-1);
  if (first === undefined || last === undefined) return [];
  return first.phases.map((phase, index) => ({
    name: `${first.stems[index] ?? ''}_${first.number ?? 0}..${last.number ?? 0}`,
    first: phase,
    count: run.length,
  }));
}
