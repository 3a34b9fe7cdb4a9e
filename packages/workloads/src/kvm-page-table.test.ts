import { AccessKind, type VcpuProgram } from '@mmulab/api';
import { codeOf } from './fixtures/code-of';
import { NaiveVm, phaseOf } from './fixtures/naive-vm';
import { AMD, INTEL, arm64, planOf } from './fixtures/plan-of';
import { KvmPageTable, kvmPageTableDefinition } from './kvm-page-table';

const plan = (command: string, machine = INTEL): ReturnType<typeof planOf> =>
  planOf({ definition: kvmPageTableDefinition, implementation: KvmPageTable }, command, machine);

function programs(command: string, name: string): readonly VcpuProgram[] {
  const step = phaseOf(plan(command), name)?.steps.find(({ kind }) => kind === 'guest');
  return step?.kind === 'guest' ? step.programs : [];
}

describe('kvm_page_table_test at 32 MiB with 1 vCPU', () => {
  it.each([
    ['anonymous', 8192 + 17, 8192],
    ['anonymous_hugetlb_2mb', 16 + 17, 16],
    ['anonymous_thp', 16 + 17, 16],
  ])('behind %s takes 10 faults to start, %i to create', (name, create, touches) => {
    const planned = plan(`-b 32M -s ${name}`, AMD);
    const vm = new NaiveVm(planned.vm);
    expect(vm.runPhase(phaseOf(planned, 'before_mappings'))).toEqual({
      page_fault: 10,
      'page_fault.write': 6,
      'page_fault.fetch': 2,
      'page_fault.guest_table': 5,
    });
    expect(vm.tables()).toBe(4);
    expect(vm.runPhase(phaseOf(planned, 'create_mappings')).page_fault).toBe(create);
    expect(vm.touches).toEqual([0, touches, 0]);
    expect(vm.runPhase(phaseOf(planned, 'adjust_mappings')).page_fault).toBe(0);
    expect(vm.touches).toEqual([8192, 0, 0]);
  });

  it('behind one 1 GiB page meets 2, 256 and 255 guest tables in the three stages', () => {
    const planned = plan('-b 1G -s anonymous_hugetlb_1gb', AMD);
    const vm = new NaiveVm(planned.vm);
    vm.runPhase(phaseOf(planned, 'before_mappings'));
    const stages = ['create_mappings', 'update_mappings', 'adjust_mappings'].map(name => vm.runPhase(phaseOf(planned, name)).page_fault);
    expect(stages).toEqual([1 + 2, 256, 255]);
  });
});

describe('the update stage', () => {
  it('writes the first page of each block and reads its upper half, block by block', () => {
    expect(programs('-b 4M -s anonymous_thp', 'update_mappings')[0]).toEqual([
      {
        op: 'repeat',
        times: 2,
        shift: 0x200,
        steps: [
          { op: 'access', run: { vfn: 0xc0000, count: 1, stride: 1, kind: AccessKind.Write, writeEvery: 0 } },
          { op: 'access', run: { vfn: 0xc0100, count: 256, stride: 1, kind: AccessKind.Read, writeEvery: 0 } },
        ],
      },
    ]);
  });

  it('writes every page of anonymous memory, and the first half of the pages of shmem', () => {
    const counts = ['anonymous', 'shmem'].map(name =>
      programs(`-b 8M -s ${name}`, 'update_mappings')[0]?.map(step => step.op === 'access' && step.run.count),
    );
    expect(counts).toEqual([[2048], [1024]]);
  });
});

describe('a guest with larger pages than the host', () => {
  it.each(['P40V48_16K', 'P40V48_64K'])(
    '%s is touched page by page of the host: 1,024 accesses for 4 MiB, 256 in the upper half of a block',
    mode => {
      const counts = (name: string, stage: string): unknown => {
        const step = phaseOf(plan(`-m ${mode} -b 4M -s ${name}`, arm64()), stage)?.steps.find(({ kind }) => kind === 'guest');
        const first = step?.kind === 'guest' ? step.programs[0]?.[0] : undefined;
        if (first?.op === 'repeat') return first.steps.map(inner => inner.op === 'access' && [inner.run.count, inner.run.stride]);
        return first?.op === 'access' && [first.run.count, first.run.stride];
      };
      for (const stage of ['create_mappings', 'update_mappings', 'adjust_mappings']) expect(counts('anonymous', stage)).toEqual([1024, 1]);
      expect(counts('anonymous_thp', 'create_mappings')).toEqual([2, 512]);
      expect(counts('anonymous_thp', 'update_mappings')).toEqual([
        [1, 1],
        [256, 1],
      ]);
    },
  );
});

describe('vCPUs', () => {
  it('write when even and read when odd while creating, all over the same memory', () => {
    const kinds = programs('-b 4M -v 4', 'create_mappings').map(([step]) => (step?.op === 'access' ? [step.run.vfn, step.run.kind] : []));
    expect(kinds).toEqual([1, 0, 1, 0].map(kind => [0xc0000, kind]));
    expect(phaseOf(plan('-v 4'), 'create_mappings')?.steps[0]).toMatchObject({ shared: true });
    expect(phaseOf(plan('-v 1'), 'create_mappings')?.steps[0]).toMatchObject({ shared: false });
    expect(phaseOf(plan('-v 4'), 'before_mappings')?.steps[0]).toMatchObject({ shared: false });
  });
});

describe('sizes and places', () => {
  it('are rounded up to the backing page', () => {
    expect(plan('-b 3M -s anonymous_hugetlb_2mb').vm.memslots[1]?.npages).toBe(1024);
  });

  it('begin at -p where it is given', () => {
    expect(plan('-p 0x100000000 -b 4M').vm.memslots[1]?.baseGfn).toBe(0x100000);
    expect(plan('-p 4G -b 4M').vm.memslots[1]?.baseGfn).toBe(0x100000);
  });

  it.each([
    ['-p 0x1234', 'WORKLOAD_SIZE_UNALIGNED'],
    ['-p 0x1000', 'WORKLOAD_NO_ROOM'],
    ['-p 0x3fffffff0000 -b 4M', 'WORKLOAD_NO_ROOM'],
    ['-b 16T -s anonymous_hugetlb_1gb -m 99', 'WORKLOAD_UNKNOWN_MODE'],
  ])('%s: %s', (command, code) => {
    expect(codeOf(() => plan(command))).toBe(code);
  });
});

describe('on arm64 with 1 vCPU', () => {
  it('touches 8 table pages, 2 pages of code, 1 of stack, 2 of globals and the unbacked page to start', () => {
    const planned = plan('-m 5 -b 16M', arm64());
    const vm = new NaiveVm(planned.vm);
    expect(vm.runPhase(phaseOf(planned, 'before_mappings'))).toMatchObject({ page_fault: 13, 'page_fault.fetch': 2, 'page_fault.guest_table': 8 });
    expect(vm.touches).toEqual([2, 2, 2]);
    expect(vm.runPhase(phaseOf(planned, 'create_mappings')).page_fault).toBe(4096 + 9);
  });
});
