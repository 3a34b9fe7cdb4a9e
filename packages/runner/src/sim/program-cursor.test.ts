import { AccessKind, type GuestTableWrites, type VcpuProgram, type VcpuStep } from '@mmulab/api';
import { skipDraws } from './draws';
import { Generators } from './generator';
import { Atom, ProgramCursor } from './program-cursor';

function unroll(program: VcpuProgram, vcpu = 0, generators = new Generators(4)): string[] {
  const cursor = new ProgramCursor(program, vcpu, generators);
  const atoms: string[] = [];
  for (;;) {
    const atom = cursor.next();
    if (atom === Atom.End) return atoms;
    if (atom === Atom.Access) atoms.push(`${['r', 'w', 'x'][cursor.kind] ?? '?'}${cursor.vfn}`);
    else if (atom === Atom.Table) atoms.push(tableAtom(cursor.tableWrites));
    else if (cursor.write?.register === 'invlpg' && atom === Atom.Control) atoms.push(`invlpg${cursor.write.vfn}`);
    else atoms.push(atom === Atom.Exit ? 'exit' : (cursor.write?.register ?? 'none'));
  }
}

/** First entry, and what it becomes. */
function tableAtom(writes: GuestTableWrites | undefined): string {
  if (writes === undefined) return 'none';
  const { first, change } = writes;
  return `entry${first}=${change.kind === 'store' ? change.gfn : change.kind === 'copy' ? `copy${change.first}` : 'bits'}`;
}

const access = (vfn: number, count: number, over: object = {}): VcpuStep => ({
  op: 'access',
  run: { vfn, count, stride: 1, kind: AccessKind.Read, writeEvery: 0, ...over },
});
const repeat = (times: number, ...steps: VcpuStep[]): VcpuStep => ({ op: 'repeat', times, steps });
const exit: VcpuStep = { op: 'exit' };
const control: VcpuStep = { op: 'control', write: { register: 'cr3', space: 1 } };

describe('a program, atom by atom', () => {
  it('takes strides and every n-th access as a write', () => {
    expect(unroll([access(10, 5, { stride: 2, writeEvery: 2 }), access(3, 1, { kind: AccessKind.Exec })])).toEqual([
      'w10',
      'r12',
      'w14',
      'r16',
      'w18',
      'x3',
    ]);
  });

  it('moves writes to guest tables, what they store and copy, and the frames of INVLPG on with a repeat', () => {
    const table = (change: GuestTableWrites['change'], stride = 1): VcpuStep => ({
      op: 'table',
      writes: { vfn: 9, first: 4, count: 1, stride, change },
    });
    const invlpg: VcpuStep = { op: 'control', write: { register: 'invlpg', vfn: 70 } };
    const steps = [
      table({ kind: 'store', gfn: 100, step: 1, bits: 1 }),
      // Every other entry, to every other frame in descending order: two entries further on is one write further on.
      table({ kind: 'store', gfn: 100, step: -2, bits: 1 }, 2),
      table({ kind: 'copy', vfn: 8, first: 30, clear: 2 }),
      table({ kind: 'modify', set: 0, clear: 2 }),
      invlpg,
    ];
    expect(unroll([{ op: 'repeat', times: 2, shift: 2, steps }])).toEqual([
      ...['entry4=100', 'entry4=100', 'entry4=copy30', 'entry4=bits', 'invlpg70'],
      ...['entry6=102', 'entry6=98', 'entry6=copy32', 'entry6=bits', 'invlpg72'],
    ]);
  });

  it('unrolls repeats inside repeats', () => {
    expect(unroll([exit, repeat(2, access(1, 1), repeat(2, control), access(2, 1)), exit])).toEqual([
      ...['exit', 'r1', 'cr3', 'cr3', 'r2', 'r1', 'cr3', 'cr3', 'r2', 'exit'],
    ]);
  });

  it('moves the runs of a repeat on by its shift, inner shifts on top', () => {
    const shifted = (times: number, shift: number, ...steps: VcpuStep[]): VcpuStep => ({ op: 'repeat', times, shift, steps });
    expect(unroll([shifted(3, 10, access(1, 1)), access(1, 1)])).toEqual(['r1', 'r11', 'r21', 'r1']);
    expect(unroll([shifted(2, 100, shifted(2, 10, access(1, 2)), access(5, 1))])).toEqual([
      ...['r1', 'r2', 'r11', 'r12', 'r5', 'r101', 'r102', 'r111', 'r112', 'r105'],
    ]);
  });

  it('passes over what is empty', () => {
    expect(unroll([repeat(5), repeat(0, exit), access(1, 0), repeat(3, access(1, 0)), exit, repeat(1, repeat(0, exit))])).toEqual(['exit']);
    expect(unroll([])).toEqual([]);
  });

  it('draws as a random run does', () => {
    const generators = new Generators(4);
    const random = (writePercent: number, randomOrder: boolean): VcpuStep => ({
      op: 'random',
      run: { vfn: 10, count: 3, randomOrder, writePercent },
    });
    expect(unroll([random(50, false)], 0, generators)).toEqual(['w10', 'w11', 'w12']);
    // 48271, 182605794, 1291394886 modulo 100 are 71, 94 and 86.
    expect(unroll([random(80, false)], 1, generators)).toEqual(['w10', 'r11', 'r12']);
    expect(generators.states[1]).toBe(skipDraws(1, 3));
    unroll([random(80, true)], 2, generators);
    expect(generators.states[2]).toBe(skipDraws(2, 6));
  });
});
