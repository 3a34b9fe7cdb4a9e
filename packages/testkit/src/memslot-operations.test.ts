/**
 * Memslots that move, come back over their old memory, or become read-only while the VM runs; and operations of the host on every so-manieth page: on every
 * kind of MMU the built-in backends have.
 */
import { Touched, subjects } from './fixtures/touched-vm';

const NPAGES = 1024;

describe.each(subjects)('on %s', (_name, subject) => {
  const make = (): Touched => new Touched(subject, 'anonymous', NPAGES);

  it('every 64th page goes by a call each, and comes back by a fault each', () => {
    const vm = make();
    const all = Array.from({ length: 256 }, (_, page) => page);
    vm.touch(0, all);
    vm.backend.host({ op: 'unmap', slot: 1, npages: 256, stride: 64 });
    expect(vm.mapped(all)).toEqual(all.filter(page => page % 64 !== 0));
    expect(vm.touch(1, [0, 1, 64, 65, 192])).toBe(3);
  });

  it('a slot that moves is mapped neither here nor there; back again, 1 read maps a page the host has, writable', () => {
    const vm = make();
    const away = vm.region.gfn + 4 * NPAGES;
    vm.touch(0, [0, 5]);
    vm.backend.host({ op: 'move_memslot', slot: 1, baseGfn: away });
    expect(vm.mapped([0, 5])).toEqual([]);
    expect(vm.backend.translate(away)).toBeUndefined();
    vm.backend.host({ op: 'move_memslot', slot: 1, baseGfn: vm.region.gfn });
    expect(vm.mapped([0, 5])).toEqual([]);
    vm.backend.enter(0);
    vm.backend.touch(0, vm.region.vfn + 5, 0);
    expect(vm.backend.translate(vm.region.gfn + 5)?.writable).toBe(true);
  });

  it('a slot that is made again over its memory finds its pages, over new memory none', () => {
    const vm = make();
    const { spec } = vm.region;
    if (spec === undefined) throw new Error('no slot');
    const read = (): boolean | undefined => {
      vm.backend.enter(0);
      vm.backend.touch(0, vm.region.vfn + 5, 0);
      return vm.backend.translate(vm.region.gfn + 5)?.writable;
    };
    vm.touch(0, [5]);
    vm.backend.host({ op: 'delete_memslot', slot: 1 });
    vm.backend.host({ op: 'create_memslot', spec, memory: 'kept' });
    expect(read()).toBe(true);
    vm.backend.host({ op: 'delete_memslot', slot: 1 });
    vm.backend.host({ op: 'create_memslot', spec });
    expect(read()).toBe(false);
  });

  it('a slot that becomes read-only maps nothing writable, and does again when it is not', () => {
    const vm = make();
    const writable = (): boolean | undefined => {
      vm.backend.enter(0);
      vm.backend.touch(0, vm.region.vfn + 5, 0);
      return vm.backend.translate(vm.region.gfn + 5)?.writable;
    };
    vm.touch(0, [5]);
    vm.backend.host({ op: 'set_memslot_flags', slot: 1, readonly: true });
    expect(writable()).toBe(false);
    vm.backend.host({ op: 'set_memslot_flags', slot: 1, readonly: false });
    expect(writable()).toBe(true);
  });

  it('a slot that moves takes its dirty bits along', () => {
    const vm = make();
    const dirty: number[][] = [];
    vm.backend.host({ op: 'manual_protect', initiallySet: false });
    vm.backend.host({ op: 'set_dirty_log', slot: 1, on: true });
    vm.touch(0, [3, 4, 700]);
    vm.backend.host({ op: 'move_memslot', slot: 1, baseGfn: vm.region.gfn + 4 * NPAGES });
    vm.backend.host({ op: 'get_dirty_log', slot: 1 }, { dirty: (first, npages) => dirty.push([first, npages]) });
    expect(dirty).toEqual([
      [3, 2],
      [700, 1],
    ]);
  });

  it('refuses to move a slot over another one, with all in its place', () => {
    const vm = make();
    vm.touch(0, [5]);
    expect(() => vm.backend.host({ op: 'move_memslot', slot: 1, baseGfn: 0 })).toThrow(/memslot 1: overlaps memslot 0/);
    expect(vm.mapped([5])).toEqual([5]);
  });
});
