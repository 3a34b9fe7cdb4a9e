import type { GuestTables, WorkloadPlan } from '@mmulab/api';
import { AccessRounds, accessRoundsDefinition } from './access-rounds';
import { CrChurn, crChurnDefinition } from './cr-churn';
import { DirtyLogPerf, dirtyLogPerfDefinition } from './dirty-log-perf';
import { codeOf } from './fixtures/code-of';
import { walk } from './fixtures/naive-vm';
import { AMD, INTEL, arm64, planOf, type Exported } from './fixtures/plan-of';
import { KvmPageTable, kvmPageTableDefinition } from './kvm-page-table';
import { NestedRounds, nestedRoundsDefinition } from './nested-rounds';

const dirtyLog: Exported = { definition: dirtyLogPerfDefinition, implementation: DirtyLogPerf };
const rounds: Exported = { definition: accessRoundsDefinition, implementation: AccessRounds };
const churn: Exported = { definition: crChurnDefinition, implementation: CrChurn };
const nested: Exported = { definition: nestedRoundsDefinition, implementation: NestedRounds };
const pageTable: Exported = { definition: kvmPageTableDefinition, implementation: KvmPageTable };

function space(plan: WorkloadPlan, index = 0): GuestTables {
  const found = plan.vm.spaces[index];
  if (found === undefined) throw new Error(`no space ${index}`);
  return found;
}

/** Frames of the tables on the way to a page, then the page's own. */
function path(plan: WorkloadPlan, vfn: number): number[] {
  const { tables, gfn } = walk(space(plan), vfn);
  return [...tables, gfn];
}

describe('memslot 0 of dirty_log_perf_test with 2 vCPUs and 4 MiB each', () => {
  const plan = planOf(dirtyLog, '-v 2 -b 4M -s anonymous_hugetlb_2mb', AMD);

  it('has the image from gfn 2 on: code 0x407 in frame 9, globals 0x501 in frame 0x103', () => {
    expect(path(plan, 0x407)).toEqual([0x180, 0x181, 0x182, 0x183, 9]);
    expect(path(plan, 0x501).at(-1)).toBe(0x103);
  });

  it('has the used stack pages in frames 0x116 and 0x11d, below the second page table', () => {
    expect(path(plan, 0xaba)).toEqual([0x180, 0x181, 0x182, 0x184, 0x116]);
    expect(path(plan, 0xabf).at(-1)).toBe(0x11d);
  });

  it('has GDT and TSS behind the first stack and their table behind that of the stack', () => {
    expect(path(plan, 2)).toEqual([0x180, 0x181, 0x182, 0x185, 0x117]);
    expect(path(plan, 3).at(-1)).toBe(0x118);
  });

  it('has the tables of test memory from 0x186 on', () => {
    expect(path(plan, 0xc0000)).toEqual([0x180, 0x181, 0x186, 0x187, 0xfcff600]);
    expect(path(plan, 0xc07ff)).toEqual([0x180, 0x181, 0x186, 0x18a, 0xfcffdff]);
  });

  it('has written what it allocated, stacks excepted', () => {
    expect(plan.vm.memslots[0]?.populated).toEqual([
      { gfn: 2, npages: 0x110 },
      { gfn: 0x117, npages: 2 },
      { gfn: 0x180, npages: 0xb },
    ]);
  });

  it('is (512 + 5 per vCPU) pages and two table pages per 512 pages of all', () => {
    expect(plan.vm.memslots[0]).toMatchObject({ id: 0, baseGfn: 0, npages: 522 + Math.floor((522 + 2048) / 512) * 2 });
    expect(plan.vm.memslots[0]?.backing.name).toBe('anonymous');
  });
});

