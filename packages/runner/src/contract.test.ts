/**
 * The contract between runner and backends, seen from a backend: when vCPUs leave, what is refused before it runs, how a KVM_RUN fails.
 */
import {
  AccessKind,
  KvmRunFailure,
  contributeBackend,
  contributeWorkload,
  type HostOp,
  type MmuBackend,
  type PhaseCheck,
  type PhaseStep,
  type RunResult,
  type RunTimeline,
  type VcpuStep,
  type Workload,
  type WorkloadRequest,
} from '@mmulab/api';
import { ContainerModule, injectFromBase, injectable, type Newable } from 'inversify';
import { codeOf, messageOf } from './fixtures/registry';
import { ToyMmu, toyBackend } from './fixtures/toy/toy-mmu';
import { toyWorkload } from './fixtures/toy/toy-workload';
import { resolveRuns } from './config/validate';
import { Registry } from './registry';
import { planRun, runResolved } from './run';
import { runTimeline } from './timeline-run';

const touch = (vfn: number, kind: AccessKind = AccessKind.Write): VcpuStep => ({
  op: 'access',
  run: { vfn, count: 1, stride: 1, kind, writeEvery: 0 },
});
const guest = (shared: boolean, ...programs: VcpuStep[][]): PhaseStep => ({ kind: 'guest', shared, programs });

/** A registry with one backend and one workload of these steps. */
function registryOf(
  Backend: Newable<MmuBackend>,
  steps: (request: WorkloadRequest) => readonly PhaseStep[],
  nested = false,
  checks: readonly PhaseCheck[] = [],
): Registry {
  @injectable()
  class Steps implements Workload {
    plan(request: WorkloadRequest): ReturnType<Workload['plan']> {
      const cpu = { wp: false, smep: false, smap: false, efernx: true, pge: false, pcide: false };
      const space = { name: 'l2', levels: 4, root: 0, runs: [], tables: [] };
      const vm = { vcpus: 2, physBits: 46, memslots: [], spaces: [], cpu, ...(nested ? { nested: space } : {}) };
      return {
        vm,
        phases: [
          { name: 'all', steps: steps(request), ...(checks.length === 0 ? {} : { checks }) },
          { name: 'after', steps: [] },
        ],
        notes: [],
      };
    }
  }
  const module = new ContainerModule(load => {
    contributeBackend(load, { ...toyBackend, operations: [{ name: 'toy.spin', doc: 'Turns.' }] }, Backend);
    contributeWorkload(load, { ...toyWorkload, name: 'steps' }, Steps);
  });
  return Registry.of([{ name: 'contract', path: '/contract', module }]);
}

function runOne(registry: Registry): RunResult {
  const [run] = resolveRuns({ workload: { name: 'steps', options: { vcpus: 2 } } }, registry);
  if (run === undefined) throw new Error('no run');
  return runResolved(run, registry);
}

describe('a vCPU', () => {
  let heard: string[] = [];
  @injectable()
  @injectFromBase({ extendConstructorArguments: true })
  class Heard extends ToyMmu {
    override enter(vcpu: number): void {
      super.enter(vcpu);
      heard.push(`enter ${vcpu}`);
    }
    leave(vcpu: number): void {
      heard.push(`leave ${vcpu}`);
    }
  }

  it.each([false, true])('leaves the guest after each program and before each entry (shared: %s)', shared => {
    heard = [];
    runOne(registryOf(Heard, () => [guest(shared, [touch(0), { op: 'exit' }, touch(1)], [touch(2)])]));
    const of = (vcpu: number): string[] => heard.filter(word => word.endsWith(String(vcpu))).map(word => word.slice(0, -2));
    expect([of(0), of(1)]).toEqual([
      ['enter', 'leave', 'enter', 'leave'],
      ['enter', 'leave'],
    ]);
  });
});

