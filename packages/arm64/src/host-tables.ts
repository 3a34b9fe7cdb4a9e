/**
 * What the host does to stage 2: MMU notifiers, aging, memslots that go, the end of the VM.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_unmap_gfn_range(), kvm_arch_flush_shadow_memslot(), kvm_arch_flush_shadow_all().
 */
import type { Counters } from '@mmulab/api';
import type { Aging, HostTables, Memslot, Memslots } from '@mmulab/kvm';
import type { GuestTableWalks } from './guest-table-walks';
import type { MmuNotifier } from './notifier';
import type { Stage2Tables } from './stage2-tables';

const HOST = -1;

/** The tables of one VM as host operations meet them. */
export class Stage2HostTables implements HostTables {
  /** @param released told when the tables are empty for good */
  constructor(
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly notifier: MmuNotifier,
    private readonly walks: GuestTableWalks,
    private readonly counters: Counters,
    private readonly released: () => void,
  ) {}

  invalidate({ spec }: Memslot, start: number, end: number, change?: () => void): void {
    this.select(spec.id);
    this.notifier.start(start, end);
    change?.();
    this.notifier.end();
    this.walks.forget();
  }

  age(_slot: Memslot, start: number, end: number, { pageByPage, flush }: Aging): number {
    const young = this.notifier.age(start, end, pageByPage, flush);
    this.walks.forget();
    return young;
  }

  testYoung(start: number, end: number, pageByPage: boolean): void {
    this.notifier.testYoung(start, end, pageByPage);
  }

  deleteMemslot(slot: Memslot): void {
    this.unmapSlot(slot);
    this.slots.remove(slot);
  }

  zapAll(): void {
    for (const slot of this.slots.all) this.unmapSlot(slot);
  }

  /** Test programs delete their memslots before they let go of the VM: tables are unmapped, hardly anything is left to free. */
  destroy(): void {
    for (const slot of [...this.slots.all]) this.deleteMemslot(slot);
    this.select(0);
    this.tables.destroy();
    this.released();
  }

  /** Counts what follows for the host, in a memslot's scope. */
  select(scope: number): void {
    this.tables.mm.scope = scope;
    this.counters.select(HOST, scope);
  }

  private unmapSlot(slot: Memslot): void {
    this.select(slot.spec.id);
    this.slots.work.lock('write');
    this.tables.inChunks(slot.spec.baseGfn, slot.end, (from, to) => this.tables.unmap(from, to));
    this.walks.forget();
  }
}