describe('guest tables', () => {
  it('start without accessed and dirty bits, supervisor, writable and executable', () => {
    const runs = space(planOf(rounds, '-b 16M')).runs;
    expect(runs.every(run => !run.accessed && !run.dirty && !run.user && run.writable && run.executable && run.level === 1)).toBe(true);
  });

  it('have no page tables below 2 MiB entries with -L', () => {
    const plan = planOf(rounds, '-b 8M -L -s anonymous_hugetlb_2mb', AMD);
    expect(path(plan, 0xc0001)).toEqual([0x180, 0x181, 0x186, 0xfcff401 + 0x200]);
    expect(space(plan).tables.filter(table => table.level === 1 && table.first >= 0x600)).toEqual([]);
  });

  it('take frames for each missing table from the top down: 1 directory, 512 tables, and so on', () => {
    const tables = space(planOf(dirtyLog, '-v 3 -b 1G -s anonymous_hugetlb_1gb')).tables.filter(table => table.level < 3 && table.gfn >= 0x186);
    const directories = tables.filter(table => table.level === 2);
    expect(directories.map(table => table.gfn)).toEqual([0x186, 0x186 + 513, 0x186 + 2 * 513]);
  });

  it('lie disjoint for 512 vCPUs, whose stacks go on above the first tables', () => {
    const plan = planOf(dirtyLog, '-v 512 -b 4M');
    const frames = new Set<number>();
    const add = (gfn: number, npages: number): void => {
      for (let frame = gfn; frame < gfn + npages; frame++) {
        expect(frames.has(frame)).toBe(false);
        frames.add(frame);
      }
    };
    add(space(plan).root, 1);
    for (const table of space(plan).tables) add(table.gfn, table.count);
    for (const run of space(plan).runs) if (run.vfn < 0xc0000) add(run.gfn, run.npages);
    expect(Math.max(...frames)).toBeLessThan(plan.vm.memslots[0]?.npages ?? 0);
    for (const vcpu of [0, 21, 65, 66, 511]) expect(walk(space(plan), 0xaba + 5 * vcpu).tables).toHaveLength(4);
  });

  it('need a second table for stacks from the 67th vCPU on', () => {
    const stackTables = (vcpus: number): number =>
      space(planOf(dirtyLog, `-v ${vcpus} -b 4M`)).tables.filter(table => table.level === 1 && table.first >= 5 && table.first < 0x600).length;
    expect([stackTables(66), stackTables(67)]).toEqual([1, 2]);
  });
});

describe('test memory', () => {
  it.each([
    // backing, bytes, gfn for 46 bits
    ['anonymous_hugetlb_1gb', '3G', (2 ** 46 - 4 * 2 ** 30) / 4096],
    ['anonymous_hugetlb_2mb', '3G', (2 ** 46 - 3 * 2 ** 30 - 2 ** 21) / 4096],
    ['anonymous', '3G', (2 ** 46 - 3 * 2 ** 30 - 4096) / 4096],
    ['shmem', '16M', (2 ** 46 - 2 ** 24 - 4096) / 4096],
    ['anonymous_thp', '16M', (2 ** 46 - 2 ** 24 - 2 ** 21) / 4096],
  ])('behind %s, %s, begins at a backing page below the top', (name, bytes, gfn) => {
    expect(planOf(dirtyLog, `-b ${bytes} -s ${name}`).vm.memslots[1]?.baseGfn).toBe(gfn);
    expect(planOf(pageTable, `-b ${bytes} -s ${name}`).vm.memslots[1]?.baseGfn).toBe(gfn);
  });

  it('is congruent with its host address modulo the backing page', () => {
    for (const [name, pages] of [
      ['anonymous_thp', 512],
      ['anonymous_hugetlb_2mb', 512],
      ['anonymous_hugetlb_1gb', 512 ** 2],
    ] as const) {
      for (const slot of planOf(dirtyLog, `-x 4 -b 16G -s ${name}`).vm.memslots.slice(1)) expect(Math.abs(slot.hvf - slot.baseGfn) % pages).toBe(0);
    }
  });

  it('is not congruent when a slot begins inside a backing page', () => {
    const slots = planOf(dirtyLog, '-x 2 -b 6M -s anonymous_hugetlb_2mb').vm.memslots.slice(1);
    expect(slots.map(slot => (slot.hvf - slot.baseGfn) % 512 === 0)).toEqual([true, false]);
  });

  it('in small pages is not congruent modulo 2 MiB', () => {
    const slot = planOf(dirtyLog, '-b 16M').vm.memslots[1];
    expect([(slot?.hvf ?? 0) % 512, (slot?.baseGfn ?? 0) % 512]).toEqual([0, 511]);
  });

  it('overlaps no other slot, in the guest or on the host', () => {
    const slots = planOf(dirtyLog, '-x 8 -v 4 -b 1G -s anonymous_thp').vm.memslots;
    for (const key of ['baseGfn', 'hvf'] as const) {
      const sorted = [...slots].sort((a, b) => a[key] - b[key]);
      sorted.slice(1).forEach((slot, index) => expect(slot[key]).toBeGreaterThanOrEqual((sorted[index]?.[key] ?? 0) + (sorted[index]?.npages ?? 0)));
    }
  });

  it('is populated as a whole with -H', () => {
    const slot = planOf(rounds, '-H -b 16M').vm.memslots[1];
    expect(slot?.populated).toEqual([{ gfn: slot?.baseGfn, npages: 4096 }]);
  });

  it('that is not aligned to 2 MiB cannot be mapped by 2 MiB entries', () => {
    expect(codeOf(() => planOf(rounds, '-L -b 16M'))).toBe('WORKLOAD_HUGE_ENTRIES_UNALIGNED');
  });
});

