/**
 * Aging on every backend: a leaf is young until the first call that meets it, so that calls page by page flush once per young leaf and one call for all
 * flushes once (decision 0007).
 */
import type { HostOp } from '@mmulab/api';
import { Touched, memory, subjects } from './fixtures/touched-vm';

/** Pages that are aged at most: those in the middle, where two of the largest leaves meet. */
const WINDOW = 4096;

/** Aging of the middle of a slot. */
function ageOf(npages: number): (pageByPage: boolean, flush: boolean) => HostOp {
  const window = Math.min(npages, WINDOW);
  return (pageByPage, flush) => ({ op: 'age', slot: 1, firstPage: (npages - window) / 2, npages: window, pageByPage, flush });
}

/** Flushes that host operations ask for, one after the other. */
function flushes(vm: Touched, ...ops: readonly HostOp[]): readonly number[] {
  return ops.map(op => {
    const before = vm.counters.of(vm.subject.flushes);
    vm.backend.host(op);
    return vm.counters.of(vm.subject.flushes) - before;
  });
}

describe.each(subjects)('on %s', (_name, subject) => {
  describe.each(memory)('memory of %s (%i pages, leaves of level %i)', (backing, npages, level) => {
    const age = ageOf(npages);
    // Seven places: as many small leaves; 2 MiB pages 0, 1, 2 and 3; in the middle of 2 GiB one on each side. Shadow paging of a guest with small entries
    // has small leaves.
    const isShadowed = subject.options?.['npt'] === 'N';
    const young = level === 1 || (level === 2 && isShadowed) ? 7 : level === 2 ? 4 : 2;

    it(`aged page by page with a flush asks for ${young}, and for none the second time`, () => {
      expect(flushes(new Touched(subject, backing, npages), age(true, true), age(true, true))).toEqual([young, 0]);
    });

    it('aged at once asks for one, and for none the second time', () => {
      expect(flushes(new Touched(subject, backing, npages), age(false, true), age(false, true))).toEqual([1, 0]);
    });

    it('aged without a flush asks for none, and is not young after it', () => {
      expect(flushes(new Touched(subject, backing, npages), age(true, false), age(true, true))).toEqual([0, 0]);
    });

    it('is young again where it was touched again: one flush for one page', () => {
      const vm = new Touched(subject, backing, npages);
      vm.backend.host(age(true, false));
      vm.touch(0, [npages / 2]);
      expect(flushes(vm, age(true, true))).toEqual([1]);
    });
  });
});
