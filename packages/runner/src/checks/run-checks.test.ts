import { AccessKind, type GuestRun, type HostOp, type MmuBackend, type PhaseCheck, type VcpuStep, type WorkloadPlan } from '@mmulab/api';
import { RunChecks } from './run-checks';

/** Guest pages 100 to 163 lie in frames 1000 to 1063, memslot 1. */
const run: GuestRun = { vfn: 100, gfn: 1000, npages: 64, level: 1, writable: true, user: false, executable: true, accessed: false, dirty: false };
const backing = { name: 'anonymous', doc: '', pageLevel: 1, hugetlb: false, states: [], populated: 0, faults: [] };

function planWith(checks: readonly PhaseCheck[]): WorkloadPlan {
  return {
    vm: {
      vcpus: 1,
      physBits: 40,
      memslots: [{ id: 1, baseGfn: 1000, npages: 64, hvf: 0, backing, readonly: false, populated: [] }],
      spaces: [{ name: 'guest', levels: 4, root: 0, runs: [run], tables: [] }],
      cpu: { wp: false, smep: false, smap: false, efernx: true, pge: false, pcide: false },
    },
    phases: [{ name: 'harvest', steps: [], checks }],
    notes: [],
  };
}

/** A backend whose dirty log answers what it is told to. */
function answering(bitmaps: readonly (readonly (readonly [number, number])[])[], mapped: readonly number[] = []): MmuBackend {
  let gets = 0;
  const host: MmuBackend['host'] = (op, answer) => {
    if (op.op === 'get_dirty_log') for (const [first, npages] of bitmaps[gets++] ?? []) answer?.dirty?.(first, npages);
  };
  return {
    host,
    translate: (gfn: number) => (mapped.includes(gfn) ? { writable: gfn % 2 === 0, readable: true } : undefined),
  } as unknown as MmuBackend;
}

const write = (page: number, count: number, kind: AccessKind = AccessKind.Write): VcpuStep => ({
  op: 'access',
  run: { vfn: 100 + page, count, stride: 1, kind, writeEvery: 0 },
});
const GET: HostOp = { op: 'get_dirty_log', slot: 1 };
const ON: HostOp = { op: 'set_dirty_log', slot: 1, on: true };
const figures = ['dirty.pages', 'dirty.missing', 'dirty.unexplained'] as const;
const FIGURES: readonly PhaseCheck[] = figures.map(answer => ({ name: answer, of: [{ answer, slot: 1 }], relation: '==', expected: 0 }));

/** Pages, missing and unexplained ones of one get after the other. */
function harvests(bitmaps: readonly (readonly (readonly [number, number])[])[], ops: readonly (HostOp | VcpuStep)[]): unknown {
  const plan = planWith(FIGURES);
  const checks = RunChecks.of(plan, answering(bitmaps));
  if (checks === undefined) throw new Error('no checks');
  for (const op of ops) {
    if (op.op === 'access') checks.guest([[op]]);
    else {
      checks.host(op as HostOp);
      if (op.op === 'get_dirty_log') checks.endPhase([...plan.phases][0] ?? { name: '', steps: [] }, () => undefined);
    }
  }
  return checks.results.reduce<(number | undefined)[][]>(
    (rows, { actual }, i) => (i % 3 === 0 ? [...rows, [actual]] : (rows.at(-1)?.push(actual), rows)),
    [],
  );
}

describe('a dirty bitmap beside what the guest wrote', () => {
  it('misses 2 of 4 pages written, and has 3 that nobody wrote; reads dirty nothing', () => {
    expect(harvests([[[2, 5]]], [ON, write(0, 4), write(10, 8, AccessKind.Read), GET])).toEqual([[5, 2, 3]]);
  });

  it('is told a page again one harvest later without a complaint, and not two later', () => {
    const told = [[0, 4]] as const;
    expect(harvests([told, told, told], [ON, write(0, 4), GET, GET, GET])).toEqual([
      [4, 0, 0],
      [4, 0, 0],
      [4, 0, 4],
    ]);
  });

  it('with manual protect is harvested by the clear, page by page of its range', () => {
    const manual: HostOp = { op: 'manual_protect', initiallySet: false };
    const clear: HostOp = { op: 'clear_dirty_log', slot: 1, firstPage: 0, npages: 2 };
    expect(harvests([[[0, 4]], []], [manual, ON, write(0, 4), GET, clear, GET])).toEqual([
      [4, 0, 0],
      [0, 2, 0],
    ]);
  });

  it('that starts full explains all of its pages, and has to have them', () => {
    const manual: HostOp = { op: 'manual_protect', initiallySet: true };
    expect(harvests([[[0, 60]]], [manual, ON, GET])).toEqual([[60, 4, 0]]);
  });

  it('has what KVM itself writes, every third page', () => {
    expect(harvests([[[0, 1]]], [ON, { op: 'kvm_write', slot: 1, npages: 9, stride: 3 }, GET])).toEqual([[1, 2, 0]]);
  });

  it('knows nothing of what was written before logging', () => {
    expect(harvests([[]], [write(0, 4), ON, GET])).toEqual([[0, 0, 0]]);
  });
});

describe('a check', () => {
  const evaluate = (check: PhaseCheck): unknown => {
    const plan = planWith([check]);
    const checks = RunChecks.of(plan, answering([], [1000, 1001, 1002]));
    const counters: Readonly<Record<string, Readonly<Record<string, number>>>> = { harvest: { a: 3, b: 1 }, populate: { a: 7 }, total: { a: 10 } };
    for (const phase of plan.phases) checks?.endPhase(phase, phase => counters[phase]);
    const [{ of, expected, actual, passed } = { of: '', expected: 0, passed: false }] = checks?.results ?? [];
    return [of, actual, expected, passed];
  };

  it('adds quantities up, in multiples, of its own phase, of earlier ones, and of the run so far', () => {
    const of = [{ counter: 'a', times: 512 }, { counter: 'b' }];
    expect(evaluate({ name: 'sum', of, relation: '>=', expected: [{ counter: 'a', phase: 'populate' }] })).toEqual(['512 * a + b', 1537, 7, true]);
    expect(evaluate({ name: 'total', of: [{ counter: 'a', phase: 'total' }], relation: '<', expected: 10 })).toEqual(['a of the run', 10, 10, false]);
  });

  it('counts the frames that translate', () => {
    const mapped = { mapped: 'readable', gfn: 1001, npages: 60 } as const;
    expect(evaluate({ name: 'r', of: [mapped], relation: '==', expected: 2 })).toEqual(['readable frames of 60 from gfn 0x3e9 on', 2, 2, true]);
    expect(evaluate({ name: 'w', of: [{ ...mapped, mapped: 'writable' }], relation: '==', expected: 2 })).toEqual([expect.any(String), 1, 2, false]);
  });

  it('that nothing answers fails without a value', () => {
    expect(evaluate({ name: 'no get', of: [{ answer: 'dirty.pages', slot: 1 }], relation: '==', expected: 0 })).toEqual([
      'dirty.pages of memslot 1',
      undefined,
      0,
      false,
    ]);
  });
});
