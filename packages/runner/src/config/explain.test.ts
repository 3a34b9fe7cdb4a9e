import { codeOf, messageOf, toyRegistry } from '../fixtures/registry';
import { explainName } from './explain';

const registry = toyRegistry();

describe('explaining a name', () => {
  it('tells an option, its values and its default', () => {
    expect(explainName('chunk', registry)).toEqual([
      {
        kind: 'backend option',
        name: 'chunk',
        owners: ['toy-mmu', 'toy-scoped'],
        doc: 'Split chunk.',
        facts: [
          { label: 'values', value: 'a size from 0 to 1G, such as 64K, 16M, 1G' },
          { label: 'default', value: '0' },
        ],
      },
    ]);
  });

  it('finds aliases, and everything that shares a name', () => {
    expect(explainName('ept', registry).map(one => one.name)).toEqual(['npt']);
    expect(explainName('shared_name', registry).map(one => one.kind)).toEqual(['backend option', 'workload option']);
    expect(explainName('vcpus', registry).map(one => one.name)).toEqual(['vcpus', 'vm.vcpus']);
  });

  it.each([
    ['toy-mmu', 'backend'],
    ['toy_test', 'workload'],
    ['6.1.192', 'profile'],
    ['page_fault.write', 'counter'],
    ['thp', 'host option'],
    ['bytes', 'workload option'],
    ['vm.vcpus', 'key of the config'],
    ['kernel', 'key of the config'],
    ['seeds', 'key of the config'],
    ['representative', 'key of the config'],
    ['anonymous_hugetlb_2mb', 'backing'],
  ])('%s is a %s', (name, kind) => {
    expect(explainName(name, registry).map(one => one.kind)).toEqual([kind]);
  });

  it('refuses unknown names with the nearest one', () => {
    expect(messageOf(() => explainName('page_falt', registry))).toContain('(did you mean page_fault?)');
    expect(codeOf(() => explainName('xyzzy', registry))).toBe('EXPLAIN_UNKNOWN_NAME');
  });
});
