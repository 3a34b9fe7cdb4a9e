/**
 * What the host takes away is gone: after an unmap or the deletion of a memslot no frame of it translates, on any backend, whatever the size of the leaves
 * that mapped it, and every vCPU that comes again faults. Leaves of 1 GiB included.
 */
import { Touched, memory, subjects } from './fixtures/touched-vm';

describe.each(subjects)('on %s', (_name, subject) => {
  describe.each(memory)('memory of %s (%i pages, leaves of level %i)', (backing, npages, level) => {
    it('translates where it was touched, at its level', () => {
      const vm = new Touched(subject, backing, npages);
      expect(vm.mapped(vm.places)).toEqual(vm.places);
      const isShadowed = subject.options?.['npt'] === 'N';
      expect(vm.backend.translate(vm.region.gfn)?.level).toBe(isShadowed ? 1 : level);
    });

    it('is gone after an unmap of all of it, and every place faults again', () => {
      const vm = new Touched(subject, backing, npages);
      vm.backend.host({ op: 'unmap', slot: 1 });
      expect(vm.mapped(vm.places)).toEqual([]);
      expect(vm.touch(1, [0])).toBeGreaterThan(0);
      expect(vm.mapped([0])).toEqual([0]);
    });

    it('is gone where an unmap of the upper half says so, and there only', () => {
      const vm = new Touched(subject, backing, npages);
      vm.backend.host({ op: 'unmap', slot: 1, firstPage: npages / 2, npages: npages / 2 });
      expect(vm.mapped(vm.places)).toEqual(vm.places.filter(page => page < npages / 2));
    });

    it('is gone for two vCPUs after one page of it was unmapped', () => {
      const vm = new Touched(subject, backing, npages);
      vm.backend.host({ op: 'unmap', slot: 1, firstPage: npages - 1, npages: 1 });
      expect(vm.mapped([npages - 1])).toEqual([]);
      expect([vm.touch(0, [npages - 1]) > 0, vm.mapped([npages - 1])]).toEqual([true, [npages - 1]]);
    });

    it('is gone with its memslot', () => {
      const vm = new Touched(subject, backing, npages);
      vm.backend.host({ op: 'delete_memslot', slot: 1 });
      expect(vm.mapped(vm.places)).toEqual([]);
    });
  });
});
