/**
 * Random schedules for worlds too large to explore: probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010).
 *
 * Every agent gets a random priority; the ready agent of highest priority runs, and at d - 1 random steps the running agent drops below all
 * others. A bug that needs d steps in a certain order is found by one run with a probability of at least 1 / (n · k^(d-1)), with n agents and at
 * most k steps. A run is known by its seed.
 */
import type { ExploredWorld } from './explored-world';
import type { Violation } from './explorer';
import { stepAndCheck, violationOf } from './explorer';

/** Agents that retry take more steps than in the first run. */
const MARGIN = 3;

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
  /** Steps among which an agent may be dropped: the bound k. */
  readonly steps: number;
  /** Steps of the longest run; beyond `steps` the bound does not hold. */
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

/**
 * Runs random schedules until one breaks an invariant. How many steps there are is told by a first run in the order of the agents, so that every other run
 * depends on its seed alone.
 */
export function exploreRandomly(make: () => ExploredWorld, options: RandomOptions): RandomExploration {
  const { seed, runs, depth } = options;
  const agents = make().agents.length;
  const first = runOnce(
    make,
    priorities(agents, () => 0),
    [],
  );
  const steps = first.schedule.length * MARGIN;
  const result = { agents, steps, longest: first.schedule.length, perRun: 1 / (agents * steps ** (depth - 1)) };
  if (first.violation !== undefined) return { ...result, runs: 0, overall: 0, seed: undefined, violation: first.violation };
  for (let done = 1; done <= runs; done++) {
    const random = randomNumbers(seed + done - 1);
    const priority = priorities(agents, random);
    const drops = Array.from({ length: depth - 1 }, () => Math.floor(random() * steps));
    const { schedule, violation } = runOnce(make, priority, drops);
    result.longest = Math.max(result.longest, schedule.length);
    if (violation !== undefined) return { ...result, runs: done, overall: overall(result.perRun, done), seed: seed + done - 1, violation };
  }
  return { ...result, runs, overall: overall(result.perRun, runs), seed: undefined, violation: undefined };
}

/** Probability that at least one of some runs finds what one of them finds with `perRun`. */
function overall(perRun: number, runs: number): number {
  return 1 - (1 - perRun) ** runs;
}

/** Priorities of 1 and more, all different: the lower agent goes first where the numbers are equal. */
function priorities(agents: number, random: () => number): number[] {
  return Array.from({ length: agents }, (_, i) => 1 + random() + (agents - i) * 1e-9);
}

/** The bound of a random exploration, as people read it. */
export function formatBound({ runs, agents, steps, perRun, overall }: RandomExploration, depth: number): string {
  const percent = (p: number): string => `${(p * 100).toPrecision(3)} %`;
  return `${runs} random schedules of ${agents} agents, up to ${steps} steps: a bug of depth ${depth} is found with probability ≥ ${percent(overall)} (${percent(perRun)} per schedule)`;
}

interface Outcome {
  readonly schedule: readonly number[];
  readonly violation: Violation | undefined;
}

/** One run. @param drops steps at which the agent that would run falls below all others, the later of two at one step lower */
function runOnce(make: () => ExploredWorld, priority: number[], drops: readonly number[]): Outcome {
  const world = make();
  const schedule: number[] = [];
  while (world.agents.some(({ isDone }) => !isDone)) {
    drops.forEach((at, i) => {
      if (at === schedule.length) priority[highest(world, priority)] = -1 - i;
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
