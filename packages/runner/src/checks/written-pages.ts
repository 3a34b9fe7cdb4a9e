/**
 * Which pages of memslots under dirty logging the guest has written since they were harvested last: what a dirty bitmap ought to say.
 *
 * It follows the programs of the vCPUs access by access, beside the backend and without asking it anything, and host operations as far as they harvest. A page is
 * harvested as its bit is taken: by the get itself, or with manual protect by the clear that follows it; and as its entry is collected of a dirty ring.
 */
import { AccessKind, type GuestTables, type HostOp, type MemslotSpec, type PageRange, type VcpuProgram, type VmLayout } from '@mmulab/api';
import { Generators } from '../sim/generator';
import { Atom, ProgramCursor } from '../sim/program-cursor';

/** A bitmap as runs of pages, [firstPage, npages]. */
export type PageRuns = readonly (readonly [firstPage: number, npages: number])[];

/** Pages of one memslot's harvest beside what was written. */
export interface HarvestedPages {
  readonly slot: number;
  readonly pages: number;
  readonly missing: number;
  readonly unexplained: number;
}

/** A memslot as it is followed: one byte per page. */
interface FollowedSlot {
  readonly spec: MemslotSpec;
  logged: boolean;
  /** Written since the last harvest, and in the interval before it. */
  readonly written: Uint8Array;
  readonly before: Uint8Array;
  /** The bitmap that was read last. */
  readonly read: Uint8Array;
}

export class WrittenPages {
  private readonly slots = new Map<number, FollowedSlot>();
  /** The slots in order of their frames. */
  private ordered: readonly FollowedSlot[] = [];
  private readonly generators: Generators;
  /** Address space of each vCPU. */
  private readonly spaces: number[];
  private isManual = false;
  private startsFull = false;
  private lastRun: GuestTables['runs'][number] | undefined;
  private lastSlot: FollowedSlot | undefined;

  constructor(private readonly vm: VmLayout) {
    this.generators = new Generators(vm.vcpus);
    this.spaces = new Array<number>(vm.vcpus).fill(0);
    for (const spec of vm.memslots) this.add(spec);
  }

  /** vCPUs run their programs, in whatever order: what they wrote does not depend on it. */
  guest(programs: readonly VcpuProgram[]): void {
    for (const [vcpu, program] of programs.entries()) this.program(vcpu, program);
  }

  /** A host operation is over. @param read what it returned of dirty pages, by memslot; @returns what it harvested */
  host(op: HostOp, read: ReadonlyMap<number, PageRuns>): readonly HarvestedPages[] {
    switch (op.op) {
      case 'get_dirty_log':
        return this.harvest([op.slot], read, !this.isManual);
      case 'collect_dirty_rings':
        return this.harvest([...this.slots.keys()], read, true);
      case 'manual_protect':
        [this.isManual, this.startsFull] = [true, op.initiallySet];
        break;
      case 'set_dirty_log':
        this.start(this.slots.get(op.slot), op.on);
        break;
      case 'clear_dirty_log':
        this.clear(this.slots.get(op.slot), op.firstPage ?? 0, op.npages ?? Infinity);
        break;
      case 'kvm_write':
        this.mark(this.slots.get(op.slot), op);
        break;
      default:
        this.changeSlots(op);
    }
    return [];
  }

  private changeSlots(op: HostOp): void {
    if (op.op === 'create_memslot') this.add(op.spec);
    else if (op.op === 'delete_memslot') this.remove(op.slot);
    else if (op.op === 'move_memslot') this.move(this.slots.get(op.slot), op.baseGfn);
  }

  private harvest(ids: readonly number[], read: ReadonlyMap<number, PageRuns>, isTaken: boolean): readonly HarvestedPages[] {
    return ids.flatMap(id => {
      const slot = this.slots.get(id);
      return slot?.logged === true ? [this.get(slot, read.get(id) ?? [], isTaken)] : [];
    });
  }

  /** KVM writes pages itself. */
  private mark(slot: FollowedSlot | undefined, { firstPage = 0, npages = Infinity, stride = 1 }: PageRange): void {
    if (slot === undefined) return;
    const end = Math.min(slot.written.length, firstPage + npages);
    for (let page = firstPage; page < end; page += stride) slot.written[page] = 1;
  }

