/**
 * The interleaving explorer: runs the atomic steps of several agents in every order and checks the world after each.
 *
 * States are explored breadth first, so the first violation found has the shortest schedule there is. A state is known by its key; one that was met
 * before is not explored again, and every schedule is covered all the same, since what follows depends on the state alone. A world is rebuilt and its
 * schedule replayed for each step: worlds need no snapshots, and a schedule printed is one that replays. Steps that touch nothing
 * another agent can see commute with all others: where one is due, it alone is taken, unless the exploration is asked for every order in full.
 */
import { InvariantError } from '@mmulab/api';
import type { Agent, ExploredWorld } from './explored-world';
import { badSchedule, circle, stuck, tooManyStates } from './explorer-errors';

/** How far and how thoroughly to explore. */
export interface ExploreOptions {
  /** Leave out orders that differ only in steps nobody else can see. Default true. */
  readonly reduce?: boolean;
  /** States after which the exploration is given up with an error. Default 200 000. */
  readonly maxStates?: number;
}

/** A broken invariant and how to get there. */
export interface Violation {
  readonly code: string;
  readonly message: string;
  /** Replays it: see `replay`. */
  readonly schedule: string;
  /** One line per step. */
  readonly steps: readonly string[];
}

/** What was explored. */
export interface Exploration {
  readonly states: number;
  /** Distinct states in which all agents are done. */
  readonly ends: number;
  /** Steps taken: transitions between states. */
  readonly transitions: number;
  /** Distinct schedules from start to end that those states stand for; 0 when a violation ended the exploration. */
  readonly schedules: bigint;
  /** Steps of the longest schedule. */
  readonly longest: number;
  readonly violation: Violation | undefined;
}

const DEFAULT_MAX_STATES = 200_000;

/** Agents by number, as letters with repetitions: 0,0,0,1 becomes a3b. */
export function formatSchedule(schedule: readonly number[]): string {
  let text = '';
  for (let i = 0; i < schedule.length;) {
    let end = i;
    while (end < schedule.length && schedule[end] === schedule[i]) end++;
    text += String.fromCharCode(97 + schedule[i]) + (end - i > 1 ? end - i : '');
    i = end;
  }
  return text;
}

/** The reverse of `formatSchedule`; EXPLORER_SCHEDULE when it is no schedule. */
export function parseSchedule(text: string): number[] {
  if (!/^(?:[a-z]\d*)*$/.test(text)) throw badSchedule(text, 'cannot be read');
  return [...text.matchAll(/([a-z])(\d*)/g)].flatMap(([, agent, times]) =>
    new Array<number>(times === '' ? 1 : Number(times)).fill(agent.charCodeAt(0) - 97),
  );
}

/** What a replayed schedule led to. */
export interface Replay {
  readonly world: ExploredWorld;
  /** One line per step taken. */
  readonly steps: readonly string[];
  readonly error: InvariantError | undefined;
}

/** Runs a schedule from the start with all checks. @throws EXPLORER_SCHEDULE when an agent of it cannot go on */
export function replay(make: () => ExploredWorld, schedule: string): Replay {
  const world = make();
  const steps: string[] = [];
  for (const number of parseSchedule(schedule)) {
    const agent = world.agents[number] as Agent | undefined;
    if (agent === undefined || agent.isDone || !agent.isReady) throw badSchedule(schedule, `agent ${number} cannot take step ${steps.length + 1}`);
    steps.push(`${agent.name}  ${agent.nextName}`);
    const error = stepAndCheck(world, agent);
    if (error !== undefined) return { world, steps, error };
  }
  return { world, steps, error: undefined };
}

/** One step with its checks. @returns the invariant it broke, if it did */
export function stepAndCheck(world: ExploredWorld, agent: Agent): InvariantError | undefined {
  try {
    agent.step();
    world.check();
    if (world.agents.every(({ isDone }) => isDone)) world.checkEnd();
    else if (!world.agents.some(({ isDone, isReady }) => !isDone && isReady)) {
      throw stuck(world);
    }
    return undefined;
  } catch (error) {
    if (error instanceof InvariantError) return error;
    throw error;
  }
}

/** The violation a schedule leads to, ready to be printed. */
export function violationOf(make: () => ExploredWorld, schedule: readonly number[], error: InvariantError): Violation {
  const text = formatSchedule(schedule);
  return { code: error.code, message: error.message, schedule: text, steps: replay(make, text).steps };
}

