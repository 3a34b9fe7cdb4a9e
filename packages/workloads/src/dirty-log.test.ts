import { AccessKind, type VcpuStep } from '@mmulab/api';
import { DirtyLogTest, dirtyLogDefinition } from './dirty-log';
import { codeOf } from './fixtures/code-of';
import { phaseOf } from './fixtures/naive-vm';
import { arm64, INTEL, planOf } from './fixtures/plan-of';
import { PageDraws } from './page-draws';

const test = { definition: dirtyLogDefinition, implementation: DirtyLogTest };

function writes(plan: ReturnType<typeof planOf>, name: string): readonly number[] {
  const step = phaseOf(plan, name)?.steps.find(one => one.kind === 'guest');
  const program: readonly VcpuStep[] = step?.kind === 'guest' ? (step.programs[0] ?? []) : [];
  return program.flatMap(one => (one.op === 'access' && one.run.kind === AccessKind.Write && one.run.vfn >= 0xc0000 ? [one.run.count] : []));
}

describe('dirty_log_test', () => {
  it('makes a memslot of 1 GiB and three pages that is logged from the beginning, one page below the top', () => {
    const { vm, phases } = planOf(test, '');
    expect(vm.memslots.map(({ id }) => id)).toEqual([0]);
    const [step] = phases.at(0)?.steps ?? [];
    const spec = step?.kind === 'host' && step.op.op === 'create_memslot' ? step.op.spec : undefined;
    expect(spec).toMatchObject({ id: 1, logged: true, npages: 262_147, baseGfn: 2 ** 34 - 1 - 262_147 });
  });

  it('writes every page and ten loops of 1024 random ones, then ten loops per harvest, which are 31', () => {
    const plan = planOf(test, '');
    expect(writes(plan, 'dirty_1')).toEqual([262_147, ...Array.from({ length: 10_240 }, () => 1)]);
    expect(writes(plan, 'dirty_2')).toHaveLength(10_240);
    expect(plan.phases.length).toBe(1 + 31 * 2 + 1);
    expect(writes(planOf(test, '-I 3 -i 5 -M clear-log'), 'dirty_4')).toHaveLength(3 * 1024);
  });

  it('clears what it got in clear-log mode alone, and asserts of every get', () => {
    const names = (command: string): (string | undefined)[] => [1, 2, 3, 4].map(at => planOf(test, command).phases.at(at)?.name);
    expect(names('-M dirty-log')).toEqual(['dirty_1', 'get_log_1', 'dirty_2', 'get_log_2']);
    expect(names('-M clear-log')).toEqual(['dirty_1', 'get_log_1', 'clear_log_1', 'dirty_2']);
    expect(phaseOf(planOf(test, ''), 'get_log_7')?.checks).toHaveLength(2);
  });

  it('takes -M all for what it does without', () => {
    const { parseArguments } = dirtyLogDefinition;
    expect([parseArguments([]), parseArguments(['-M', 'all']), parseArguments(['-M', 'clear-log'])]).toEqual([{}, {}, { log_mode: 'clear-log' }]);
  });

  it('touches whole host pages in guests with small pages, and a mebibyte where it is told to', () => {
    const plan = planOf(test, '-p 0x40000000 -m P40V48_4K', arm64(65_536), { bytes: 2 ** 20 });
    const [step] = plan.phases.at(0)?.steps ?? [];
    expect(step).toMatchObject({ op: { op: 'create_memslot', spec: { baseGfn: 2 ** 14, npages: 17 } } });
    expect(codeOf(() => planOf(test, '-p 0x40000001', INTEL))).toBe('WORKLOAD_SIZE_UNALIGNED');
  });
});

it('draws can begin anywhere in their sequence', () => {
  const whole = new PageDraws(7);
  const all = Array.from({ length: 50 }, () => whole.next());
  expect(new Set(all).size).toBe(50);
  expect(new PageDraws(7, 49).next()).toBe(all[49]);
});
