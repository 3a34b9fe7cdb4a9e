import { type VcpuProgram } from '@mmulab/api';
import { DirtyLogPerf, dirtyLogPerfDefinition } from './dirty-log-perf';
import { codeOf } from './fixtures/code-of';
import { NaiveVm, nextDraw, phaseOf } from './fixtures/naive-vm';
import { AMD, INTEL, arm64, planOf } from './fixtures/plan-of';

const test = { definition: dirtyLogPerfDefinition, implementation: DirtyLogPerf };
const plan = (command: string, machine = INTEL, further = {}): ReturnType<typeof planOf> => planOf(test, command, machine, further);
const phaseNames = (command: string, further = {}): string[] => plan(command, INTEL, further).phases.map(phase => phase.name);

describe('populating 16 MiB per vCPU', () => {
  it.each([
    // vCPUs, -f, faults, by write, guest tables, tables of the second stage
    [1, 'anonymous', 1, 4114, 4111, 14, 15],
    [2, 'anonymous', 1, 8219, 8216, 22, 23],
    [4, 'anonymous', 1, 16429, 16426, 38, 39],
    [1, 'anonymous', 20, 4114, 220, 14, 15],
    [1, 'anonymous_hugetlb_2mb', 1, 26, 23, 14, 6],
    [2, 'anonymous_hugetlb_2mb', 1, 43, 40, 22, 6],
    [4, 'anonymous_hugetlb_2mb', 1, 77, 74, 38, 6],
    [1, 'anonymous_hugetlb_2mb', 20, 32, 23, 14, 6],
    [2, 'anonymous_hugetlb_2mb', 20, 55, 40, 22, 6],
    [4, 'anonymous_hugetlb_2mb', 20, 101, 74, 38, 6],
    [1, 'anonymous_thp', 1, 26, 23, 14, 6],
  ])('%i vCPUs, %s, one write in %i: %i faults', (vcpus, backing, fraction, faults, writes, guestTables, tables) => {
    const planned = plan(`-v ${vcpus} -b 16M -s ${backing} -f ${fraction}`, AMD);
    const vm = new NaiveVm(planned.vm);
    expect(vm.runPhase(phaseOf(planned, 'populate'))).toEqual({
      page_fault: faults,
      'page_fault.write': writes,
      'page_fault.fetch': 2,
      'page_fault.guest_table': guestTables,
    });
    expect(vm.tables()).toBe(tables);
  });

  it('follows the closed form for other numbers of vCPUs: leaves + 8v + 6 + 3 + v', () => {
    for (const vcpus of [3, 8, 16]) {
      const planned = plan(`-v ${vcpus} -b 16M -s anonymous_hugetlb_2mb`);
      expect(new NaiveVm(planned.vm).runPhase(phaseOf(planned, 'populate')).page_fault).toBe(8 * vcpus + 8 * vcpus + 6 + 3 + vcpus);
    }
  });

  it('counts 523 faults and 6 tables at 1 GiB behind 1 GiB pages', () => {
    const planned = plan('-b 1G -s anonymous_hugetlb_1gb', AMD);
    const vm = new NaiveVm(planned.vm);
    expect(vm.runPhase(phaseOf(planned, 'populate')).page_fault).toBe(523);
    expect(vm.tables()).toBe(6);
  });
});

