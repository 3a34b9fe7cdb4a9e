import { AccessKind, type VcpuStep } from '@mmulab/api';
import fc from 'fast-check';
import { guestPages, type GuestPageRun } from './guest-pages';

type Touch = readonly [frame: number, kind: AccessKind];

/** The accesses of steps, one by one. */
function unrolled(steps: readonly VcpuStep[], shift = 0): Touch[] {
  return steps.flatMap(step => {
    if (step.op === 'repeat') return Array.from({ length: step.times }, (_, turn) => unrolled(step.steps, shift + turn * (step.shift ?? 0))).flat();
    if (step.op !== 'access') return [];
    const { vfn, count, stride, kind, writeEvery } = step.run;
    return Array.from({ length: count }, (_, i): Touch => {
      return [vfn + shift + i * stride, writeEvery > 0 && i % writeEvery === 0 ? AccessKind.Write : kind];
    });
  });
}

/** The same, guest page by guest page, without those that find what an access to the frame just before has left. */
function naive({ vfn, count, kind, pageFrames, stride = 1, writeEvery = 0 }: GuestPageRun): Touch[] {
  const touches: Touch[] = [];
  let written = false;
  for (let i = 0; i < count; i++) {
    const frame = vfn + Math.floor(i * stride * pageFrames);
    const isWrite = kind === AccessKind.Write || (writeEvery > 0 && i % writeEvery === 0);
    const isSame = touches.at(-1)?.[0] === frame;
    if (isSame && (written || !isWrite)) continue;
    written = isWrite;
    touches.push([frame, isWrite ? AccessKind.Write : kind]);
  }
  return touches;
}

const run = (over: Partial<GuestPageRun>): GuestPageRun => ({ vfn: 100, count: 40, kind: AccessKind.Read, pageFrames: 0.25, ...over });

describe('guest pages over host frames', () => {
  it('of four frames are four frames apart', () => {
    expect(guestPages(run({ pageFrames: 4, stride: 3, writeEvery: 5 }))).toEqual([
      { op: 'access', run: { vfn: 100, count: 40, stride: 12, kind: AccessKind.Read, writeEvery: 5 } },
    ]);
  });

  it('of a quarter of a frame touch 10 frames in 40 accesses, in one run where the pattern allows', () => {
    expect(guestPages(run({}))).toEqual([{ op: 'access', run: { vfn: 100, count: 10, stride: 1, kind: AccessKind.Read, writeEvery: 0 } }]);
    expect(guestPages(run({ writeEvery: 20 }))).toEqual([
      { op: 'access', run: { vfn: 100, count: 10, stride: 1, kind: AccessKind.Read, writeEvery: 5 } },
    ]);
    expect(guestPages(run({ stride: 8 }))).toEqual([{ op: 'access', run: { vfn: 100, count: 40, stride: 2, kind: AccessKind.Read, writeEvery: 0 } }]);
  });

  it('read a frame before they write a later page of it', () => {
    expect(unrolled(guestPages(run({ count: 8, writeEvery: 6 })))).toEqual([
      [100, AccessKind.Write],
      [101, AccessKind.Read],
      [101, AccessKind.Write],
    ]);
  });

  it('touch what they would touch one by one', () => {
    const runs = fc.record({
      count: fc.integer({ min: 0, max: 300 }),
      pageFrames: fc.constantFrom(1 / 16, 1 / 4, 1, 4),
      kind: fc.constantFrom(AccessKind.Read, AccessKind.Write, AccessKind.Exec),
    });
    fc.assert(
      fc.property(runs, fc.integer({ min: 1, max: 40 }), (one, stride) => {
        expect(unrolled(guestPages(run({ ...one, stride })))).toEqual(naive(run({ ...one, stride })));
      }),
    );
    fc.assert(
      fc.property(runs, fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(2 ** 31 - 1), fc.constant(65537)), (one, writeEvery) => {
        const mixed = run({ ...one, kind: AccessKind.Read, writeEvery });
        expect(unrolled(guestPages(mixed))).toEqual(naive(mixed));
      }),
    );
  });

  it('keep few writes far apart out of a loop: two runs for 2^20 pages', () => {
    expect(guestPages(run({ count: 2 ** 20, writeEvery: 2 ** 31 - 1 }))).toHaveLength(2);
  });
});
