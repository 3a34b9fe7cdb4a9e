import type { ControlWrite, VcpuProgram } from '@mmulab/api';
import { CrChurn, crChurnDefinition } from './cr-churn';
import { codeOf } from './fixtures/code-of';
import { NaiveVm, phaseOf } from './fixtures/naive-vm';
import { AMD, arm64, planOf } from './fixtures/plan-of';

const plan = (command: string, machine = AMD): ReturnType<typeof planOf> =>
  planOf({ definition: crChurnDefinition, implementation: CrChurn }, command, machine);

/** Faults of the phases warm, round_1, round_2. */
function faults(command: string, rebuilds: boolean): number[] {
  const planned = plan(command);
  const vm = new NaiveVm(planned.vm, { rebuilds });
  return ['warm', 'round_1', 'round_2'].map(name => vm.runPhase(phaseOf(planned, name)).page_fault);
}

function controls(program: VcpuProgram): ControlWrite[] {
  return program.flatMap(step => {
    if (step.op === 'repeat') return Array.from({ length: step.times }, () => controls(step.steps)).flat();
    return step.op === 'control' ? [step.write] : [];
  });
}

function controlsOf(command: string, name: string): ControlWrite[] {
  const step = phaseOf(plan(command), name)?.steps[0];
  return step?.kind === 'guest' ? controls(step.programs[0] ?? []) : [];
}

describe('cr_churn where mappings are kept', () => {
  it.each([
    ['-m w -n 16 -p 16', [27, 2, 0]],
    ['-m w -n 64 -p 64', [75, 2, 0]],
    ['-m e -n 16 -p 16', [27, 2, 0]],
    ['-m i -n 16 -p 16', [27, 2, 0]],
    ['-m w -n 16 -p 16 -v 2', [28, 2, 0]],
    ['-m w -n 16 -p 16 -r 1', [45, 33, 0]],
    ['-m c -k 2 -n 60 -p 16', [27, 3, 0]],
    ['-m c -k 6 -n 60 -p 16', [27, 7, 0]],
    ['-m c -k 1 -n 60 -p 16', [27, 2, 0]],
  ])('%s takes %j faults in warm, round_1 and round_2', (command, expected) => {
    expect(faults(command, false)).toEqual(expected);
  });
});

describe('cr_churn where every change rebuilds the tree', () => {
  it.each([
    ['-m w -n 16 -p 16', [27, 404, 404]],
    ['-m e -n 16 -p 16', [27, 420, 419]],
    ['-m w -n 16 -p 16 -r 1', [45, 699, 683]],
  ])('%s takes %j faults in warm, round_1 and round_2', (command, expected) => {
    expect(faults(command, true)).toEqual(expected);
  });
});

describe('the changes', () => {
  it('are one register write each', () => {
    expect(controlsOf('-m w -n 3', 'round_1')).toEqual(Array(3).fill({ register: 'cr0', bit: 'wp', value: 'toggle' }));
    expect(controlsOf('-m s -n 2', 'round_2')).toEqual(Array(2).fill({ register: 'cr3', space: 0 }));
    expect(controlsOf('-m i -n 1', 'round_1')).toEqual([{ register: 'invlpg', vfn: 0xc0000 }]);
  });

  it('go round the roots and on into the second round', () => {
    const spaces = (name: string): unknown[] => controlsOf('-m c -k 3 -n 5', name).map(write => write.register === 'cr3' && write.space);
    expect(spaces('round_1')).toEqual([1, 2, 0, 1, 2]);
    expect(spaces('round_2')).toEqual([0, 1, 2, 0, 1]);
  });

  it('stay small as a program however many they are', () => {
    const step = phaseOf(plan('-m c -k 6 -n 10000000'), 'round_1')?.steps[0];
    expect(step?.kind === 'guest' && JSON.stringify(step).length).toBeLessThan(20000);
  });

  it('let read-only pages be written while CR0.WP is 0, in the second round as well after an odd number', () => {
    const kinds = (name: string): number[] => {
      const step = phaseOf(plan('-m w -n 3 -r 1'), name)?.steps[0];
      const flat = (program: VcpuProgram): VcpuProgram =>
        program.flatMap(inner => (inner.op === 'repeat' ? Array.from({ length: inner.times }, () => flat(inner.steps)).flat() : [inner]));
      return flat(step?.kind === 'guest' ? (step.programs[0] ?? []) : []).flatMap(inner =>
        inner.op === 'access' && inner.run.vfn === 0xc0200 ? [inner.run.kind] : [],
      );
    };
    expect(kinds('round_1')).toEqual([0, 1, 0]);
    expect(kinds('round_2')).toEqual([1, 0, 1]);
  });

  it('of other registers leave WP at 0: the pages are written', () => {
    const step = phaseOf(plan('-m e -n 1 -r 1'), 'round_1')?.steps[0];
    expect(JSON.stringify(step)).toContain('{"vfn":786944,"count":16,"stride":1,"kind":1,"writeEvery":0}');
  });
});

it('runs its vCPUs one after the other', () => {
  expect(phaseOf(plan('-v 2'), 'warm')?.steps[0]).toMatchObject({ shared: false });
});

it.each([
  ['-r 1 -p 513', AMD, 'WORKLOAD_OPTION_CONFLICT'],
  ['-m w', arm64(), 'WORKLOAD_NOT_ON_ARCH'],
])('cr_churn %s is refused', (command, machine, code) => {
  expect(codeOf(() => plan(command, machine))).toBe(code);
});