describe('the phases', () => {
  it('are populate, enable, dirty and get per iteration, disable with -g', () => {
    expect(phaseNames('-g')).toEqual(['populate', 'enable_log', 'dirty_1', 'get_log_1', 'dirty_2', 'get_log_2', 'disable_log', 'destroy_vm']);
  });

  it('have a clear per iteration with manual protection, which is enabled before anything runs', () => {
    const planned = plan('-i 3');
    expect(planned.phases.map(phase => phase.name).filter(name => name.startsWith('clear'))).toEqual(['clear_log_1', 'clear_log_2', 'clear_log_3']);
    expect(phaseOf(planned, 'populate')?.steps[0]).toEqual({ kind: 'host', op: { op: 'manual_protect', initiallySet: true } });
  });

  it('end with another pass on request', () => {
    expect(phaseNames('-g', { after_disable_access: true }).slice(-3)).toEqual(['disable_log', 'after_disable_access', 'destroy_vm']);
  });

  it('work on each of 4 slots with -x 4', () => {
    const planned = plan('-x 4 -b 16M -s anonymous_hugetlb_2mb -g');
    expect(planned.vm.memslots.map(slot => slot.npages).slice(1)).toEqual([1024, 1024, 1024, 1024]);
    expect(phaseOf(planned, 'get_log_1')?.steps).toEqual([1, 2, 3, 4].map(slot => ({ kind: 'host', op: { op: 'get_dirty_log', slot } })));
  });

  it('run vCPUs while disabling with -e, which in 6.1 means -g as well', () => {
    const kinds = (command: string): string[] => (phaseOf(plan(command), 'disable_log')?.steps ?? []).map(step => step.kind);
    expect(kinds('-e')).toEqual(['guest', 'host', 'guest']);
    expect(phaseNames('-e')).not.toContain('clear_log_1');
    expect(phaseNames('-e -w 100')).toContain('clear_log_1');
  });

  it('share memory among vCPUs with -o only', () => {
    const shared = (command: string): boolean[] => (phaseOf(plan(command), 'dirty_1')?.steps ?? []).map(step => step.kind === 'guest' && step.shared);
    expect(shared('-v 4 -o -b 8M')).toEqual([true]);
    expect(shared('-v 4 -b 8M')).toEqual([false]);
    expect(shared('-v 1 -o -b 8M')).toEqual([false]);
  });

  it('give every vCPU all of the memory with -o: 63 populate faults at least for 4 × 8 MiB are those of 16 blocks, 22 tables and 12 other pages', () => {
    const planned = plan('-v 4 -o -b 8M -s anonymous_hugetlb_2mb');
    const vm = new NaiveVm(planned.vm);
    expect(vm.runPhase(phaseOf(planned, 'populate')).page_fault).toBe(16 + 22 + 7);
    expect(vm.touches[1]).toBe(4 * (8192 + 1));
  });
});

describe('the random sequence of the 6.12 test', () => {
  const writes = (command: string, phase: string, vcpu: number): number => {
    const planned = plan(command);
    const vm = new NaiveVm(planned.vm);
    for (const { name, steps } of planned.phases) {
      vm.touches = [0, 0, 0];
      for (const step of steps) if (step.kind === 'guest') vm.runProgram(vcpu, step.programs[vcpu] ?? []);
      if (name === phase) return vm.touches[1] ?? 0;
    }
    throw new Error(phase);
  };

  it('makes vCPU 1 write 27 of 512 pages in pass 1 and 23 in pass 2 at 5 %', () => {
    expect(writes('-v 2 -b 2M -w 5', 'dirty_1', 1)).toBe(27);
    expect(writes('-v 2 -b 2M -w 5', 'dirty_2', 1)).toBe(23);
  });

  it('makes vCPU 0 write every page whatever the percentage, 0 excepted', () => {
    expect(writes('-v 2 -b 2M -w 5', 'dirty_1', 0)).toBe(512);
    expect(writes('-v 2 -b 2M -w 0', 'dirty_1', 0)).toBe(0);
  });

  it('draws in the populate pass, too, though every page is written there', () => {
    const populate = phaseOf(plan('-v 2 -b 2M -w 5'), 'populate')?.steps.find(step => step.kind === 'guest');
    const program: VcpuProgram = populate?.kind === 'guest' ? (populate.programs[1] ?? []) : [];
    expect(program.find(step => step.op === 'random')).toEqual({
      op: 'random',
      run: { vfn: 0xc0200, count: 512, pageFrames: 1, randomOrder: false, writePercent: 100 },
    });
  });

  it('is that of a multiplicative generator: 48271 follows 1, 182605794 follows 48271', () => {
    expect([nextDraw(1), nextDraw(48271), nextDraw(0)]).toEqual([48271, 182605794, 0]);
  });

  it('adds the six argument pages to the pages of the 6.1 test', () => {
    const planned = plan('-b 16M -s anonymous_hugetlb_2mb -w 100', AMD);
    expect(new NaiveVm(planned.vm).runPhase(phaseOf(planned, 'populate')).page_fault).toBe(26 + 6);
  });
});

