import { AccessRounds, accessRoundsDefinition } from './access-rounds';
import { codeOf } from './fixtures/code-of';
import { NaiveVm, phaseOf } from './fixtures/naive-vm';
import { AMD, arm64, backing, planOf, type PlanContext } from './fixtures/plan-of';
import { NestedRounds, nestedRoundsDefinition } from './nested-rounds';

const rounds = (command: string, machine = AMD, context: PlanContext = {}): ReturnType<typeof planOf> =>
  planOf({ definition: accessRoundsDefinition, implementation: AccessRounds }, command, machine, {}, context);
const nested = (command: string, machine = AMD): ReturnType<typeof planOf> =>
  planOf({ definition: nestedRoundsDefinition, implementation: NestedRounds }, command, machine);

describe('access_rounds', () => {
  it('starts with 9 faults and 1 more per further vCPU, and 4 tables', () => {
    for (const [vcpus, faults] of [
      [1, 9],
      [2, 10],
      [4, 12],
    ] as const) {
      const planned = rounds(`-v ${vcpus} -b 16M -s anonymous_hugetlb_2mb -p w`);
      const vm = new NaiveVm(planned.vm);
      expect(vm.runPhase(phaseOf(planned, 'noop'))).toMatchObject({ page_fault: faults, 'page_fault.fetch': 2, 'page_fault.guest_table': 5 });
      expect(vm.tables()).toBe(4);
    }
  });

  it('writes 16 MiB in 2 MiB pages with 17 faults, 9 of them on guest tables', () => {
    const planned = rounds('-v 1 -b 16M -o -s anonymous_hugetlb_2mb -p w,x,r,w');
    const vm = new NaiveVm(planned.vm);
    vm.runPhase(phaseOf(planned, 'noop'));
    expect(vm.runPhase(phaseOf(planned, '1_w'))).toMatchObject({ page_fault: 17, 'page_fault.guest_table': 9 });
    expect(vm.tables()).toBe(6);
  });

  it('names a phase per round and touches every STRIDE-th page of each part', () => {
    const planned = rounds('-v 2 -b 16M -p w,x512,r20,D,G,U,Z,A,N');
    expect(planned.phases.map(phase => phase.name)).toEqual([
      'noop',
      '1_w',
      '2_x512',
      '3_r20',
      '4_D',
      '5_G',
      '6_U',
      '7_Z',
      '8_A',
      '9_N',
      'destroy_vm',
    ]);
    expect(phaseOf(planned, '2_x512')?.steps).toEqual([
      {
        kind: 'guest',
        shared: false,
        programs: [0xc0000, 0xc1000].map(vfn => [{ op: 'access', run: { vfn, count: 8, stride: 512, kind: 2, writeEvery: 0 } }]),
      },
    ]);
    expect(phaseOf(planned, '3_r20')?.steps[0]).toMatchObject({ programs: [[{ run: { count: 205 } }], [{ run: { count: 205 } }]] });
    expect(phaseOf(planned, '7_Z')?.steps).toEqual([{ kind: 'host', op: { op: 'unmap', slot: 1 } }]);
  });

  it('gives all vCPUs the same BYTES with -o', () => {
    const planned = rounds('-v 4 -b 16M -o -p w');
    expect(planned.vm.memslots[1]?.npages).toBe(4096);
    expect(phaseOf(planned, '1_w')?.steps[0]).toMatchObject({ shared: true, programs: Array(4).fill([{ run: { vfn: 0xc0000, count: 4096 } }]) });
  });

  it('enables manual protection with -M before anything runs', () => {
    const first = (command: string): unknown => phaseOf(rounds(command), 'noop')?.steps[0];
    expect(first('-M 1 -b 16M')).toEqual({ kind: 'host', op: { op: 'manual_protect', initiallySet: false } });
    expect(first('-M 3 -b 16M')).toEqual({ kind: 'host', op: { op: 'manual_protect', initiallySet: true } });
    expect(first('-M 0 -b 16M')).toMatchObject({ kind: 'guest' });
  });

  it.each(['w,G', 'D,U,G', 'D,K', 'D,G,K'])('refuses rounds %s without -M, as the kernel would', list => {
    expect(codeOf(() => rounds(`-b 16M -p ${list}`))).toBe('WORKLOAD_ROUND_INVALID');
  });

  it('refuses Z on hugetlb memory that the kernel cannot drop, and names the way round', () => {
    const hugetlb = { ...backing('anonymous_hugetlb_2mb'), droppable: false };
    expect(codeOf(() => rounds('-b 16M -s anonymous_hugetlb_2mb -p w,Z', AMD, { of: hugetlb }))).toBe('WORKLOAD_ROUND_INVALID');
    expect(rounds('-b 16M -s anonymous_hugetlb_2mb -p w', AMD, { of: hugetlb }).phases).toHaveLength(3);
  });

  it('ages with clear_young, clear_flush_young and test_young, at once or page by page', () => {
    const planned = rounds('-b 16M -p A,Ap,Af,Apf,At');
    const ops = [...planned.phases].slice(1, 6).map(({ name, steps }) => [name, steps[0]?.kind === 'host' ? steps[0].op : undefined]);
    const age = (pageByPage: boolean, flush: boolean): object => ({ op: 'age', slot: 1, pageByPage, flush });
    expect(ops).toEqual([
      ['1_A', age(false, false)],
      ['2_Ap', age(true, false)],
      ['3_Af', age(false, true)],
      ['4_Apf', age(true, true)],
      ['5_At', { ...age(false, false), test: true }],
    ]);
  });

  it('takes lists of rounds only: the option accepts w,x512 and ranges, and not wx, w0, D5, D@0 or an empty one', () => {
    const option = accessRoundsDefinition.options.find(({ name }) => name === 'rounds');
    const pattern = new RegExp(option?.kind === 'text' ? option.pattern : '');
    for (const list of ['w,x512', 'D', 'w', 'K@0+64', 'Z512@4M+2M,Sm1024', 'Apf@1G', 'Mc,Fc,Xy,Od'])
      expect([list, pattern.test(list)]).toEqual([list, true]);
    for (const list of ['wx', 'w0', 'D5', 'D@0', '', 'w,', 'w, r', 'q', 'w@', 'w@4+', 'S', 'M', 'Sd2'])
      expect([list, pattern.test(list)]).toEqual([list, false]);
  });

  const opsOf = (command: string): unknown[] =>
    [...rounds(command).phases].slice(1, -1).flatMap(({ steps }) => steps.map(step => (step.kind === 'host' ? step.op : undefined)));

  it('names the pages of a host operation by range and stride, in pages or bytes', () => {
    expect(opsOf('-b 16M -p Z512,Z@4M+2M,A8@64+128,H@1024,P@0+4K')).toEqual([
      { op: 'unmap', slot: 1, stride: 512 },
      { op: 'unmap', slot: 1, firstPage: 1024, npages: 512 },
      { op: 'age', slot: 1, pageByPage: false, flush: false, firstPage: 64, npages: 128, stride: 8 },
      { op: 'host_access', slot: 1, write: true, firstPage: 1024, npages: 3072 },
      { op: 'pre_fault', slot: 1, firstPage: 0, npages: 1 },
    ]);
  });

  it('has each vCPU touch what lies of a range in its share, and a vCPU with nothing of it nothing', () => {
    const runs = (command: string): unknown => {
      const step = phaseOf(rounds(command), `1_${command.split('-p ')[1]}`)?.steps[0];
      const programs = step?.kind === 'guest' ? step.programs : [];
      return programs.map(program => program.map(one => (one.op === 'access' ? [one.run.vfn, one.run.count, one.run.stride] : [])));
    };
    expect(runs('-v 2 -b 4M -p w@2M+4M')).toEqual([[[0xc0200, 512, 1]], [[0xc0400, 512, 1]]]);
    expect(runs('-v 2 -b 4M -p r20@0+100')).toEqual([[[0xc0000, 5, 20]], []]);
    expect(runs('-v 2 -b 4M -o -p w64@2M')).toEqual([[[0xc0200, 8, 64]], [[0xc0200, 8, 64]]]);
  });

  it('moves the memslot down by its own size, or as many pages as are given, and back', () => {
    const base = rounds('-b 16M -p w').vm.memslots[1]?.baseGfn ?? 0;
    expect(opsOf('-b 16M -p Sm,Sb,Sm512,Sm512')).toMatchObject([
      { baseGfn: base - 4096 },
      { baseGfn: base },
      { baseGfn: base - 512 },
      { baseGfn: base - 1024 },
    ]);
  });

  it('makes another memslot of one page of the backing below the test memory', () => {
    const slot = rounds('-b 16M -s anonymous_hugetlb_2mb -p w').vm.memslots[1];
    expect(opsOf('-b 16M -s anonymous_hugetlb_2mb -p Oa,Om,Od')).toMatchObject([
      { op: 'create_memslot', spec: { id: 2, npages: 512, baseGfn: (slot?.baseGfn ?? 0) - 1024 } },
      { op: 'move_memslot', slot: 2, baseGfn: (slot?.baseGfn ?? 0) - 1536 },
      { op: 'delete_memslot', slot: 2 },
    ]);
  });

  it.each([
    ['-b 4M -p w@4M', /1_w@4M: @4M lies behind its end: the test memory has 4M \(1024 pages\)/],
    ['-b 4M -p w,Z@1000+25', /2_Z@1000\+25: @1000\+25 ends behind it: the test memory has 4M/],
    ['-b 4M -p w@2K', /@2K: expected a multiple of a page of 4096 bytes/],
    ['-b 4M -p A@0+0', /\+0: expected a range of at least one page/],
    ['-b 4M -M 1 -p D,K@0+65', /\+65: expected a multiple of 64 pages/],
    ['-b 4M -M 1 -p D,K65', /65: expected a multiple of 64 pages/],
    ['-b 4M -p Sa', /the memslot is there already/],
    ['-b 4M -p Sd,D', /the memslot is deleted at that point/],
    ['-b 4M -p Sd,Z', /followed only while its memslot is there/],
    ['-b 4M -p D,Sd,Sa,G', /dirty logging is off at that point/],
    ['-b 4M -p Od', /there is no other memslot/],
    ['-b 4M -p Sm99999999999', /round 1_Sm99999999999: would lie below gfn 0: expected at most \d+ pages down/],
    ['-b 4M -p Oa,Om99999999999', /round 2_Om99999999999: would lie below gfn 0: expected at most \d+ pages down/],
    ['-b 4M -s anonymous_hugetlb_2mb -p Z@1M', /whole pages, here of 512 pages/],
  ])('refuses %s', (command, message) => {
    expect(() => rounds(command)).toThrow(message);
    expect(codeOf(() => rounds(command))).toBe('WORKLOAD_ROUND_INVALID');
  });

  it('drops nothing of hugetlb memory page by page, as the kernel does', () => {
    expect(opsOf('-b 4M -s anonymous_hugetlb_2mb -p Z512')).toEqual([]);
  });
});

