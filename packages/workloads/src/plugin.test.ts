import { WorkloadContribution, type OptionSpec, type Workload } from '@mmulab/api';
import { Container } from 'inversify';
import { INTEL, backing } from './fixtures/plan-of';
import { X86_GUEST } from './guest-image';
import workloads from './plugin';

function contributions(): readonly WorkloadContribution[] {
  const container = new Container();
  container.loadSync(workloads);
  return container.getAll<WorkloadContribution>(WorkloadContribution);
}

function isWithin(spec: OptionSpec): boolean {
  switch (spec.kind) {
    case 'choice':
      return spec.choices.includes(spec.default);
    case 'number':
    case 'size':
      return spec.default >= spec.min && spec.default <= spec.max;
    case 'text':
      return new RegExp(spec.pattern).test(spec.default);
    default:
      return true;
  }
}

describe('the plugin', () => {
  it('brings the selftests, the rounds, register churn and the tests that assert', () => {
    expect(contributions().map(({ definition }) => definition.name)).toEqual([
      'dirty_log_perf_test',
      'execute_perf_test',
      'kvm_page_table_test',
      'access_tracking_perf_test',
      'demand_paging_test',
      'access_rounds',
      'cr_churn',
      'cr0_wp_churn',
      'nested_rounds',
      'guest_tables',
      'nx_huge_pages_test',
      'dirty_log_page_splitting_test',
      'dirty_log_test',
      'memslot_perf_test',
      'memslot_modification_stress_test',
    ]);
  });
});

describe.each(contributions().map(contribution => [contribution.definition.name, contribution] as const))(
  '%s',
  (name, { definition, implementation }) => {
    it('has vcpus among its options, defaults within bounds, names of its own', () => {
      const names = definition.options.map(spec => spec.name);
      expect(names).toContain('vcpus');
      expect(new Set(names).size).toBe(names.length);
      expect(definition.options.filter(spec => !isWithin(spec))).toEqual([]);
      expect(names.filter(option => !/^[a-z0-9_]+$/.test(option))).toEqual([]);
    });

    it('plans with its defaults into a VM that is destroyed at the end', () => {
      const options = Object.fromEntries(definition.options.map(spec => [spec.name, spec.default]));
      const container = new Container();
      container.bind<Workload>(implementation).toSelf();
      const plan = container.get<Workload>(implementation).plan({ options, machine: INTEL, backing, guest: () => X86_GUEST });
      expect(plan.phases.at(-1)?.name).toBe('destroy_vm');
      const names = plan.phases.map(phase => phase.name);
      expect(new Set(names).size).toBe(names.length);
      expect(plan.vm.vcpus).toBe(options['vcpus']);
    });

    it('prints a usage line of its own', () => {
      expect(definition.usage.split('\n')[0]).toMatch(new RegExp(`^usage: ${name} \\[-h\\] `));
    });
  },
);
