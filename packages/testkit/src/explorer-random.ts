/**
 * Random schedules for worlds too large to explore: probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).
 *
 * Every agent gets a random priority; the ready agent of highest priority runs, and at d - 1 random steps the running agent drops below all
 * others. A bug that needs d steps in a certain order is found by one run with a probability of at least 1 / (n · k^(d-1)), with n agents and at
 * most k steps. A run is known by its seed.
 */
import type { ExploredWorld, Violation } from './explorer';
import { stepAndCheck, violationOf } from './explorer';

/** Which random schedules to run. */
export interface RandomOptions {
  /** Any whole number; run i uses seed + i. */
  readonly seed: number;
  readonly runs: number;
  /** Depth of the bugs looked for: steps whose order matters. */
  readonly depth: number;
}

/** What random schedules showed. */
export interface RandomExploration {
  readonly runs: number;
  readonly agents: number;
  /** Steps of the longest run. */
  readonly longest: number;
  /** Least probability with which one run finds a bug of that depth. */
  readonly perRun: number;
  /** The same for all runs together. */
  readonly overall: number;
  /** Seed of the run that found the violation. */
  readonly seed: number | undefined;
  readonly violation: Violation | undefined;
}

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Runs random schedules until one breaks an invariant. A first run by priority alone tells how many steps there are. */
export function exploreRandomly(make: () => ExploredWorld, options: RandomOptions): RandomExploration {
  const { seed, runs, depth } = options;
  const agents = make().agents.length;
  let longest = 0;
  let done = 0;
  let failed: { readonly seed: number; readonly violation: Violation } | undefined;
  while (done < runs && failed === undefined) {
    const outcome = runOnce(make, seed + done, depth, longest);
    longest = Math.max(longest, outcome.schedule.length);
    if (outcome.violation !== undefined) failed = { seed: seed + done, violation: outcome.violation };
    done++;
  }
  const perRun = 1 / (agents * longest ** (depth - 1));
  return { runs: done, agents, longest, perRun, overall: 1 - (1 - perRun) ** done, seed: failed?.seed, violation: failed?.violation };
}

/** The bound of a random exploration, as people read it. */
export function formatBound({ runs, agents, longest, perRun, overall }: RandomExploration, depth: number): string {
  const percent = (p: number): string => `${(p * 100).toPrecision(3)} %`;
  return `${runs} random schedules of ${agents} agents, up to ${longest} steps: a bug of depth ${depth} is found with probability ≥ ${percent(overall)} (${percent(perRun)} per schedule)`;
}

interface Outcome {
  readonly schedule: readonly number[];
  readonly violation: Violation | undefined;
}

function runOnce(make: () => ExploredWorld, seed: number, depth: number, steps: number): Outcome {
  const random = randomNumbers(seed);
  const world = make();
  const priority = world.agents.map(() => depth + random());
  const drops = Array.from({ length: depth - 1 }, () => Math.floor(random() * Math.max(1, steps)));
  const schedule: number[] = [];
  while (world.agents.some(({ isDone }) => !isDone)) {
    const choice = highest(world, priority);
    drops.forEach((at, i) => {
      // Lower than every first priority, and each change point lower than those before it.
      if (at === schedule.length) priority[choice] = depth - 1 - i;
    });
    const next = highest(world, priority);
    schedule.push(next);
    const error = stepAndCheck(world, world.agents[next]);
    if (error !== undefined) return { schedule, violation: violationOf(make, schedule, error) };
  }
  return { schedule, violation: undefined };
}

/** The ready agent of highest priority. */
function highest({ agents }: ExploredWorld, priority: readonly number[]): number {
  let best = -1;
  agents.forEach(({ isDone, isReady }, i) => {
    if (!isDone && isReady && (best < 0 || priority[i] > priority[best])) best = i;
  });
  return best;
}
