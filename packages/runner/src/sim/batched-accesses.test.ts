import { AccessKind, type AccessBatch, type MmuBackend } from '@mmulab/api';
import { BatchedAccesses } from './batched-accesses';

const { Read, Write } = AccessKind;

/** A backend that writes down what it is told; the access to frame 13 fails. */
function backend(takesBatches: boolean) {
  const told: string[] = [];
  const touch = (vcpu: number, vfn: number, kind: AccessKind): void => {
    if (vfn === 13) throw new Error('frame 13');
    told.push(`${vcpu} ${vfn} ${kind}`);
  };
  const touchAll = ({ count, vcpus, vfns, kinds }: AccessBatch): void => {
    told.push(`${count} from ${vcpus[0]} ${vfns[0]} ${kinds[0]}`);
  };
  return { told, mmu: (takesBatches ? { touch, touchAll } : { touch }) as unknown as MmuBackend };
}

describe('batched accesses', () => {
  it('reach a backend 1,024 at a time, and what is left when they are flushed', () => {
    const { told, mmu } = backend(true);
    const accesses = new BatchedAccesses(mmu);
    for (let i = 0; i < 1030; i++) accesses.add(i % 3, 2 ** 40 + i, i === 1024 ? Write : Read);
    accesses.flush();
    expect(told).toEqual([`1024 from 0 ${2 ** 40} ${Read}`, `6 from 1 ${2 ** 40 + 1024} ${Write}`]);
  });

  it('are made one by one, in order, where a backend takes no batches', () => {
    const { told, mmu } = backend(false);
    const accesses = new BatchedAccesses(mmu);
    accesses.add(1, 7, Write);
    accesses.add(0, 3, Read);
    accesses.flush();
    expect(told).toEqual([`1 7 ${Write}`, `0 3 ${Read}`]);
  });

  it('are not made again after one of them has failed', () => {
    const { told, mmu } = backend(false);
    const accesses = new BatchedAccesses(mmu);
    for (const vfn of [1, 13, 2]) accesses.add(0, vfn, Read);
    expect(() => accesses.flush()).toThrow('frame 13');
    accesses.flush();
    expect(told).toEqual([`0 1 ${Read}`]);
  });
});
