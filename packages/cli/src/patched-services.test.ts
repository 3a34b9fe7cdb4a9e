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
import { explainName, Registry, resolveRuns, runResolved } from '@mmulab/runner';

type Module = Parameters<(typeof Registry)['of']>[0] extends Iterable<{ readonly module: infer M }> ? M : never;
type Rules = Readonly<Record<string, unknown>>;

// The command loads backends by their names, and so does this.
const { ContainerModule } = jest.requireActual<{ readonly ContainerModule: new (bind: (load: ContributionLoad) => void) => Module }>('inversify');
const { AgeRule, LeafBits, ShadowRules, TdpRules, TreeRule } = jest.requireActual<{
  readonly AgeRule: new (spte: object) => { visit(at: object, op: object): number };
  readonly LeafBits: new () => { isYoung(): boolean };
  readonly TreeRule: new () => { goal(largest: number, hugePageDisallowed: boolean): number };
  readonly ShadowRules: symbol;
  readonly TdpRules: symbol;
}>('@mmulab/x86');
const { Stage2Rules } = jest.requireActual<{ readonly Stage2Rules: symbol }>('@mmulab/arm64');
const builtIn = ['@mmulab/x86', '@mmulab/arm64', '@mmulab/workloads'].map(name => {
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

describe('explain', () => {
  const TOKENS: Readonly<Record<string, symbol>> = { 'x86-tdp': TdpRules, 'x86-shadow': ShadowRules, 'arm64-stage2': Stage2Rules };
  const told = (of: string, change: (rules: Rules) => Rules): readonly string[] => {
    const registry = registryWith({ name: patch, of, doc: 'Changes rules.' }, run => {
      run.onActivation<Rules>(TOKENS[of] ?? TdpRules, (_context, rules) => ({ ...rules, ...change(rules) }));
    });
    return explainName(patch, registry).flatMap(({ facts }) =>
      facts.filter(({ label }) => /^(answers|patched)/.test(label)).map(({ value }) => value),
    );
  };
  const keeping = (rule: unknown): unknown =>
    class extends (rule as new () => object) {
      visit(): number {
        return 0;
      }
    };
  const same = (rule: unknown): unknown => class extends (rule as new () => object) {};

  it.each<[string, string, string]>([
    ['x86-tdp', 'fastFault', 'write finds a write-protected leaf of 4K: leave it (was: fix-rights (RWXAD), mark dirty, fixed)'],
    ['x86-tdp', 'hardwareWalk', 'instruction fetch finds nothing: leave it (was: end here, a fault: not present)'],
    ['x86-tdp', 'writeProtect', 'a writable leaf of 4K: leave it (was: set-atomic (RwXAD), flush)'],
    ['x86-tdp', 'writeProtectHuge', 'a writable leaf of 2M: leave it (was: set-plain (RXAD), flush)'],
    ['x86-tdp', 'clearDirty', 'a writable leaf of 4K: leave it (was: set-atomic (RWXA), flush)'],
    ['x86-tdp', 'eagerSplit', 'a writable leaf of 2M: leave it (was: split (RWXAD))'],
    ['x86-tdp', 'age', 'a writable leaf of 4K: leave it (was: set-plain (RWXD), flush)'],
    ['x86-tdp', 'unmap', 'a writable leaf of 4K: leave it (was: zap-plain, flush)'],
    ['x86-tdp', 'unmapTables', 'a table at 2M that lies partly in the range: leave it (was: go on below)'],
    ['x86-tdp', 'recover', 'a table at 2M whose first leaf is a writable leaf of 4K, where 2M could be: leave it (was: recover (RWXAD), flush)'],
    ['arm64-stage2', 'make', 'an executable leaf: leave it (was: clean-inval-publish (RWXA))'],
    ['arm64-stage2', 'relax', 'execute is added to a writable leaf: leave it (was: inval-set-attr (RWXA))'],
    ['arm64-stage2', 'mkyoung', 'an aged leaf: leave it (was: set-attr (RWA))'],
    ['arm64-stage2', 'hardwareWalk', 'write finds a read-only leaf: leave it, it goes through (was: end here, a permission fault)'],
    ['arm64-stage2', 'writeProtect', 'a writable leaf: leave it (was: set-attr (RA))'],
    ['arm64-stage2', 'age', 'a writable leaf: leave it (was: set-attr (RW))'],
    ['arm64-stage2', 'unmap', 'a table with nothing in it: leave it (was: unmap)'],
    ['arm64-stage2', 'split', 'blocks of level 2 are to be split: a leaf of level 2: leave it (was: split (RWA))'],
  ])('of %s tells what another %s answers', (of, rule, answer) => {
    const service = of === 'x86-tdp' ? 'TdpRules' : 'Stage2Rules';
    expect(told(of, rules => ({ [rule]: keeping(rules[rule]) }))).toContain(`${service}.${rule}: ${answer}`);
  });

  it('tells of each of two rules, of steps, of the bits of shadow pages, and which rule answers as before', () => {
    const facts = told('x86-tdp', rules => ({ map: keeping(rules['map']), age: keeping(rules['age']), recover: same(rules['recover']) }));
    expect(facts.filter(fact => fact.startsWith('TdpRules.map')).length).toBe(6);
    expect(facts.filter(fact => fact.startsWith('TdpRules.age')).length).toBe(6);
    expect(facts.at(-1)).toBe('TdpRules.recover: none that differs of those asked, whatever one option says');
    const steps = told('arm64-stage2', ({ protocols }) => ({
      protocols: (protocols as readonly Protocol[]).map(one => ({ ...one, steps: one.steps.slice(0, 1) })),
    }));
    expect(steps).toContain('Stage2Rules.protocols: steps of break-leaf: write empty (was: write empty, tlbi, put page)');
    class NeverClean extends LeafBits {
      clearDirty(bits: number): number {
        return bits;
      }
    }
    expect(told('x86-shadow', () => ({ leaf: NeverClean }))).toContain('ShadowRules.leaf: a dirty leaf that is cleared: RWXAD (was: RWXA)');
  });

  it('tells of a rule that differs on another host only', () => {
    class WithoutBits {
      visit(at: { readonly attr: number }, op: object): number {
        return this.adBits ? this.rule.visit(at, op) : 0;
      }
      private readonly rule: { visit(at: object, op: object): number };
      constructor(
        spte: object,
        private readonly adBits = (spte as { readonly adBits: boolean }).adBits,
      ) {
        this.rule = new AgeRule(spte);
      }
    }
    const facts = told('x86-tdp', () => ({ age: WithoutBits }));
    expect(facts.slice(0, 3)).toEqual([
      expect.stringMatching(/^none that differs, of \d+ asked/),
      'TdpRules.age: differ with host.ad_bits=N',
      expect.stringMatching(/^TdpRules\.age: a writable leaf of 4K: leave it \(was: set-plain \(Rwt\), flush\)$/),
    ]);
  });

  it.each<[string, (rules: Rules) => Rules, RegExp]>([
    ['undefined', () => ({ age: undefined }), /^PLUGIN_SHAPE: mine: patch mine: TdpRules\.age is undefined; expected a class/],
    [
      'one that nobody asks for',
      () => ({ agee: class {} }),
      /^PLUGIN_SHAPE: mine: patch mine: TdpRules\.agee is "function"; expected one of the rules there are \(did you mean age\?\)/,
    ],
    ['no list', () => ({ protocols: {} }), /^PLUGIN_SHAPE: mine: patch mine: TdpRules\.protocols is .*expected a list/],
  ])('and a run refuse a rule that is %s', (_what, change, message) => {
    const registry = registryWith({ name: patch, of: 'x86-tdp', doc: 'Broken.' }, run => {
      run.onActivation<Rules>(TdpRules, (_context, rules) => ({ ...rules, ...change(rules) }));
    });
    expect(() => explainName(patch, registry)).toThrow(message);
    expect(() => counts(registry, { name: 'x86-tdp', patch }, 'access_rounds -b 1M -p w')).toThrow(message);
  });
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
