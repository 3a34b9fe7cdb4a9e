import type { HostBacking, HostFault } from '@mmulab/api';
import { codeOf, messageOf } from '../fixtures/registry';
import { builtInBackings, findBacking } from './backings';

const host = { pageSizeBytes: 4096, thp: 'madvise' };

const find = (name: string, over: Partial<typeof host> = {}): HostBacking => findBacking(name, [], { ...host, ...over });

function fault(backing: HostBacking, state: string, write: boolean, table: 'faults' | 'edgeFaults' = 'faults'): HostFault {
  const index = backing.states.findIndex(candidate => candidate.name === state);
  const found = backing[table]?.[index * 2 + (write ? 1 : 0)];
  if (found === undefined) throw new Error(`${backing.name} has no fault in state ${state}`);
  return found;
}

const after = (backing: HostBacking, state: string, write: boolean, table?: 'edgeFaults'): unknown => {
  const { state: next, spanLevel, writable } = fault(backing, state, write, table);
  return [backing.states[next]?.name, spanLevel, writable];
};

describe('every backing', () => {
  const machines = [host, { ...host, thp: 'never' }, { pageSizeBytes: 16384, thp: 'always' }, { pageSizeBytes: 65536, thp: 'madvise' }];
  const all = machines.flatMap(machine => builtInBackings(machine).map(backing => [machine.pageSizeBytes, backing] as const));

  it.each(all)('has a fault per state and kind of access (%d byte pages, %o)', (_pageSize, backing) => {
    for (const faults of [backing.faults, backing.edgeFaults ?? backing.faults]) {
      expect(faults).toHaveLength(backing.states.length * 2);
      for (const [index, { state, writable, ok }] of faults.entries()) {
        expect(ok).toBe(true);
        expect(backing.states[state]?.present).toBe(true);
        expect(backing.states[state]?.writable).toBe(writable);
        if (index % 2 === 1) expect(writable).toBe(true);
      }
    }
    expect(backing.states[0]).toMatchObject({ name: 'none', present: false });
    expect(backing.states[backing.populated]).toMatchObject({ present: true, writable: true });
  });
});

describe('anonymous', () => {
  it('maps the zero page for a read, its own page for a write', () => {
    expect(after(find('anonymous'), 'none', false)).toEqual(['zero', 1, false]);
    expect(after(find('anonymous'), 'none', true)).toEqual(['own', 1, true]);
    expect(fault(find('anonymous'), 'none', true).notifications).toEqual([]);
  });

  it('copies the zero page with one notification and a change_pte', () => {
    expect(after(find('anonymous'), 'zero', true)).toEqual(['own', 1, true]);
    expect(fault(find('anonymous'), 'zero', true).notifications).toEqual([{ level: 1, state: 2, changePte: true }]);
  });
});

describe('anonymous_thp', () => {
  it('maps huge pages for untouched memory', () => {
    expect(after(find('anonymous_thp'), 'none', false)).toEqual(['huge_zero', 2, false]);
    expect(after(find('anonymous_thp'), 'none', true)).toEqual(['huge', 2, true]);
  });

  it('leaves small zero pages when the huge zero page is written, and copies one', () => {
    const written = fault(find('anonymous_thp'), 'huge_zero', true);
    expect(after(find('anonymous_thp'), 'huge_zero', true)).toEqual(['own', 1, true]);
    expect(written.notifications).toEqual([
      { level: 2, state: 1, changePte: false },
      { level: 1, state: 2, changePte: true },
    ]);
  });

  it('has small pages at the edges of a slot', () => {
    expect(after(find('anonymous_thp'), 'none', false, 'edgeFaults')).toEqual(['zero', 1, false]);
    expect(after(find('anonymous_thp'), 'none', true, 'edgeFaults')).toEqual(['own', 1, true]);
  });

  it('behaves as anonymous, aligned as before, where the host has thp: never', () => {
    const never = find('anonymous_thp', { thp: 'never' });
    expect(never.faults).toEqual(find('anonymous').faults);
    expect(never).toMatchObject({ name: 'anonymous_thp', pageLevel: 2 });
  });
});

describe('hugetlb memory', () => {
  it('that is private and read first becomes writable in place, without a notification', () => {
    const hugetlb = find('anonymous_hugetlb_1gb');
    expect(after(hugetlb, 'none', false)).toEqual(['ro', 3, false]);
    expect(after(hugetlb, 'ro', true)).toEqual(['rw', 3, true]);
    expect(fault(hugetlb, 'ro', true).notifications).toEqual([]);
  });

  it('that is shared, and shmem, are writable after a read', () => {
    expect(after(find('shared_hugetlb'), 'none', false)).toEqual(['own', 2, true]);
    expect(after(find('shmem'), 'none', false)).toEqual(['own', 1, true]);
  });

  it('has the sizes that the entries of the machine have', () => {
    const sizes = (pageSizeBytes: number): string[] =>
      builtInBackings({ ...host, pageSizeBytes })
        .map(backing => backing.name)
        .filter(name => name.startsWith('anonymous_hugetlb_'));
    expect(sizes(4096)).toEqual(['anonymous_hugetlb_2mb', 'anonymous_hugetlb_1gb']);
    expect(sizes(16384)).toEqual(['anonymous_hugetlb_32mb']);
    expect(sizes(65536)).toEqual(['anonymous_hugetlb_512mb']);
    expect(find('anonymous_hugetlb').doc).toContain('pages of 2M');
    expect(find('anonymous_hugetlb', { pageSizeBytes: 65536 }).doc).toContain('pages of 512M');
  });

  it('of another size is refused', () => {
    expect(messageOf(() => find('anonymous_hugetlb_64kb'))).toBe(
      'HOST_BACKING_NOT_REPRESENTABLE: anonymous_hugetlb_64kb: not representable on this machine: with 4K pages a huge page has 2M or 1G',
    );
    expect(codeOf(() => find('anonymous_hugetlb_16gb'))).toBe('HOST_BACKING_NOT_REPRESENTABLE');
    expect(messageOf(() => find('anonymous_hugetlb_4mb'))).toContain('did you mean anonymous_hugetlb_');
  });
});