  private add(spec: MemslotSpec): void {
    const none = new Uint8Array(0);
    this.slots.set(spec.id, { spec, logged: false, written: none, before: none, read: none });
    if (spec.logged === true) this.start(this.slots.get(spec.id), true);
    else this.order();
  }

  /** Its dirty log goes with it. */
  private move(slot: FollowedSlot | undefined, baseGfn: number): void {
    if (slot === undefined) return;
    this.slots.set(slot.spec.id, { ...slot, spec: { ...slot.spec, baseGfn } });
    this.order();
  }

  private remove(id: number): void {
    this.slots.delete(id);
    this.order();
  }

  private order(): void {
    this.ordered = [...this.slots.values()].sort((a, b) => a.spec.baseGfn - b.spec.baseGfn);
    this.lastSlot = undefined;
  }

  private start(slot: FollowedSlot | undefined, on: boolean): void {
    if (slot === undefined || slot.logged === on) return;
    const { npages } = slot.spec;
    const full = (value: number): Uint8Array => new Uint8Array(npages).fill(value);
    const started = { spec: slot.spec, logged: on, written: full(on && this.isManual && this.startsFull ? 1 : 0), before: full(0), read: full(0) };
    this.slots.set(slot.spec.id, started);
    this.order();
  }

  /** @param isTaken whether the pages are harvested by this, or wait for a clear */
  private get(slot: FollowedSlot, runs: PageRuns, isTaken: boolean): HarvestedPages {
    const { written, before, read } = slot;
    read.fill(0);
    let pages = 0;
    for (const [first, npages] of runs) {
      read.fill(1, first, first + npages);
      pages += npages;
    }
    let missing = 0;
    let unexplained = 0;
    for (let page = 0; page < written.length; page++) {
      if (read[page] === 0) missing += written[page] ?? 0;
      else if (written[page] === 0 && before[page] === 0) unexplained++;
    }
    if (isTaken) {
      before.set(written);
      written.fill(0);
    }
    return { slot: slot.spec.id, pages, missing, unexplained };
  }

  private clear(slot: FollowedSlot | undefined, firstPage: number, npages: number): void {
    if (slot === undefined) return;
    const { written, before, read } = slot;
    const end = Math.min(written.length, firstPage + npages);
    for (let page = firstPage; page < end; page++) {
      before[page] = written[page] ?? 0;
      if (read[page] !== 0) written[page] = 0;
    }
  }

  private program(vcpu: number, program: VcpuProgram): void {
    const cursor = new ProgramCursor(program, vcpu, this.generators);
    for (let atom = cursor.next(); atom !== Atom.End; atom = cursor.next()) {
      if (atom === Atom.Access && cursor.kind === AccessKind.Write) this.write(vcpu, cursor.vfn);
      else if (atom === Atom.Control && cursor.write?.register === 'cr3') this.spaces[vcpu] = cursor.write.space ?? 0;
    }
  }

  private write(vcpu: number, vfn: number): void {
    const gfn = this.frameOf(this.vm.spaces[this.spaces[vcpu] ?? 0], vfn);
    const slot = this.slotAt(gfn);
    if (slot?.logged === true) slot.written[gfn - slot.spec.baseGfn] = 1;
  }

  /** The frame behind a guest address; without tables of its own a guest has the frames themselves. */
  private frameOf(space: GuestTables | undefined, vfn: number): number {
    if (space === undefined) return vfn;
    const holds = (run: GuestTables['runs'][number]): boolean => vfn >= run.vfn && vfn < run.vfn + run.npages;
    if (this.lastRun === undefined || !holds(this.lastRun) || !space.runs.includes(this.lastRun)) this.lastRun = space.runs.find(holds);
    return this.lastRun === undefined ? -1 : this.lastRun.gfn + vfn - this.lastRun.vfn;
  }

  private slotAt(gfn: number): FollowedSlot | undefined {
    const holds = ({ spec }: FollowedSlot): boolean => gfn >= spec.baseGfn && gfn < spec.baseGfn + spec.npages;
    if (this.lastSlot === undefined || !holds(this.lastSlot)) this.lastSlot = this.ordered.find(holds);
    return this.lastSlot;
  }
}
