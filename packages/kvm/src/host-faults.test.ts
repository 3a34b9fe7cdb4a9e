/**
 * Host faults of two vCPUs on one page of transparent huge memory, step by step: none (0), small zero page (1), own page (2), huge zero page (3), huge page (4).
 */
import { workEvents, type HostBacking, type HostFault, type HostNotification, type MemslotSpec } from '@mmulab/api';
import { Geometry } from '@mmulab/pgtable';
import { HostPage, HostFaults } from './host-faults';
import { HostWork, hostStages } from './host-work';
import { Memslot } from './memslot';
import type { Memslots } from './memslots';
import { WorkCounts } from './work-counts';
import { Work } from './work-events';

const fault = (state: number, spanLevel: 1 | 2, writable: boolean, notifications: readonly HostNotification[] = []): HostFault => ({
  ok: true,
  state,
  spanLevel,
  writable,
  notifications,
});
const copy: HostNotification = { level: 1, state: 2, changePte: true };
const split: HostNotification = { level: 2, state: 1, changePte: false };
const state = (present: boolean, writable: boolean, level: 1 | 2): HostBacking['states'][number] => ({
  name: '',
  present,
  writable,
  level,
  thp: level > 1,
});

const thp: HostBacking = {
  name: 'thp',
  doc: '',
  pageLevel: 2,
  hugetlb: false,
  states: [state(false, false, 1), state(true, false, 1), state(true, true, 1), state(true, false, 2), state(true, true, 2)],
  populated: 4,
  faults: [
    [fault(3, 2, false), fault(4, 2, true)],
    [fault(1, 1, false), fault(2, 1, true, [copy])],
    [fault(2, 1, true), fault(2, 1, true)],
    [fault(3, 2, false), fault(2, 1, true, [split, copy])],
    [fault(4, 2, true), fault(4, 2, true)],
  ].flat(),
};

const spec: MemslotSpec = { id: 1, baseGfn: 0, npages: 512, hvf: 0, backing: thp, readonly: false, populated: [] };
const geometry = new Geometry(512, 4);

/** One page's host state; `calls` are the notifier's. */
function page(
  first: number,
  backing: HostBacking = thp,
): { readonly pages: HostFaults; readonly slot: Memslot; readonly calls: string[]; now(): number; work(): readonly number[] } {
  let now = first;
  const counters = { now: new Float64Array(workEvents.length), select: () => undefined };
  const calls: string[] = [];
  const from = (_slot: unknown, _gfn: number, seen: number, write: boolean): HostFault =>
    backing.faults[seen * 2 + (write ? 1 : 0)] ?? fault(0, 1, false);
  const slots = {
    geometry,
    work: new WorkCounts(counters, 0),
    hostStates: { get: () => now },
    hostFaultFrom: from,
    hostFault: (slot: unknown, gfn: number, write: boolean) => from(slot, gfn, now, write),
    setHostState: (_slot: unknown, _gfn: number, _level: number, next: number) => void (now = next),
  } as unknown as Memslots;
  const slot = new Memslot({ ...spec, backing }, 0, 0, false, geometry, 3);
  const work = (): readonly number[] => [Work.clear, Work.copy, Work.mapShared, Work.splitZero].map(which => counters.now[which] ?? NaN);
  return { pages: new HostFaults(2, slots, (_slot, start, end) => void calls.push(`${start}-${end}`)), slot, calls, now: () => now, work };
}

describe('a host fault', () => {
  it('of a reader takes the huge zero page at once, of a writer a huge page once it is cleared', () => {
    const read = page(0);
    read.pages.ask(0, 0);
    expect([read.pages.settle(0, read.slot, 0, false, HostWork.None), read.now()]).toEqual([~HostPage.ReadOnly, 3]);
    const written = page(0);
    written.pages.ask(0, 0);
    expect([written.pages.settle(0, written.slot, 0, true, HostWork.None), written.now()]).toEqual([HostWork.ClearPmd, 0]);
    expect([written.pages.settle(0, written.slot, 0, true, HostWork.ClearPmd), written.now()]).toEqual([~HostPage.Writable, 4]);
    // Small pages cleared and copied, shared pages mapped, huge zero pages split.
    expect([read.work(), written.work()]).toEqual([
      [0, 0, 1, 0],
      [512, 0, 0, 0],
    ]);
  });

  it('does the work of what it found, in vain when a reader was faster, and looks again', () => {
    const { pages, slot, calls, now, work } = page(0);
    pages.ask(0, 0);
    pages.ask(1, 0);
    expect(pages.settle(1, slot, 0, false, HostWork.None)).toBe(~HostPage.ReadOnly);
    expect(pages.settle(0, slot, 0, true, HostWork.None)).toBe(HostWork.ClearPmd);
    expect(pages.settle(0, slot, 0, true, HostWork.ClearPmd)).toBe(HostWork.None);
    // Now it finds the huge zero page: split, then copied, each with its call.
    expect(pages.settleAtOnce(0, slot, 0, true, HostWork.None)).toBe(HostWork.SplitZero);
    expect(pages.settleAtOnce(0, slot, 0, true, HostWork.SplitZero)).toBe(HostWork.Copy);
    expect([pages.settleAtOnce(0, slot, 0, true, HostWork.Copy), now(), calls]).toEqual([~HostPage.Writable, 2, ['0-512', '0-1']]);
    expect(work()).toEqual([512, 1, 1, 1]);
  });

  it('calls the notifier for a copy that another vCPU has made by then, and leaves the copy alone', () => {
    const { pages, slot, calls, now } = page(1);
    for (const vcpu of [0, 1]) {
      pages.ask(vcpu, 7);
      expect(pages.settle(vcpu, slot, 7, true, HostWork.None)).toBe(HostWork.Copy);
    }
    expect([0, 1].map(vcpu => pages.start(vcpu, slot, 7))).toEqual([true, false]);
    expect([calls, now()]).toEqual([['7-8', '7-8'], 2]);
  });

  it('allocates a small page for a writer only, and clears no page that is there', () => {
    const noneSmall = page(0, { ...thp, faults: [fault(1, 1, false), fault(2, 1, true), ...thp.faults.slice(2)] });
    noneSmall.pages.ask(0, 0);
    expect(noneSmall.pages.settle(0, noneSmall.slot, 0, true, HostWork.None)).toBe(HostWork.Alloc);
    const hugetlb = page(3, { ...thp, hugetlb: true, faults: [...thp.faults.slice(0, 7), fault(4, 2, true), ...thp.faults.slice(8)] });
    hugetlb.pages.ask(0, 0);
    expect([hugetlb.pages.settle(0, hugetlb.slot, 0, true, HostWork.None), hugetlb.now()]).toEqual([~HostPage.Writable, 4]);
  });

  it('has a stage for each kind of work, in the order of their numbers', () => {
    expect(hostStages(250).map(({ name }) => name)).toEqual([
      'host_page',
      'host_alloc',
      'host_clear.pmd',
      'host_clear.pud',
      'host_copy',
      'host_split_zero',
    ]);
  });
});