describe('the generation of the test', () => {
  const opOf = (command: string, further: Readonly<Record<string, string | number>>): string | undefined => {
    const step = phaseOf(plan(command, INTEL, further), 'dirty_1')?.steps[0];
    return step?.kind === 'guest' ? step.programs[0]?.[0]?.op : undefined;
  };

  it('is that of the options given, in a config as in a command line', () => {
    expect(opOf('-b 16M', { write_percent: 5 })).toBe('random');
    expect(opOf('-b 16M', { write_fraction: 20, selftest: '6.12' })).toBe('access');
    expect(opOf('-b 16M -w 100', {})).toBe('random');
  });

  it('is that of selftest otherwise', () => {
    expect([opOf('-b 16M', {}), opOf('-b 16M', { selftest: '6.12' })]).toEqual(['access', 'random']);
  });
});

describe('options that cannot be', () => {
  it.each([
    ['-b 16M', { write_percent: 5, write_fraction: 20 }, 'WORKLOAD_OPTION_CONFLICT'],
    ['-f 20', { random_order: true }, 'WORKLOAD_OPTION_CONFLICT'],
    ['-b 16M -x 3', {}, 'WORKLOAD_SLOTS_UNEVEN'],
    ['-v 17 -b 1T', {}, 'WORKLOAD_MEMORY_TOO_LARGE'],
    ['-b 5000', {}, 'WORKLOAD_SIZE_UNALIGNED'],
  ])('%s with %o: %s', (command, further, code) => {
    expect(codeOf(() => plan(command, INTEL, further))).toBe(code);
  });

  it('are fine at the very limit of 16 TiB, whose tables stay a few thousand runs', () => {
    const planned = plan('-v 512 -b 32G');
    expect(planned.vm.memslots[1]?.npages).toBe(2 ** 32);
    expect(planned.vm.spaces[0]?.tables.length).toBeLessThan(40000);
  });

  it('include more memory than the address bits hold', () => {
    expect(codeOf(() => plan('-b 1T', AMD))).toBe('WORKLOAD_NO_ROOM');
  });

  it('says that a backend of x86 has no guests of guests where its machine names no nesting', () => {
    const { nesting, ...machine } = INTEL;
    expect(nesting).toBe('vmx');
    expect(() => plan('-b 16M -n', machine)).toThrow(/dirty_log_perf_test -n: needs the host operation nested, which this backend does not have/);
  });
});

describe('on arm64', () => {
  it('ends each pass with a store to an unbacked page', () => {
    const planned = plan('-b 8M -v 2 -g -m 5', arm64());
    const step = phaseOf(planned, 'dirty_1')?.steps[0];
    const programs = step?.kind === 'guest' ? step.programs : [];
    expect(programs.map(program => program.at(-1))).toEqual(
      Array(2).fill({ op: 'access', run: { vfn: 0xa000000, count: 1, stride: 1, kind: 1, writeEvery: 0 } }),
    );
  });

  it('touches every 16th frame of the host with 64 KiB guest pages on a 4 KiB host', () => {
    const planned = plan('-b 8M -m P40V48_64K', arm64());
    const step = phaseOf(planned, 'dirty_1')?.steps[0];
    expect(step?.kind === 'guest' ? step.programs[0]?.[0] : undefined).toMatchObject({ run: { count: 128, stride: 16 } });
    expect(planned.notes).toHaveLength(1);
  });
});
