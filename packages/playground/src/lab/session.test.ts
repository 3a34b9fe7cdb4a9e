/**
 * Two runs in lockstep, the map they are shown on, and the way to a page.
 */
import { EntryKind } from '@mmulab/api';
import { resolveRuns } from '@mmulab/runner';
import { decode, unexplained } from '../decode/field';
import { guestFormat, hostFormat } from '../decode/formats';
import { registry } from '../fixtures/registry';
import { labConfigOf, type LabConfig } from './lab-config';
import { Cell, cellOf } from './memory-map';
import { Session } from './session';

const configs = (workload: string, backend: object, more: object = {}): LabConfig[] =>
  resolveRuns({ backend, workload, ...more }, registry).map(run => labConfigOf(run, registry));
const zapAndSplit = configs(
  'execute_perf_test -v 1 -b 2M -s anonymous_hugetlb_2mb',
  { name: 'x86-tdp', kernel: '6.1.192', options: { nx_huge_pages: 'Y' } },
  { vary: { huge_page_fault: ['zap', 'split'] } },
);

describe('two runs in lockstep', () => {
  it('stand at the same access, where one has taken 100 faults and the other 1', () => {
    const session = new Session(zapAndSplit, registry);
    const execute = session.lockstep.phases.find(phase => phase.name === 'execute');
    session.seek((execute?.from ?? 0) + 101);
    const faults = session.sides.map(({ lab }) => {
      const index = lab.definition.events.findIndex(event => event.name === 'page_fault');
      return (lab.now[index] ?? 0) - (lab.atPhase[index] ?? 0);
    });
    expect(faults).toEqual([100, 1]);
    const [a, b] = session.sides.map(side => side.lab.last?.acts.map(act => ('vfn' in act ? act.vfn : 0)));
    expect(a).toEqual(b);
  });

  it('wait for each other at the end of a phase where their steps differ', () => {
    const shared = configs(
      'access_rounds -v 4 -b 2M -s anonymous_hugetlb_2mb -o -p w',
      { name: 'arm64-stage2', kernel: '6.1.176' },
      { vary: { cmo: ['abort', 'walker'] } },
    );
    const session = new Session(shared, registry);
    const write = session.lockstep.phases.find(phase => phase.name === '1_w');
    session.seek((write?.from ?? 0) + (write?.steps ?? 0));
    const positions = session.sides.map(side => side.lab.position);
    expect(positions[0]).not.toBe(positions[1]);
    expect(session.sides.map(side => side.lab.last?.phaseName)).toEqual(['1_w', '1_w']);
    session.seek(session.step + 1);
    expect(session.sides.map(side => side.lab.last?.phaseName)).toEqual(['destroy_vm', 'destroy_vm']);
  });
});

describe('the map', () => {
  it.each([
    ['x86-tdp', 'access_rounds -v 1 -b 2M -s anonymous_hugetlb_2mb -p w,D,w,G,U,Z'],
    ['x86-shadow', 'cr_churn -m w -n 2 -p 10 -r 1'],
    ['arm64-stage2', 'access_rounds -v 1 -b 2M -s anonymous_hugetlb_2mb -p w,D,w,G,A,Z'],
  ])('of %s, kept up step by step, is what a look at every page finds', (name, workload) => {
    const session = new Session(configs(workload, { name }), registry);
    const [{ lab, map }] = session.sides;
    const looked = (): number[] => Array.from({ length: map.npages }, (_, i) => cellOf(lab.backend.translate(map.base + i)));
    while (!session.isOver) {
      session.seek(session.step + 1);
      // Every step of another phase, and some in between.
      if (session.step % 97 === 0 || lab.last?.vcpu === -1) expect([...map.cells]).toEqual(looked());
    }
  });

  it('of arm64 shows a block that one of two vCPUs has locked while it is broken, all 512 pages of it, and the lock gone at the end', () => {
    const session = new Session(configs('access_rounds -v 2 -b 2M -s anonymous_hugetlb_2mb -o -p w,D,w', { name: 'arm64-stage2' }), registry);
    const [side] = session.sides;
    const locked = (): number => side.map.cells.filter(cell => cell === Cell.Special).length;
    const seen = new Set<number>();
    while (!session.isOver) {
      session.seek(session.step + 1);
      seen.add(locked());
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 1, 512]);
    expect(locked()).toBe(0);
  });

  it('of 12 TiB has cells of 4 GiB, and is gone into page by page', () => {
    const session = new Session(
      configs('dirty_log_perf_test -v 4 -b 3T -s anonymous_hugetlb_1gb', { name: 'x86-tdp', kernel: '6.12.117' }),
      registry,
    );
    const [side] = session.sides;
    expect([side.map.npages * 4096, side.map.span * 4096]).toEqual([12 * 2 ** 40, 4 * 2 ** 30]);
    session.show({ ...session.window, npages: 4096 });
    expect([side.map.span, side.map.cells.length]).toEqual([1, 4096]);
  });
});

