/**
 * What user space sees of host operations, on every built-in backend: the bits a GET reads, once each; young leaves, once each.
 */
import { AccessKind, type HostAnswer } from '@mmulab/api';
import { Touched } from './fixtures/touched-vm';

const NPAGES = 256;
const SUBJECTS = [
  { backend: 'x86-tdp', kernel: '6.12.117', faults: 'page_fault', flushes: '' },
  { backend: 'x86-shadow', kernel: '6.12.117', options: { npt: 'Y', tdp_mmu: 'N' }, faults: 'page_fault', flushes: '' },
  { backend: 'arm64-stage2', kernel: '6.12', faults: 'guest_abort', flushes: '' },
] as const;

describe.each(SUBJECTS)('$backend', subject => {
  const vm = new Touched(subject, 'anonymous', NPAGES);
  const slot = vm.region.spec?.id ?? -1;

  function dirty(): readonly (readonly number[])[] {
    const runs: number[][] = [];
    vm.backend.host({ op: 'get_dirty_log', slot }, { dirty: (first, npages) => runs.push([first, npages]) });
    return runs;
  }

  it('hands out the dirty bitmap as runs of pages, and its bits once', () => {
    vm.backend.host({ op: 'set_dirty_log', slot, on: true });
    vm.touch(0, [3, 4, 5, 64, NPAGES - 1]);
    expect(dirty()).toEqual([
      [3, 3],
      [64, 1],
      [NPAGES - 1, 1],
    ]);
    expect(dirty()).toEqual([]);
    vm.touch(1, [4]);
    expect(dirty()).toEqual([[4, 1]]);
    vm.backend.host({ op: 'set_dirty_log', slot, on: false });
  });

  it.each([false, true])('counts young leaves once (page by page: %s)', pageByPage => {
    const told: number[] = [];
    const age = (): void => {
      const answer: HostAnswer = { young: leaves => told.push(leaves) };
      vm.backend.host({ op: 'age', slot, pageByPage, flush: true }, answer);
    };
    age();
    told.length = 0;
    vm.backend.enter(0);
    for (const page of [3, 64, 65]) vm.backend.touch(0, vm.region.vfn + page, AccessKind.Read);
    age();
    age();
    expect(told).toEqual([3, 0]);
  });
});
