/**
 * Calls of the walkers that go over ranges: how the kernel cuts them, and what they were asked for.
 */
import { BASE, Lab, plainBacking } from './fixtures/lab';

const MIB = 2 ** 20;

describe('what the host does to 4 MiB in small pages', () => {
  const touched = (kernel?: string, hafdbs = 'cpu'): Lab => {
    const lab = new Lab({ npages: 1024, host: { hafdbs }, ...(kernel === undefined ? {} : { kernel }) });
    for (let page = 0; page < 1024; page++) lab.touch(page, 1);
    lab.mark();
    return lab;
  };

  it('is one unmap call of 4 MiB, and one more when the memslot goes', () => {
    const lab = touched();
    lab.mmu.host({ op: 'unmap', slot: 1 });
    expect(lab.counts('stage2.unmap', 'stage2.unmap.bytes', 'dcache_clean_inval_poc.unmap')).toEqual([1, 4 * MIB, 1024]);
    lab.mark();
    lab.mmu.host({ op: 'delete_memslot', slot: 1 });
    expect(lab.counts('stage2.unmap', 'stage2.unmap.bytes', 'dcache_clean_inval_poc.unmap')).toEqual([1, 4 * MIB, 0]);
  });

  it('is a call per page where the host ages page by page', () => {
    const lab = touched();
    const age = { op: 'age', slot: 1, flush: false } as const;
    lab.mmu.host({ ...age, pageByPage: false });
    expect(lab.counts('stage2.age.calls', 'stage2.age.bytes', 'stage2.age')).toEqual([1, 4 * MIB, 1024]);
    lab.mark();
    lab.mmu.host({ ...age, pageByPage: true });
    expect(lab.counts('stage2.age.calls', 'stage2.age.bytes', 'stage2.age')).toEqual([1024, 4 * MIB, 0]);
  });

  it('flushes once for a range that has young pages, and for each young page when it goes page by page', () => {
    const flushes = (pageByPage: boolean): readonly number[] => {
      const lab = touched();
      lab.mmu.host({ op: 'age', slot: 1, pageByPage, flush: true });
      lab.mmu.host({ op: 'age', slot: 1, pageByPage, flush: true });
      return lab.counts('tlbi.vmid');
    };
    expect([flushes(false), flushes(true)]).toEqual([[1], [1024]]);
  });

  it('changes nothing when it only looks: the next access takes no access-flag fault', () => {
    const lab = touched(undefined, 'N');
    lab.mmu.host({ op: 'age', slot: 1, pageByPage: false, flush: false, test: true });
    lab.touch(0, 0);
    expect(lab.counts('stage2.age.test', 'stage2.age.calls', 'stage2.age', 'guest_abort.access_flag')).toEqual([1, 0, 0, 0]);
    lab.mmu.host({ op: 'age', slot: 1, pageByPage: false, flush: false });
    lab.touch(0, 0);
    expect(lab.counts('stage2.age.calls', 'stage2.age', 'guest_abort.access_flag')).toEqual([1, 1024, 1]);
  });
});

describe('what the host does to 4 GiB in blocks', () => {
  it('is cut at blocks of 1 GiB from 6.1 on, at entries of the start level before: the same with 40 bits, one call with 48', () => {
    const calls = (kernel: string, physBits: number): readonly number[] => {
      const lab = new Lab({ kernel, physBits, npages: 2 ** 20, backing: plainBacking(2) });
      lab.mmu.host({ op: 'unmap', slot: 1 });
      return lab.counts('stage2.unmap', 'stage2.unmap.bytes');
    };
    expect(BASE % 2 ** 18).toBe(0);
    expect([calls('6.1.176', 40), calls('5.10.223', 40)]).toEqual([
      [4, 4096 * MIB],
      [4, 4096 * MIB],
    ]);
    expect([calls('6.1.176', 48), calls('5.10.223', 48)]).toEqual([
      [4, 4096 * MIB],
      [1, 4096 * MIB],
    ]);
  });

  it('splits in chunks of the size set, and says how much it was asked for', () => {
    const lab = new Lab({ npages: 2 ** 18, backing: plainBacking(2), options: { eager_split_chunk: 2 ** 21 } });
    lab.log(true);
    expect(lab.counts('eager_split', 'eager_split.bytes')).toEqual([512, 1024 * MIB]);
  });
});
