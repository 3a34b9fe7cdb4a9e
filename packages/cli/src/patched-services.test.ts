/**
 * What a patch may put in the place of a backend's own: values of its profile, protocols, rules of the legacy MMU.
 */
import {
  Step,
  contributePatch,
  type ContributionLoad,
  type OptionValues,
  type PatchDefinition,
  type PatchLoad,
  type Protocol,
  type RunResult,
} from '@mmulab/api';
import { Registry, resolveRuns, runResolved } from '@mmulab/runner';

type Module = Parameters<(typeof Registry)['of']>[0] extends Iterable<{ readonly module: infer M }> ? M : never;
type Rules = Readonly<Record<string, unknown>>;

// The command loads backends by their names, and so does this.
const { ContainerModule } = jest.requireActual<{ readonly ContainerModule: new (bind: (load: ContributionLoad) => void) => Module }>('inversify');
const { LeafBits, ShadowRules, TdpRules, TreeRule } = jest.requireActual<{
  readonly LeafBits: new () => { isYoung(): boolean };
  readonly TreeRule: new () => { goal(largest: number, hugePageDisallowed: boolean): number };
  readonly ShadowRules: symbol;
  readonly TdpRules: symbol;
}>('@mmulab/x86');
const builtIn = ['@mmulab/x86', '@mmulab/workloads'].map(name => {
  return { name, path: name, module: jest.requireActual<{ readonly default: Module }>(`${name}/lib/plugin.js`).default };
});

function registryWith(definition: PatchDefinition, apply?: (run: PatchLoad) => void): Registry {
  const module = new ContainerModule(load => contributePatch(load, definition, apply));
  return Registry.of([...builtIn, { name: 'mine', path: 'mine', module }]);
}

interface Setting {
  readonly name: string;
  readonly kernel?: string;
  readonly options?: OptionValues;
  readonly patch?: string;
}

function counts(registry: Registry, backend: Setting, workload: string): RunResult['totals']['counters'] {
  const [run] = resolveRuns({ backend, workload }, registry);
  return runResolved(run, registry).totals.counters;
}

const patch = 'mine';

describe('a patch of values', () => {
  const registry = registryWith({ name: patch, of: 'x86-tdp', doc: 'Splits, as 6.2 does.', values: { huge_page_fault: 'split' } });
  const test = 'execute_perf_test -b 4M -s anonymous_hugetlb_2mb';
  const at = (more: Omit<Setting, 'name' | 'kernel'>): unknown =>
    counts(registry, { name: 'x86-tdp', kernel: '6.1', ...more, options: { nx_huge_pages: 'Y', ...more.options } }, test);

  it('counts as the option does, and what a config says beats it', () => {
    const [split, zap] = ['split', 'zap'].map(huge_page_fault => at({ options: { huge_page_fault } }));
    expect(split).not.toEqual(zap);
    expect(at({ patch })).toEqual(split);
    expect(at({ patch, options: { huge_page_fault: 'zap' } })).toEqual(zap);
  });

  it('is refused where the backend has no such option, or no such value', () => {
    const broken = (values: OptionValues) => () => registryWith({ name: patch, of: 'x86-tdp', doc: 'Broken values.', values });
    expect(broken({ huge_page_fualt: 'split' })).toThrow(/did you mean huge_page_fault/);
    expect(broken({ huge_page_fault: 'fold' })).toThrow(/zap, split|zap or split/);
  });
});

it('a patch of protocols makes each of 1024 leaves that the host takes away ask for a flush of its own', () => {
  const registry = registryWith({ name: patch, of: 'x86-tdp', doc: 'Flushes leaf by leaf.' }, run => {
    run.onActivation<Rules>(TdpRules, (_context, rules) => ({
      ...rules,
      protocols: (rules['protocols'] as readonly Protocol[]).map(one =>
        one.name === 'zap-plain' ? { ...one, steps: [...one.steps, Step.Flush] } : one,
      ),
    }));
  });
  const flushes = (more: object): number =>
    counts(registry, { name: 'x86-tdp', ...more }, 'access_rounds -b 4M -p w,Z')['remote_tlb_flush_requests'] ?? NaN;
  expect(flushes({ patch }) - flushes({})).toBeGreaterThanOrEqual(1024);
});

it('a patch of the legacy tree maps 1 GiB of memory in 512 pages of 2 MiB instead of one, and of its leaves finds none young', () => {
  class NoGiantPages extends TreeRule {
    override goal(largest: number, hugePageDisallowed: boolean): number {
      return Math.min(2, super.goal(largest, hugePageDisallowed));
    }
  }
  class NeverYoung extends LeafBits {
    override isYoung(): boolean {
      return false;
    }
  }
  const registry = registryWith({ name: patch, of: 'x86-shadow', doc: 'No 1 GiB pages, nothing young.' }, run => {
    run.onActivation<Rules>(ShadowRules, (_context, rules) => ({ ...rules, tree: NoGiantPages, leaf: NeverYoung }));
  });
  const installed = (more: object): readonly unknown[] => {
    const direct = { npt: 'Y', tdp_mmu: 'N' };
    const test = 'access_rounds -b 1G -s anonymous_hugetlb_1gb -p w,Af,Z';
    const [run] = resolveRuns({ backend: { name: 'x86-shadow', options: direct, ...more }, workload: test }, registry);
    const { phases } = runResolved(run, registry);
    const [written, aged] = ['1_w', '2_Af'].map(name => phases.find(({ phase }) => phase === name)?.counters ?? {});
    return [written['pages_1g'], written['pages_2m'], aged['remote_tlb_flush_requests']];
  };
  expect([installed({}), installed({ patch })]).toEqual([
    [1, 0, 1],
    [0, 512, 0],
  ]);
});
