import type { ControlWrite, VcpuProgram } from '@mmulab/api';
import { Cr0WpChurn, cr0WpChurnDefinition } from './cr0-wp-churn';
import { codeOf } from './fixtures/code-of';
import { NaiveVm, phaseOf } from './fixtures/naive-vm';
import { AMD, arm64, planOf } from './fixtures/plan-of';

const plan = (command: string, machine = AMD): ReturnType<typeof planOf> =>
  planOf({ definition: cr0WpChurnDefinition, implementation: Cr0WpChurn }, command, machine);

function controls(program: VcpuProgram): ControlWrite[] {
  return program.flatMap(step => {
    if (step.op === 'repeat') return Array.from({ length: step.times }, () => controls(step.steps)).flat();
    return step.op === 'control' ? [step.write] : [];
  });
}

/** Register writes of a round: `-` and `+` for WP, digits for address spaces. */
function writesOf(command: string, name: string): string {
  const step = phaseOf(plan(command), name)?.steps[0];
  const writes = step?.kind === 'guest' ? controls(step.programs[0] ?? []) : [];
  return writes.map(write => (write.register === 'cr3' ? String(write.space) : write.register === 'cr0' && write.value === 0 ? '-' : '+')).join('');
}

describe('cr0_wp_churn', () => {
  it('lifts WP and sets it again for each protected write', () => {
    expect(writesOf('-n 3', 'round_1')).toBe('-+-+-+');
  });

  it.each([
    ['-n 4 -k 2 -c 1', '-+1-+0-+1-+0', '-+1-+0-+1-+0'],
    ['-n 5 -k 2 -c 2', '-+-+1-+-+0-+', '-+1-+-+0-+-+1'],
    ['-n 7 -k 3 -c 1', '-+1-+2-+0-+1-+2-+0-+1', '-+2-+0-+1-+2-+0-+1-+2'],
    ['-n 2 -k 2 -c 5', '-+-+', '-+-+'],
  ])('%s switches processes by rate, on into the second round', (command, first, second) => {
    expect([writesOf(command, 'round_1'), writesOf(command, 'round_2')]).toEqual([first, second]);
  });

  it('starts with WP=1 and faults on nothing but copies of the protected pages where mappings are kept', () => {
    const planned = plan('-n 16 -w 8 -t 64');
    expect(planned.vm.cpu.wp).toBe(true);
    const vm = new NaiveVm(planned.vm);
    const counts = ['warm', 'round_1', 'round_2'].map(name => vm.runPhase(phaseOf(planned, name)).page_fault);
    // 9 pages to start, a directory and two tables, 64 + 8 pages; then two faults for each page read from zero before.
    expect(counts).toEqual([9 + 3 + 72, 16, 0]);
  });

  it('faults on every page in use after each change where the tree is rebuilt', () => {
    const planned = plan('-n 16 -w 8 -t 64');
    const vm = new NaiveVm(planned.vm, { rebuilds: true });
    vm.runPhase(phaseOf(planned, 'warm'));
    vm.runPhase(phaseOf(planned, 'round_1'));
    // per change: 6 tables, code, globals and the pages; at the end table and page of the stack, and the page that synchronises
    expect(vm.runPhase(phaseOf(planned, 'round_2')).page_fault).toBe(16 * (8 + 8) + 16 * (8 + 64) + 3);
  });

  it('stays small as a program for 10 million toggles', () => {
    const step = phaseOf(plan('-n 5000000 -k 6 -c 7'), 'round_2')?.steps[0];
    expect(JSON.stringify(step).length).toBeLessThan(20000);
  });

  it('runs on x86 only', () => {
    expect(codeOf(() => plan('', arm64()))).toBe('WORKLOAD_NOT_ON_ARCH');
  });
});
