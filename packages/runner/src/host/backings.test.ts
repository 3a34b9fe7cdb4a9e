import type { HostBacking, HostFault } from '@mmulab/api';
import { codeOf, messageOf } from '../fixtures/registry';
import { toyBackend } from '../fixtures/toy/toy-mmu';
import { builtInBackings, findBacking, listBackings, type BackingHost } from './backings';
import { copiedIn } from './userfaultfd';

const host: BackingHost = { pageSizeBytes: 4096, thp: 'madvise' };
const ARM64_CONTIGUOUS = { 4096: { 1: 16, 2: 16 }, 16384: { 1: 128, 2: 32 }, 65536: { 1: 32, 2: 32 } } as const;

const find = (name: string, over: Partial<BackingHost> = {}): HostBacking => findBacking(name, [], { ...host, ...over });

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
  const all = machines.flatMap(machine =>
    builtInBackings(machine).flatMap(backing => [backing, copiedIn(backing)].map(one => [machine.pageSizeBytes, one] as const)),
  );

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

  it('leaves small zero pages before 6.13 when the huge zero page is written, and copies one', () => {
    const old = find('anonymous_thp', { hugeZeroWrite: false });
    expect(after(old, 'huge_zero', true)).toEqual(['own', 1, true]);
    expect(fault(old, 'huge_zero', true).notifications).toEqual([
      { level: 2, state: 1, changePte: false },
      { level: 1, state: 2, changePte: true },
    ]);
  });

  it('brings a huge page when the huge zero page is written, with one notification and no change_pte', () => {
    const huge = find('anonymous_thp');
    expect(after(huge, 'huge_zero', true)).toEqual(['huge', 2, true]);
    expect(fault(huge, 'huge_zero', true).notifications).toEqual([{ level: 2, state: 4, changePte: false }]);
  });

  it('keeps the table of a block that had fallen apart when it is dropped, until page tables are reclaimed (7.0)', () => {
    const becomes = (pageTableReclaim: boolean): unknown => {
      const { states, dropped } = find('anonymous_thp', { pageTableReclaim });
      return states.map(({ name }, state) => `${name}: ${states[dropped?.block[state] ?? -1]?.name ?? ''}`);
    };
    expect(becomes(false)).toEqual(['none: none', 'zero: none_small', 'own: none_small', 'huge_zero: none', 'huge: none', 'none_small: none_small']);
    expect(becomes(true)).toEqual(['none: none', 'zero: none', 'own: none', 'huge_zero: none', 'huge: none', 'none_small: none']);
    expect(after(find('anonymous_thp'), 'none_small', false)).toEqual(['zero', 1, false]);
    expect(after(find('anonymous_thp'), 'none_small', true)).toEqual(['own', 1, true]);
  });

  it('is copied in as small pages, a whole block at a time, where a userfaultfd watches it', () => {
    const watched = copiedIn(find('anonymous_thp'));
    for (const write of [false, true]) {
      expect(after(watched, 'none', write)).toEqual(['own', 2, true]);
      expect(watched.states[fault(watched, 'none', write).state]).toMatchObject({ level: 1, thp: false });
    }
    expect(after(copiedIn(find('anonymous')), 'none', false)).toEqual(['own', 1, true]);
    expect(after(copiedIn(find('anonymous_hugetlb_2mb')), 'none', false)).toEqual(['rw', 2, true]);
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

describe('memory that the tests do not use', () => {
  it('is huge from the first access of either kind where shmem has huge pages, and small at the edges of a slot', () => {
    const huge = find('shmem_thp');
    expect([after(huge, 'none', false), after(huge, 'none', true)]).toEqual(Array(2).fill(['huge', 2, true]));
    expect(after(huge, 'none', false, 'edgeFaults')).toEqual(['own', 1, true]);
    expect(huge.dropped?.kept[2]).toBe(0);
  });

  it('is a memfd as shmem, and with hugetlb pages as shared_hugetlb, in every size', () => {
    expect(find('memfd').faults).toEqual(find('shmem').faults);
    expect(find('memfd_hugetlb_1gb')).toMatchObject({ pageLevel: 3, hugetlb: true });
    expect(find('memfd_hugetlb').faults).toEqual(find('shared_hugetlb').faults);
    expect(codeOf(() => find('memfd_hugetlb_64kb'))).toBe('HOST_BACKING_NOT_REPRESENTABLE');
  });

  it('is a file mapped privately: read-only until written, and copied with a notification then', () => {
    const file = find('private_file');
    expect(after(file, 'none', false)).toEqual(['cached', 1, false]);
    expect(fault(file, 'none', true).notifications).toEqual([]);
    expect(fault(file, 'cached', true).notifications).toEqual([{ level: 1, state: 2, changePte: true }]);
  });

  it('is listed with its pages on every machine', () => {
    const machine = { ...toyBackend.machine({}), contiguous: { 1: 16 } };
    const listed = listBackings([{ ...toyBackend, machine: () => machine }]);
    const pages = Object.fromEntries(listed.map(backing => [backing.name, backing.pages['toy 4K']]));
    expect(pages).toMatchObject({ anonymous: '4K', anonymous_hugetlb_64kb: '64K in 4K', anonymous_hugetlb_1gb: '1G', memfd: '4K', shmem_thp: '2M' });
    expect(listed.every(({ doc }) => doc !== '')).toBe(true);
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

  it.each([
    [4096, ['64kb', '2mb', '32mb', '1gb']],
    [16384, ['2mb', '32mb', '1gb']],
    [65536, ['2mb', '512mb', '16gb']],
  ] as const)('has sizes of contiguous entries on arm64 with pages of %i bytes: %j', (pageSizeBytes, sizes) => {
    const machine = { ...host, pageSizeBytes, contiguous: ARM64_CONTIGUOUS[pageSizeBytes] };
    const named = builtInBackings(machine).filter(({ name }) => name.startsWith('anonymous_hugetlb_'));
    expect(named.map(({ name }) => name)).toEqual(sizes.map(size => `anonymous_hugetlb_${size}`));
  });

  it('of contiguous entries is mapped in leaves of one entry, but comes as a page', () => {
    const machine = { contiguous: ARM64_CONTIGUOUS[4096] };
    expect(find('anonymous_hugetlb_64kb', machine)).toMatchObject({ pageLevel: 1, contiguous: 16, hugetlb: true });
    expect(find('anonymous_hugetlb_32mb', machine)).toMatchObject({ pageLevel: 2, contiguous: 16, hugetlb: true });
    expect(find('anonymous_hugetlb_2mb', machine).contiguous).toBeUndefined();
  });

  it('cannot be dropped before 5.18', () => {
    expect(find('anonymous_hugetlb_2mb', { hugetlbDontneed: false }).droppable).toBe(false);
    expect(find('shared_hugetlb', { hugetlbDontneed: false }).droppable).toBe(false);
    expect(find('anonymous_hugetlb_2mb').droppable).toBeUndefined();
  });

  it('of another size is refused', () => {
    expect(messageOf(() => find('anonymous_hugetlb_64kb'))).toBe(
      'HOST_BACKING_NOT_REPRESENTABLE: anonymous_hugetlb_64kb: not representable on this machine: with 4K pages a huge page has 2M or 1G',
    );
    expect(codeOf(() => find('anonymous_hugetlb_16gb'))).toBe('HOST_BACKING_NOT_REPRESENTABLE');
    expect(messageOf(() => find('anonymous_hugetlb_4mb'))).toContain('did you mean anonymous_hugetlb_');
  });
});