describe('cr_churn', () => {
  it('has its 8 MiB at a 2 MiB border and the copied top tables behind all others', () => {
    const plan = planOf(churn, '-m c -k 3', AMD);
    expect(plan.vm.memslots[1]).toMatchObject({ baseGfn: 0xfcff600, npages: 2048 });
    expect(plan.vm.spaces.map(({ root }) => root)).toEqual([0x180, 0x18b, 0x18c]);
    expect(plan.vm.spaces[2]?.tables).toBe(plan.vm.spaces[0]?.tables);
  });

  it('maps PAGES pages read-only, 2 MiB into the region, with -r 1', () => {
    const runs = space(planOf(churn, '-r 1 -p 16', AMD)).runs.filter(run => run.vfn >= 0xc0000);
    expect(runs.map(run => [run.vfn, run.npages, run.writable])).toEqual([
      [0xc0000, 512, true],
      [0xc0200, 16, false],
      [0xc0210, 1520, true],
    ]);
  });
});

describe('nested_rounds', () => {
  const plan = planOf(nested, '-b 8M -L -s anonymous_hugetlb_2mb');

  it('has test memory at 8 GiB, the pages of its hypervisor behind GDT and TSS, NPT12 behind the tables', () => {
    expect(plan.vm.memslots[1]).toMatchObject({ baseGfn: 0x200000, npages: 2048 });
    expect([2, 3, 4, 5, 6, 7].map(vfn => path(plan, vfn).at(-1))).toEqual([0x116, 0x117, 0x118, 0x119, 0x11a, 0x11b]);
    expect(plan.vm.nested).toMatchObject({ root: 0x187, tables: [{ level: 3, first: 0, count: 1, gfn: 0x188 }] });
  });

  it('has NPT12 map 512 GiB to itself by 1 GiB entries with accessed and dirty bits set', () => {
    expect(plan.vm.nested?.runs).toEqual([
      { vfn: 0, gfn: 0, npages: 512 ** 3, level: 3, writable: true, user: true, executable: true, accessed: true, dirty: true },
    ]);
  });
});

describe('arm64 guests', () => {
  const plan = planOf(pageTable, '-b 16M -s anonymous_hugetlb_2mb -v 4 -m 5', arm64());

  it('have a top table of two frames and the tables of the image behind it', () => {
    expect(path(plan, 0x400)).toEqual([0x180, 0x182, 0x183, 0x184, 2]);
    expect(path(plan, 0x40c).at(-1)).toBe(0xe);
    expect([0x4d2, 0x4dd].map(vfn => path(plan, vfn).at(-1))).toEqual([0xbb, 0xc6]);
  });

  it('have their stacks behind the image, without descriptor tables between', () => {
    expect([0xac4, 0xac9, 0xace, 0xad3].map(vfn => path(plan, vfn).at(-1))).toEqual([0xd0, 0xd5, 0xda, 0xdf]);
  });

  it('map the page they synchronise by behind test memory, at five eighths of the address space', () => {
    expect(path(plan, 0xc0000)).toEqual([0x180, 0x182, 0x186, 0x187, 0xfffee00]);
    expect(path(plan, 0xa000000)).toEqual([0x180, 0x18f, 0x190, 0x191, 0xa000000]);
  });

  it('begin test memory at 0xFFBFFFF000 for 1 GiB of small pages in 40 bits', () => {
    expect(planOf(pageTable, '-b 1G', arm64()).vm.memslots[1]?.baseGfn).toBe(0xffbffff);
    expect(planOf(pageTable, '-b 20G -s anonymous_thp', arm64()).vm.memslots[1]?.baseGfn).toBe((2 ** 40 - 20 * 2 ** 30 - 2 ** 21) / 4096);
    expect(planOf(pageTable, '-b 20G -s anonymous_hugetlb_1gb', arm64()).vm.memslots[1]?.baseGfn).toBe((2 ** 40 - 21 * 2 ** 30) / 4096);
  });

  it('of 6.12 map it right above memslot 0', () => {
    const newer = planOf(pageTable, '-b 16M', arm64(), { selftest: '6.12' });
    expect(path(newer, 2).at(-1)).toBe(newer.vm.memslots[0]?.npages);
  });

  it('lie in frames of the host where it has 64 KiB pages', () => {
    const large = planOf(pageTable, '-b 1G', arm64(65536));
    expect(path(large, 0x40)[0]).toBe(0x18);
    expect(large.vm.memslots[1]?.npages).toBe(16384);
  });
});

describe('a machine with too few address bits', () => {
  it('is told so', () => {
    expect(codeOf(() => planOf(dirtyLog, '-b 1T', AMD))).toBe('WORKLOAD_NO_ROOM');
    expect(() => planOf(dirtyLog, '-v 64 -b 256G', INTEL)).not.toThrow();
  });
});
