/**
 * Memslots that come, go and change while the VM runs (KVM_SET_USER_MEMORY_REGION).
 *
 * A slot that goes or moves is invalidated first, which is the architecture's business: what it maps goes with it, or everything does. The host's memory belongs to
 * the process, not to the slot, and stays as it is. A slot that moves takes its dirty bitmap along. Whether a slot is read-only cannot be changed (EINVAL): user space
 * deletes it and makes a new one over the same memory, whose bitmap is new.
 *
 * Models: Linux virt/kvm/kvm_main.c __kvm_set_memory_region(), kvm_set_memslot(), kvm_prepare_memory_region().
 */
import type { MemslotSpec } from '@mmulab/api';
import type { DirtyLog } from './dirty-log';
import { badSlot } from './errors';
import { frameRuns, layFrameRuns } from './frame-runs';
import type { GuestMemory, HostTables } from './host-tables';
import { KeptMemory } from './kept-memory';
import type { Memslot } from './memslot';
import type { Memslots } from './memslots';

/** Changes of one VM's memslots. */
export class SlotOps {
  private readonly memory: KeptMemory;

  constructor(
    private readonly slots: Memslots,
    private readonly dirtyLog: DirtyLog,
    private readonly tables: HostTables,
    private readonly guest: GuestMemory,
  ) {
    this.memory = new KeptMemory(slots.hostStates);
  }

  /** Adds a memslot. @param memory whether over memory of its own, or over that of a slot that went @throws VM_BAD_SLOT */
  create(spec: MemslotSpec, memory: 'new' | 'kept' = 'new'): void {
    const slot = this.slots.add(spec, this.holdsTables(spec), this.guest.frameLimit);
    if (memory === 'kept' && !this.memory.restore(slot)) {
      this.slots.remove(slot);
      throw badSlot(
        spec.id,
        `no memory of a deleted memslot lies at host frame 0x${spec.hvf.toString(16)} with all ${spec.npages} pages of ${spec.backing.name}`,
      );
    }
    this.memory.forget(spec.hvf, spec.npages);
    if (memory === 'kept') this.slots.noteMappings(slot);
    if (spec.logged !== true) return;
    this.dirtyLog.attach(slot);
    this.dirtyLog.committed(slot);
    this.tables.logChanged?.();
  }

  /** Takes a memslot away. */
  delete(slot: Memslot): void {
    this.take(slot);
    if (slot.logged) this.tables.logChanged?.();
  }

  /** Moves a memslot. @throws VM_BAD_SLOT, before anything is changed */
  move(slot: Memslot, baseGfn: number): void {
    const { spec, base, logged } = slot;
    if (baseGfn === base) return;
    const moved: MemslotSpec = { ...spec, baseGfn, populated: [] };
    this.slots.checkPlace(moved, this.guest.frameLimit, slot);
    const { dirtyBits, readBits } = this.slots;
    const bitmaps = [dirtyBits, readBits].map(bits => ({ bits, runs: logged ? frameRuns(bits, base, spec.npages) : [] }));
    this.take(slot);
    const next = this.slots.add(moved, this.holdsTables(moved), this.guest.frameLimit);
    this.memory.restore(next);
    this.slots.noteMappings(next);
    next.logged = logged;
    for (const { bits, runs } of bitmaps) layFrameRuns(bits, baseGfn, spec.npages, runs);
    if (logged) this.dirtyLog.committed(next);
  }

  /** Makes a memslot read-only, or writable again. */
  setReadonly(slot: Memslot, readonly: boolean): void {
    const { spec, logged } = slot;
    if (spec.readonly === readonly) return;
    this.delete(slot);
    this.create({ ...spec, readonly, logged, populated: [] }, 'kept');
  }

  /** Nobody is in the middle of a fault when a slot goes (SRCU): one that was finds that it has to look again. */
  private take(slot: Memslot): void {
    this.memory.keep(slot);
    this.slots.invalidations.begin();
    this.tables.deleteMemslot(slot);
    this.slots.invalidations.end();
  }

  private holdsTables({ baseGfn, npages }: MemslotSpec): boolean {
    const inside = (gfn: number): boolean => gfn >= baseGfn && gfn < baseGfn + npages;
    return this.guest.spaces?.some(space => inside(space.root) || space.tables.some(run => inside(run.gfn))) ?? true;
  }
}