/** A violation as people read it: message, schedule, steps. */
export function formatViolation({ message, schedule, steps }: Violation): string {
  return [message, `schedule ${schedule} (${steps.length} steps)`, ...steps.map((step, i) => `${String(i + 1).padStart(4)}  ${step}`)].join('\n');
}

/**
 * Explores every order.
 * @param make builds the world: the same one each time
 * @throws EXPLORER_STATES when there are more states than allowed
 */
export function explore(make: () => ExploredWorld, options: ExploreOptions = {}): Exploration {
  const search = new Search(make, options);
  const found = search.run();
  if (found.violation === undefined || options.reduce === false) return found;
  // Only the full exploration knows the shortest schedule.
  return new Search(make, { ...options, reduce: false }).run();
}

/** One breadth-first search. States are numbers in order of discovery. */
class Search {
  private readonly ids = new Map<string, number>();
  private readonly parent: number[] = [];
  private readonly via: number[] = [];
  private readonly children: number[][] = [];
  private transitions = 0;
  private violation: Violation | undefined;
  private readonly reduce: boolean;
  private readonly maxStates: number;

  constructor(
    private readonly make: () => ExploredWorld,
    options: ExploreOptions,
  ) {
    this.reduce = options.reduce ?? true;
    this.maxStates = options.maxStates ?? DEFAULT_MAX_STATES;
  }

  run(): Exploration {
    this.idOf(this.make().key(), -1, -1);
    for (let state = 0; state < this.parent.length && this.violation === undefined; state++) this.expand(state);
    const counted = this.violation === undefined ? this.countSchedules() : { schedules: 0n, longest: 0 };
    const ends = this.children.filter(children => children.length === 0).length;
    return { states: this.ids.size, ends, transitions: this.transitions, ...counted, violation: this.violation };
  }

  private expand(state: number): void {
    const schedule = this.scheduleOf(state);
    const first = this.at(schedule);
    const choices = this.choicesOf(first);
    choices.forEach((choice, i) => {
      if (this.violation !== undefined) return;
      const world = i === 0 ? first : this.at(schedule);
      this.transitions++;
      const error = stepAndCheck(world, world.agents[choice]);
      if (error !== undefined) this.violation = violationOf(this.make, [...schedule, choice], error);
      else this.children[state].push(this.idOf(world.key(), state, choice));
    });
  }

  /** Agents to try next. */
  private choicesOf({ agents }: ExploredWorld): number[] {
    const ready = agents.map((_, i) => i).filter(i => !agents[i].isDone && agents[i].isReady);
    const alone = this.reduce ? ready.find(i => agents[i].nextIsPrivate) : undefined;
    return alone === undefined ? ready : [alone];
  }

  private at(schedule: readonly number[]): ExploredWorld {
    const world = this.make();
    for (const choice of schedule) world.agents[choice].step();
    return world;
  }

  private idOf(key: string, parent: number, via: number): number {
    const known = this.ids.get(key);
    if (known !== undefined) return known;
    const id = this.parent.length;
    if (id >= this.maxStates) throw tooManyStates(this.maxStates);
    this.ids.set(key, id);
    this.parent.push(parent);
    this.via.push(via);
    this.children.push([]);
    return id;
  }

  private scheduleOf(state: number): number[] {
    const schedule: number[] = [];
    for (let at = state; this.parent[at] >= 0; at = this.parent[at]) schedule.push(this.via[at]);
    return schedule.reverse();
  }

  /** Paths from the first state to an end, and the longest of them. States form no circle: agents that can change nothing wait. */
  private countSchedules(): { readonly schedules: bigint; readonly longest: number } {
    const paths = new Array<bigint | undefined>(this.parent.length);
    const longest = new Int32Array(this.parent.length);
    const open: number[] = [0];
    while (open.length > 0) {
      const state = open[open.length - 1];
      const missing = this.children[state].filter(child => paths[child] === undefined);
      if (missing.length > 0 && paths[state] === undefined) {
        open.push(...missing);
        if (open.length > this.transitions + 1) throw circle();
        continue;
      }
      open.pop();
      const ends = this.children[state].length === 0;
      paths[state] = ends ? 1n : this.children[state].reduce((sum, child) => sum + (paths[child] ?? 0n), 0n);
      longest[state] = ends ? 0 : 1 + Math.max(...this.children[state].map(child => longest[child]));
    }
    return { schedules: paths[0] ?? 0n, longest: longest[0] };
  }
}