describe('a plan', () => {
  const needing = (...steps: PhaseStep[]): Registry => registryOf(ToyMmu, () => steps);
  const write = (write: Extract<VcpuStep, { op: 'control' }>['write']): PhaseStep =>
    guest(false, [{ op: 'repeat', times: 2, steps: [{ op: 'control', write }] }]);
  const host = (op: HostOp): PhaseStep => ({ kind: 'host', op });
  const planned = (registry: Registry): string =>
    messageOf(() => resolveRuns({ workload: { name: 'steps' } }, registry).map(run => planRun(run, registry)));

  it('that needs a host operation or register the backend does not have is refused by name before it runs', () => {
    expect(planned(needing(host({ op: 'nx_recovery' })))).toMatch(
      /^WORKLOAD_NEEDS: steps: needs the host operation nx_recovery, which toy-mmu does not have \(it has: .*destroy_vm, toy.spin\)$/,
    );
    expect(planned(needing(write({ register: 'cr4', bit: 'pge', value: 1 })))).toMatch(
      /needs the register cr4, which toy-mmu does not have \(it has: cr0\)$/,
    );
    expect(planned(needing(write({ register: 'riscv.vsatp', value: 1 })))).toMatch(/needs the register riscv.vsatp/);
    expect(planned(registryOf(ToyMmu, () => [], true))).toMatch(/needs the host operation nested/);
    const writes = { vfn: 0, first: 0, count: 1, stride: 1, change: { kind: 'modify', set: 0, clear: 1 } } as const;
    expect(planned(needing(guest(false, [{ op: 'table', writes }])))).toMatch(/needs the host operation guest_table_writes/);
  });

  it('that gives a register a value it does not take is refused', () => {
    expect(planned(needing(write({ register: 'cr0', bit: 'pg', value: 1 })))).toBe('WORKLOAD_REGISTER_VALUE: steps: cr0.bit: "pg": expected wp');
  });

  it('may use what the backend declares, its own operations too', () => {
    expect(planned(needing(host({ op: 'toy.spin', value: 3 }), write({ register: 'cr0', bit: 'wp', value: 'toggle' })))).toBe('');
  });

  it.each<[Partial<PhaseCheck>, string]>([
    [{ of: [{ counter: 'page_faults' }] }, 'WORKLOAD_NEEDS: steps: needs the counter page_faults (did you mean page_fault?)'],
    [{ of: [{ counter: 'qqqqqqqq' }] }, 'WORKLOAD_NEEDS: steps: needs the counter qqqqqqqq, which '],
    [{ of: [{ counter: 'touch', phase: 'after' }] }, 'WORKLOAD_CHECK_PHASE: steps: a check of all looks at after'],
    [{ of: [] }, 'PLUGIN_SHAPE: steps: a check of phase all (seen): of'],
    [{ relation: '=' as '==' }, 'PLUGIN_SHAPE: steps: a check of phase all (seen): relation'],
    [{ expected: 'one' as unknown as number }, 'PLUGIN_SHAPE: steps: a check of phase all (seen): expected'],
  ])('that asserts what cannot be looked at is refused: %j', (wrong, message) => {
    const check: PhaseCheck = { name: 'seen', of: [{ counter: 'touch' }], relation: '==', expected: 1 };
    expect(planned(registryOf(ToyMmu, () => [], false, [{ ...check, ...wrong }]))).toContain(message);
    const result = runOne(registryOf(ToyMmu, () => [guest(false, [touch(0)])], false, [check]));
    expect(result.checks).toEqual([{ phase: 'all', name: 'seen', of: 'touch', relation: '==', expected: 1, actual: 1, passed: true }]);
  });

  it('for an architecture without a guest of its own gets none of another', () => {
    const asking = registryOf(ToyMmu, request => [guest(false, [touch(request.guest().stackFirst)])]);
    expect(codeOf(() => runOne(asking))).toBe('GUEST_UNKNOWN_ARCH');
  });
});

describe('a KVM_RUN that fails', () => {
  @injectable()
  @injectFromBase({ extendConstructorArguments: true })
  class Failing extends ToyMmu {
    override advance(vcpu: number): number {
      const next = super.advance(vcpu);
      if (this.translate(2) !== undefined) throw new KvmRunFailure({ errno: 'EEXIST', vcpu, gfn: 2 }, 'a leaf is in the way');
      return next;
    }
    notes(): readonly string[] {
      return ['Failing is what it does.'];
    }
  }

  it.each([false, true])('ends the run, keeps what was counted up to there, and says what happened (shared: %s)', shared => {
    const registry = registryOf(Failing, () => [guest(shared, [touch(0), touch(2), touch(3)], [])]);
    const result = runOne(registry);
    expect(result.failure).toEqual({ phase: 'all', errno: 'EEXIST', vcpu: 0, gfn: 2, reason: 'a leaf is in the way' });
    expect(result.phases.map(({ phase, counters }) => [phase, counters['touch']])).toEqual([['all', 2]]);
    expect(result.notes).toContain('Failing is what it does.');
  });

  it('ends a timeline with everything that had begun', () => {
    const registry = registryOf(Failing, () => [guest(true, [touch(0), touch(2)], [touch(1), touch(7)])]);
    const [run] = resolveRuns({ workload: { name: 'steps', options: { vcpus: 2 } } }, registry);
    if (run === undefined) throw new Error('no run');
    const open: string[] = [];
    const timeline = new Proxy({} as RunTimeline, {
      get: (_, name: string) => (who?: number) => {
        const what = `${name.replace(/(Begins|Ends)$/, '')}${typeof who === 'number' && name !== 'phaseEnds' && name !== 'end' ? ` ${who}` : ''}`;
        if (name.endsWith('Begins')) open.push(name === 'phaseBegins' ? 'phase' : what);
        else if (name.endsWith('Ends')) expect(open.splice(open.lastIndexOf(what), 1)).toEqual([what]);
      },
    });
    runTimeline(run, registry, timeline, runResolved(run, registry));
    expect(open).toEqual([]);
  });

  it('is known by its shape when it comes from another copy of the api', () => {
    @injectable()
    @injectFromBase({ extendConstructorArguments: true })
    class Foreign extends ToyMmu {
      override advance(): number {
        throw Object.assign(new Error('KVM_RUN_FAILED: x'), { code: 'KVM_RUN_FAILED', place: { vcpu: 1 }, reason: 'for ever' });
      }
    }
    expect(runOne(registryOf(Foreign, () => [guest(false, [touch(0)])])).failure).toEqual({ phase: 'all', vcpu: 1, reason: 'for ever' });
  });

  it('does not hide a backend that is broken', () => {
    @injectable()
    @injectFromBase({ extendConstructorArguments: true })
    class Broken extends ToyMmu {
      override advance(): number {
        throw new TypeError('oops');
      }
    }
    expect(() => runOne(registryOf(Broken, () => [guest(false, [touch(0)])]))).toThrow('oops');
  });
});
