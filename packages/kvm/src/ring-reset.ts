/**
 * Protects the pages of collected entries again, group by group.
 *
 * A group whose memslot is gone, or has become smaller than its highest page, is left alone.
 *
 * Models: Linux virt/kvm/dirty_ring.c kvm_reset_dirty_gfn().
 */
import type { WordTaker } from './bitmap-words';
import type { LoggedTables } from './logged-tables';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';
import { type GroupTaker, PageGroups, pagesPerGroup } from './ring-groups';

/** One reset of one ring. */
export class RingReset implements GroupTaker {
  /** Groups protected. */
  groups = 0;

  constructor(
    private readonly tables: LoggedTables,
    private readonly slots: Memslots,
    private readonly initiallySet: boolean,
  ) {}

  group(id: number, pages: readonly number[]): void {
    const slot = this.slots.get(id);
    const last = pages[pages.length - 1];
    if (slot === undefined || last >= slot.spec.npages) return;
    this.groups++;
    const taker = this.takerOf(slot);
    taker.word(slot.base + pages[0], slot.base + last);
    if (taker.page !== undefined) for (const page of pages) taker.page(slot.base + page);
  }

  stretch(id: number, low: number, step: number, groups: number): void {
    const slot = this.slots.get(id);
    if (slot === undefined) return;
    const perGroup = pagesPerGroup(step);
    const end = low + (groups * perGroup - 1) * step + 1;
    if (end > slot.spec.npages) {
      for (let i = 0; i < groups; i++) this.group(id, pagesOf(low + i * perGroup * step, step, perGroup));
      return;
    }
    this.groups += groups;
    const { tables, initiallySet } = this;
    const program = new PageGroups(`ring/${slot.index}/${initiallySet}/${step}`, slot.base + low, step, slot.base + end, this.takerOf(slot));
    if (tables.runGroups === undefined) program.block(program.origin, program.end);
    else tables.runGroups(program, slot, program.origin, program.end, initiallySet);
  }

  private takerOf(slot: Memslot): WordTaker {
    return this.tables.taker(slot, this.initiallySet);
  }
}

function pagesOf(first: number, step: number, count: number): readonly number[] {
  return Array.from({ length: count }, (_, i) => first + i * step);
}
