import { AccessKind, type EventDef, type MmuBackend, type SharedRounds, type VcpuProgram, type VcpuStep } from '@mmulab/api';
import { RunCounters } from './counters';
import { SharedPass } from './shared-rounds';
import type { Interleaver } from './program-interleaver';

const { Read, Write } = AccessKind;
const events: readonly EventDef[] = [{ name: 'fault', unit: 'events', gauge: false, doc: 'Faults.' }];
const MANY = 2 ** 19;

const access = (vfn: number, count: number, kind: AccessKind = Read, stride = 1): VcpuStep => ({
  op: 'access',
  run: { vfn, count, stride, kind, writeEvery: 0 },
});
const exit: VcpuStep = { op: 'exit' };

/** Performs a pass on a backend that keeps the rounds; the scheduler notes what it is asked for. */
function performed(programs: readonly VcpuProgram[]): {
  readonly rounds: SharedRounds;
  readonly asked: (readonly VcpuProgram[])[];
  /** Number of the pass and of the round of each call. */
  readonly numbers: (readonly unknown[])[];
  readonly counters: RunCounters;
} {
  const kept: SharedRounds[] = [];
  const asked: (readonly VcpuProgram[])[] = [];
  const numbers: (readonly unknown[])[] = [];
  const note = (given: readonly VcpuProgram[], ...of: readonly (number | boolean | undefined)[]): void => {
    asked.push(given);
    numbers.push(of);
  };
  const backend = { runShared: (rounds: SharedRounds): void => void kept.push(rounds) } as unknown as MmuBackend;
  const counters = new RunCounters(events, programs.length);
  SharedPass.of(programs)?.perform(backend, counters, { run: note, runRound: note } as unknown as Interleaver, 3);
  const [rounds] = kept;
  if (rounds === undefined) throw new Error('no rounds');
  return { rounds, asked, numbers, counters };
}

describe('a pass over shared memory', () => {
  it('goes in rounds when it is long, and begins with the same runs on every vCPU', () => {
    expect(SharedPass.of([[access(0, MANY / 2 - 1)], [access(0, MANY / 2 - 1)]])).toBeUndefined();
    expect(SharedPass.of([[access(0, MANY)], [access(1, MANY)]])).toBeUndefined();
    expect(SharedPass.of([[access(0, MANY)], [access(0, MANY, Read, 2)]])).toBeUndefined();
    expect(SharedPass.of([[access(0, MANY)], [exit]])).toBeUndefined();
    expect(
      SharedPass.of([
        [exit, access(0, MANY)],
        [exit, access(0, MANY)],
      ]),
    ).toBeUndefined();
    expect(SharedPass.of([[access(0, MANY / 2)], [access(0, MANY / 2, Write)]])).toBeDefined();
  });

  it('enters all vCPUs first, and ends with what is left of their programs', () => {
    const { rounds, asked } = performed([
      [access(0, MANY), access(5, 1), exit],
      [access(0, MANY, Write), access(5, 1), exit],
    ]);
    expect(rounds.parts).toEqual([{ vfn: 0, count: MANY, stride: 1, kinds: [Read, Write] }]);
    // The step back to frame 5 does not ascend: it is left for the end.
    expect(asked).toEqual([
      [[], []],
      [
        [access(5, 1), exit],
        [access(5, 1), exit],
      ],
    ]);
  });

  it('numbers every round of a pass, so that each has randomness of its own', () => {
    const { rounds, numbers } = performed([[access(0, MANY)], [access(0, MANY)]]);
    rounds.simulate(0, 512);
    rounds.simulate(512, 1024);
    expect(numbers.slice(1)).toEqual([
      [3, Number.MAX_SAFE_INTEGER],
      [3, 0],
      [3, 512],
    ]);
  });

  it('unrolls repeats that move on', () => {
    const repeat: VcpuStep = { op: 'repeat', times: MANY, shift: 512, steps: [access(0, 1, Write), access(256, 2)] };
    const { rounds } = performed([[repeat], [repeat]]);
    expect(rounds.parts).toHaveLength(2 * MANY);
    expect(rounds.parts.slice(2, 4).map(({ vfn, count }) => [vfn, count])).toEqual([
      [512, 1],
      [768, 2],
    ]);
    const back: VcpuStep = { op: 'repeat', times: MANY, shift: 1, steps: [access(0, 4)] };
    expect(SharedPass.of([[back], [back]])).toBeUndefined();
  });

  it('cuts its parts at the borders of a round', () => {
    const { rounds, asked } = performed([[access(8, MANY, Read, 4)], [access(8, MANY, Write, 4)]]);
    asked.length = 0;
    rounds.simulate(10, 20);
    rounds.simulate(0, 8);
    expect(asked).toEqual([[[access(12, 2, Read, 4)], [access(12, 2, Write, 4)]]]);
  });

  it('records what is counted for vCPUs and memslots, nested, and counts it again', () => {
    const { rounds, counters } = performed([[access(0, MANY)], [access(0, MANY)]]);
    const count = (actor: number, slot: number): void => {
      counters.select(actor, slot);
      counters.now[0] = (counters.now[0] ?? 0) + 1;
    };
    rounds.open();
    count(0, 1);
    rounds.open();
    count(1, 0);
    count(-1, 0);
    const inner = rounds.close();
    const outer = rounds.close();
    rounds.replay(inner);
    rounds.replay(outer);
    const { all, vcpus, slots } = counters.endPhase();
    expect([all[0], vcpus.map(vector => vector[0]), slots.get(1)?.[0]]).toEqual([6, [2, 3], 2]);
  });
});
