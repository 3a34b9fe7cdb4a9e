/**
 * The search itself, on agents that share one number.
 */
import { InvariantError, MmulabError } from '@mmulab/api';
import { explore, formatSchedule, formatViolation, parseSchedule, replay } from './explorer';
import type { Agent, ExploredWorld } from './explored-world';
import { exploreRandomly, formatBound, randomNumbers } from './explorer-random';

/** One step: its name and what it does to the shared numbers; a step that answers false was not ready. */
interface ToyStep {
  readonly name: string;
  readonly isPrivate?: boolean;
  ready?(shared: number[]): boolean;
  run(shared: number[], own: number[]): void;
}

/** Agents that run lists of steps over shared numbers. */
function toyWorld(programs: readonly (readonly ToyStep[])[], check: (shared: readonly number[], atEnd: boolean) => boolean): ExploredWorld {
  const shared = [0, 0];
  const states = programs.map(() => ({ at: 0, own: [0] }));
  const agents = programs.map((steps, i): Agent => {
    const state = states[i];
    return {
      name: `agent ${i}`,
      get isDone() {
        return state.at === steps.length;
      },
      get isReady() {
        return state.at < steps.length && (steps[state.at].ready?.(shared) ?? true);
      },
      get nextIsPrivate() {
        return state.at < steps.length && steps[state.at].isPrivate === true;
      },
      get nextName() {
        return state.at === steps.length ? 'done' : steps[state.at].name;
      },
      step: () => steps[state.at++].run(shared, state.own),
    };
  });
  const verify = (atEnd: boolean): void => {
    if (!check(shared, atEnd)) throw new InvariantError('TOY', 'the number is wrong', 0, 0, String(shared[0]));
  };
  return { agents, key: () => JSON.stringify([shared, states]), check: () => verify(false), checkEnd: () => verify(true) };
}

const load: ToyStep = { name: 'load', run: (shared, own) => (own[0] = shared[0]) };
const store: ToyStep = { name: 'store', run: (shared, own) => (shared[0] = own[0] + 1) };
const nothing: ToyStep = { name: 'nothing', isPrivate: true, run: () => undefined };
const always = (): boolean => true;

const lostUpdate = (): ExploredWorld =>
  toyWorld(
    [
      [load, store],
      [load, store],
    ],
    (shared, atEnd) => !atEnd || shared[0] === 2,
  );

/** Code of the error a call throws. */
function codeOf(call: () => unknown): string {
  try {
    call();
    return 'none';
  } catch (error) {
    return error instanceof MmulabError ? error.code : String(error);
  }
}

describe('exploring every order', () => {
  it('covers the 20 schedules of 3 and 3 steps in 16 states', () => {
    const visible = { ...nothing, isPrivate: false };
    const found = explore(() => toyWorld([Array<ToyStep>(3).fill(visible), Array<ToyStep>(3).fill(visible)], always));
    expect(found).toEqual({ states: 16, ends: 1, transitions: 24, schedules: 20n, longest: 6, violation: undefined });
  });

  it('takes private steps alone: 7 states and 1 schedule for the same, unless told to take every order', () => {
    const make = (): ExploredWorld => toyWorld([Array<ToyStep>(3).fill(nothing), Array<ToyStep>(3).fill(nothing)], always);
    expect(explore(make)).toMatchObject({ states: 7, ends: 1, schedules: 1n });
    expect(explore(make, { reduce: false })).toMatchObject({ states: 16, ends: 1, schedules: 20n });
  });

  it('finds the lost update of two increments with its shortest schedule, printed step by step', () => {
    const { violation, schedules } = explore(lostUpdate);
    expect(schedules).toBe(0n);
    expect(violation === undefined ? [] : formatViolation(violation).split('\n')).toEqual([
      'TOY: the number is wrong (gfn 0x0, level 0, entry 1)',
      'schedule abab (4 steps)',
      '   1  agent 0  load',
      '   2  agent 1  load',
      '   3  agent 0  store',
      '   4  agent 1  store',
    ]);
  });

  it('finds agents that wait for one another', () => {
    const waits = (flag: number): ToyStep => ({ name: `wait for ${flag}`, ready: shared => shared[flag] === 1, run: () => undefined });
    const { violation } = explore(() => toyWorld([[nothing, waits(0)], [waits(1)]], always));
    expect([violation?.code, violation?.schedule]).toEqual(['AGENTS_STUCK', 'a']);
    expect(violation?.message).toContain('wait for 0; wait for 1');
  });

  it('gives up beyond the states allowed', () => {
    expect(codeOf(() => explore(lostUpdate, { maxStates: 3 }))).toBe('EXPLORER_STATES');
  });
});

describe('a schedule', () => {
  it.each([
    [[], ''],
    [[0], 'a'],
    [[0, 0, 0, 1, 2, 2], 'a3bc2'],
  ])('of %j is written %s and read back', (schedule, text) => {
    expect(formatSchedule(schedule)).toBe(text);
    expect(parseSchedule(text)).toEqual(schedule);
  });

  it('replays the violation it came from', () => {
    expect(replay(lostUpdate, 'abab').error?.code).toBe('TOY');
    expect(replay(lostUpdate, 'a2b2').error).toBeUndefined();
  });

  it.each(['a1b-', '3', 'A', 'c', 'a3'])('that cannot be run is an error: %s', text => {
    expect(codeOf(() => replay(lostUpdate, text))).toBe('EXPLORER_SCHEDULE');
  });
});

describe('random schedules', () => {
  it('find the lost update within the bound of a bug of depth 2', () => {
    const found = exploreRandomly(lostUpdate, { seed: 1, runs: 50, depth: 2 });
    expect(found.violation?.code).toBe('TOY');
    expect(replay(lostUpdate, found.violation?.schedule ?? '').error?.code).toBe('TOY');
    expect(exploreRandomly(lostUpdate, { seed: found.seed ?? 0, runs: 1, depth: 2 }).violation).toEqual(found.violation);
  });

  it('find it as often as the bound says, and more', () => {
    const caught = Array.from({ length: 200 }, (_, seed) => exploreRandomly(lostUpdate, { seed: seed * 1000, runs: 1, depth: 2 }));
    const { perRun } = caught[0];
    expect(perRun).toBe(1 / (2 * 12));
    expect(caught.filter(({ violation }) => violation !== undefined).length / 200).toBeGreaterThan(perRun);
  });

  it('say what they are worth', () => {
    const found = exploreRandomly(() => toyWorld([[load, store], [load]], always), { seed: 3, runs: 20, depth: 2 });
    expect(formatBound(found, 2)).toBe(
      '20 random schedules of 2 agents, up to 9 steps: a bug of depth 2 is found with probability ≥ 68.1 % (5.56 % per schedule)',
    );
  });

  it('draw numbers between 0 and 1 that a seed decides', () => {
    const [one, same, other] = [randomNumbers(5), randomNumbers(5), randomNumbers(6)];
    const drawn = Array.from({ length: 1000 }, one);
    expect(drawn.every(x => x >= 0 && x < 1)).toBe(true);
    expect(Array.from({ length: 1000 }, same)).toEqual(drawn);
    expect(Array.from({ length: 1000 }, other)).not.toEqual(drawn);
    expect(drawn.reduce((a, b) => a + b) / 1000).toBeCloseTo(0.5, 1);
  });
});