describe('the way to a page', () => {
  it.each([
    ['x86-tdp', { vendor: 'intel' }, 'ept', [4, 3, 2, 1], [4, 3, 2]],
    ['x86-tdp', { vendor: 'amd' }, 'npt', [4, 3, 2, 1], [4, 3, 2]],
    ['x86-shadow', {}, 'paging', [4, 3, 2, 1], [4, 3, 2, 1]],
    ['arm64-stage2', {}, 'vmsa-stage2', [4, 3, 2, 1], [3, 2]],
  ] as const)('on %s %j is told entry by entry in the format %s, every bit of it explained', (name, host, format, guestLevels, hostLevels) => {
    const session = new Session(configs('access_rounds -v 1 -b 2M -s anonymous_hugetlb_2mb -p w', { name }, { host }), registry);
    session.seek(session.lockstep.phases[1].from);
    session.seekClass('fault');
    const [side] = session.sides;
    const walk = session.walk(side);
    const entries = side.lab.inspection?.walk(0, walk.frame ?? 0) ?? [];
    expect(side.lab.inspection?.format).toBe(format);
    expect(walk.guest?.steps.map(step => step.level)).toEqual(guestLevels);
    expect(walk.guest?.gfn).toBe(session.selected);
    expect(entries.map(entry => entry.level)).toEqual(hostLevels);
    for (const [of, steps] of [
      [guestFormat(side.lab.definition.arch), walk.guest?.steps ?? []],
      [hostFormat(format), entries],
    ] as const) {
      for (const { kind, word } of steps) expect(unexplained(word, (kind === EntryKind.Leaf ? of?.leaf : of?.table) ?? [])).toBe('0');
    }
    const leaf = entries.at(-1);
    const translation = side.lab.backend.translate(session.selected);
    expect(BigInt(`0x${leaf?.word ?? ''}`)).toBe(BigInt(`0x${translation?.descriptor.replace(/^0x/, '') ?? ''}`));
    const says = Object.fromEntries(
      decode(leaf?.word ?? '', leaf?.level ?? 0, hostFormat(format)?.leaf ?? []).map(field => [field.name, field.says]),
    );
    expect(says).toMatchObject(
      {
        ept: { 'Write access': 'writes are allowed', Dirty: 'written since it was cleared', 'Page size': 'maps a 2 MiB page' },
        npt: { 'R/W': 'writes are allowed', 'D (dirty)': 'written since it was cleared', 'U/S': 'user mode may access it' },
        paging: { 'R/W': 'writes are allowed', 'U/S': 'supervisor only' },
        'vmsa-stage2': { 'S2AP[1:0]': 'read and write', AF: 'accessed', 'Descriptor type': 'block' },
      }[format],
    );
  });

  it('of shadow paging leads through shadow pages that are listed with their roles and roots', () => {
    const session = new Session(
      configs('cr_churn -m w -n 2 -p 10', { name: 'x86-shadow', kernel: '5.17', options: { root_reset: 'lookup' } }),
      registry,
    );
    session.seek(session.lockstep.phases[2].from);
    const inspection = session.sides[0].lab.inspection;
    const roots = inspection?.roots(0) ?? [];
    expect(roots.map(root => root.holder)).toEqual(['current', 'previous 1']);
    expect(roots.map(root => root.role.includes('WP')).sort()).toEqual([false, true]);
    const tables = inspection?.tables?.(100) ?? [];
    expect(
      tables
        .filter(table => table.rootCount > 0)
        .map(table => table.name)
        .sort(),
    ).toEqual(roots.map(root => root.name).sort());
    expect(tables.every(table => table.shadows)).toBe(true);
  });
});
