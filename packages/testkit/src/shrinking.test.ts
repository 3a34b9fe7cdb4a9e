/**
 * Failing cases become the simplest that fail, and are told step by step.
 */
import { AccessKind, type HostOp } from '@mmulab/api';
import { Registry } from '@mmulab/runner';
import { failureReport, stepInWords } from './conformance-report';
import type { Drawn, Scenario, Sizes } from './conformance-sequences';
import { simplestScenario } from './laws/simpler-scenarios';
import type { LawScenario, LawStep } from './laws/scenario';
import { literal, shorterLists, simplest } from './shrinking';

const slot = { backing: 'anonymous_thp', npages: 1024, shift: 0, congruent: true, readonly: false, populated: true };
const together: LawStep = {
  do: 'together',
  touches: [
    { vcpu: 1, slot: 0, page: 1, kind: 'read' },
    { vcpu: 3, slot: 1, page: 512, kind: 'write' },
    { vcpu: 2, slot: 0, page: 0, kind: 'execute' },
  ],
  order: [0, 1, 2, 3, 0, 1, 2, 3],
  host: { do: 'unmap', slot: 0, page: 0, npages: 512 },
  hostAfter: 5,
};
const long: LawScenario = {
  profile: '1.0',
  options: { a: 'Y', b: 'N' },
  vcpus: 4,
  slots: [slot, { ...slot, npages: 600 }],
  steps: [...Array<LawStep>(20).fill({ do: 'get', slot: 0 }), together, { do: 'log', slot: 0, on: true }],
  ring: true,
};
const touches = ({ steps }: LawScenario): readonly { readonly page: number; readonly kind: string }[] =>
  steps.flatMap(step => (step.do === 'together' ? step.touches : step.do === 'touch' ? [step] : []));

describe('a scenario that breaks a law', () => {
  it('of 22 steps and 3 accesses together becomes one access, of one vCPU, to one slot', () => {
    const simpler = simplestScenario(long, scenario => touches(scenario).some(({ page, kind }) => page >= 300 && kind === 'write'));
    expect(simpler).toEqual({
      profile: '1.0',
      options: {},
      host: {},
      vcpus: 1,
      slots: [{ ...slot, backing: 'anonymous', populated: false }],
      steps: [{ do: 'touch', vcpu: 0, slot: 0, page: 512, kind: 'write', npages: 1, stride: 1 }],
    });
  });

  it('stays together where the order matters: 2 accesses of 3, and the host when it came', () => {
    const breaks = ({ steps }: LawScenario): boolean =>
      steps.some(step => step.do === 'together' && step.touches.length > 1 && (step.hostAfter ?? 0) > 2);
    const [step, ...others] = simplestScenario(long, breaks).steps;
    expect(others).toEqual([]);
    expect(step).toMatchObject({ do: 'together', order: [], hostAfter: 3 });
    expect(step?.do === 'together' ? step.touches.length : 0).toBe(2);
  });
});

describe('a scenario that fails the conformance suite', () => {
  const run = (pages: number): Drawn => ({ do: 'run', vcpu: 2, slot: 0, from: 64, pages, stride: 3, kind: AccessKind.Write, writeEvery: 16 });
  const scenario: Scenario = {
    profile: 0,
    overrides: [
      [1, 1],
      [2, 1],
    ],
    host: [[1, 1]],
    vm: { vcpus: 3, slots: [slot, slot], ring: 1024 },
    operations: [...Array<Drawn>(12).fill({ do: 'get', slot: 0 }), run(2 ** 20), { do: 'log', slot: 0, on: true }],
  };
  const sizes: Sizes = { operations: 14, regularPages: [], oddPages: [], oddSlots: 1, backings: [], maxRun: 2200 };
  const attempt = ({ operations }: Scenario): void => {
    if (operations.some(one => one.do === 'run' && one.pages > 100)) throw new Error('more than 100 pages');
  };

  it('is printed as code, an operation to a line, and in words', () => {
    const report = failureReport({
      definition: Registry.load(['@mmulab/arm64'], __dirname).backend('arm64-stage2'),
      scenario,
      sizes,
      attempt,
      stepsOf: () => [{ step: 'run', vcpu: 0, run: { vfn: 0xc0000, count: 137, stride: 1, kind: AccessKind.Write, writeEvery: 0 } }],
      asTest: ['check(', ');'],
    });
    expect(report.split('\n')).toEqual([
      'more than 100 pages',
      '',
      'The simplest scenario found, of 1 operation (14 at first), as a test:',
      '',
      'check({',
      '  profile: 0,',
      '  overrides: [],',
      '  host: [],',
      '  vm: {',
      '    vcpus: 1,',
      '    ring: 0,',
      '    slots: [',
      "      { backing: 'anonymous', npages: 1024, shift: 0, congruent: true, readonly: false, populated: false },",
      '    ],',
      '  },',
      '  operations: [',
      `    { do: 'run', vcpu: 0, slot: 0, from: 0, pages: 104, stride: 1, kind: ${AccessKind.Write}, writeEvery: 0 },`,
      '  ],',
      '});',
      '',
      'It runs on profile 5.10.223:',
      '  0  vCPU 0: 137 writes from vfn 0xc0000',
      '',
    ]);
  });

  it('names a memslot by what matters of it', () => {
    const backing = { name: 'anonymous', doc: 'x'.repeat(5000) };
    const spec = { id: 1, baseGfn: 4096, npages: 64, hvf: 0, backing, readonly: false, populated: [] };
    const op = { op: 'create_memslot', spec, memory: 'kept' } as unknown as HostOp;
    expect(stepInWords({ step: 'host', op })).toBe(
      "create_memslot { spec: { id: 1, npages: 64, baseGfn: 4096, backing: 'anonymous' }, memory: 'kept' }",
    );
  });
});

it('100 numbers of which two matter become these two, in fewer than 60 tries', () => {
  let tries = 0;
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  const found = simplest<readonly number[]>(numbers, shorterLists, one => {
    tries++;
    return one.includes(17) && one.includes(71);
  });
  expect(found).toEqual([17, 71]);
  expect(tries).toBeLessThan(60);
});

it('text with quotes is code all the same', () => {
  expect(literal({ 'x86.a': "it's", b: [true, undefined], c: undefined })).toBe("{ 'x86.a': 'it\\'s', b: [true, undefined] }");
});