describe('nested_rounds', () => {
  it('has L1 touch 13 pages before VMRUN, 6 of them guest tables', () => {
    const planned = nested('-b 8M -L -s anonymous_hugetlb_2mb -p w');
    const step = phaseOf(planned, 'noop')?.steps[0];
    const program = step?.kind === 'guest' ? (step.programs[0] ?? []) : [];
    const vmrun = program.findIndex(({ op }) => op === 'control');
    const vm = new NaiveVm(planned.vm);
    vm.runProgram(0, program.slice(0, vmrun));
    expect(vm.counts).toMatchObject({ page_fault: 13, 'page_fault.guest_table': 6 });
    expect(program[vmrun]).toEqual({ op: 'control', write: { register: 'nested', value: 'vmrun' } });
    expect(program.slice(vmrun + 1).map(after => after.op === 'access' && [after.run.vfn, after.run.kind])).toEqual([
      [0x402, 2],
      [0x4f3, 1],
      [0x40f, 2],
    ]);
  });

  it('needs NPT12 to reach its memory, and x86', () => {
    expect(codeOf(() => nested('-b 505G', { ...AMD, physBits: 46 }))).toBe('WORKLOAD_NO_ROOM');
    expect(codeOf(() => nested('-b 8M', arm64()))).toBe('WORKLOAD_NOT_ON_ARCH');
  });
});
