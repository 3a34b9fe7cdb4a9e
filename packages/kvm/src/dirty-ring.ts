/**
 * The dirty rings of a VM's vCPUs, and the logs of dirty pages that CPUs keep for them (PML).
 *
 * A page that a vCPU writes under dirty logging goes to its ring instead of a bitmap: at once where KVM marks it dirty, and with the vCPU's next exit where the hardware has
 * logged it, since an exit reads the CPU's log. A ring is soft full when only the kernel's reserve is left: as many entries as a full CPU log, and 64 more. Then the next
 * KVM_RUN, or the next entry within one, comes back to user space (KVM_EXIT_DIRTY_RING_FULL), which collects what the rings hold and has them reset: collected entries
 * leave, and their pages are protected again in groups (ring-groups.ts), with one flush if there were any.
 *
 * Under lifting a run is cut before it may fill the ring (access-runs.ts): its last accesses are made one by one, the others by blocks. What a block pushes is
 * recorded, and pushed again in order by a later one. How much of the CPU's log an exit finds hangs on what came before the block; therefore its pages are counted when
 * somebody asks (`countPushes`), as exits because of a full log are.
 *
 * Models: Linux virt/kvm/dirty_ring.c, virt/kvm/kvm_main.c mark_page_dirty_in_slot(), kvm_vm_ioctl_enable_dirty_log_ring(), kvm_vm_ioctl_reset_dirty_pages();
 * arch/x86/kvm/vmx/vmx.c vmx_flush_pml_buffer(). Hot path: `push`, `isSoftFull`.
 */
import type { Counters, DirtyRingSpec, MmuBackend } from '@mmulab/api';
import type { EngineFactory, FrameMap, Journal } from '@mmulab/pgtable';
import { EntryRuns, NO_SLOT } from './entry-runs';
import { badRingSize, ringUnsupported } from './errors';
import type { RingEvents } from './events';
import type { Memslot } from './memslot';
import type { Memslots, WrittenPages } from './memslots';
import { RingRecorder } from './ring-recorder';
import { tellDirty } from './tell-dirty';

/** Entries a ring keeps in reserve beside those of a CPU's log (KVM_DIRTY_RING_RSVD_ENTRIES). */
const RESERVED_ENTRIES = 64;
/** KVM_DIRTY_RING_MAX_ENTRIES, and bytes of one (struct kvm_dirty_gfn). */
const MAX_ENTRIES = 65_536;
const ENTRY_BYTES = 16;

/** The dirty rings a kernel can have. */
export interface DirtyRingSupport {
  /** KVM_CAP_DIRTY_LOG_RING or _ACQ_REL is there. */
  readonly rings: boolean;
  /** So is KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP. */
  readonly withBitmap: boolean;
  readonly pageSizeBytes: number;
  /** Entries of the log of dirty pages that a CPU keeps (kvm_cpu_dirty_log_size); 0: it keeps none. */
  readonly cpuLogEntries: number;
  /** Exits read the CPU's log from its newest entry back. */
  readonly newestFirst: boolean;
  /** Places of the counters. */
  readonly events: RingEvents;
}

/** Who performs what user space does when a vCPU has come out: the backend itself. */
export type RingUser = Pick<MmuBackend, 'enter' | 'leave' | 'host'>;

/** One vCPU's ring, and its CPU's log. */
class VcpuRing {
  /** Entries in the ring that user space has not collected, and those before them that it has. */
  readonly fresh = new EntryRuns();
  readonly collected = new EntryRuns();
  /** The CPU's log. */
  readonly log = new EntryRuns();
  /** Pushes that are not counted yet. */
  uncounted = 0;

  get used(): number {
    return this.fresh.count + this.collected.count;
  }
}

/** All rings of one VM. */
export class DirtyRings implements Journal, WrittenPages {
  /** Entries at which a ring is soft full. */
  readonly softLimit: number;
  /** Pages of entries that user space has taken and not been told of yet. */
  private readonly taken: FrameMap;
  private readonly rings: readonly VcpuRing[];
  private readonly recorder: RingRecorder;
  /** vCPU whose run is under way. */
  private acting = 0;

  /** @throws DIRTY_RING_SIZE, DIRTY_RING_UNSUPPORTED */
  constructor(
    readonly spec: DirtyRingSpec,
    vcpus: number,
    private readonly support: DirtyRingSupport,
    private readonly slots: Memslots,
    private readonly counters: Counters,
    engines: EngineFactory,
  ) {
    if (!support.rings) throw ringUnsupported('dirty rings', 'KVM_CAP_DIRTY_LOG_RING');
    if (spec.withBitmap === true && !support.withBitmap) throw ringUnsupported('a bitmap beside dirty rings', 'KVM_CAP_DIRTY_LOG_RING_WITH_BITMAP');
    const reserved = RESERVED_ENTRIES + support.cpuLogEntries;
    checkSize(spec, reserved, support.pageSizeBytes);
    this.softLimit = spec.entries - reserved;
    this.taken = engines.makeFrameMap(slots.geometry);
    this.rings = Array.from({ length: vcpus }, () => new VcpuRing());
    this.recorder = new RingRecorder(support.cpuLogEntries > 0);
    slots.rings = this;
  }

  /** The vCPU begins a run: what is replayed from here on is its. */
  act(vcpu: number): void {
    this.acting = vcpu;
  }

  /** KVM marks a page dirty that the vCPU writes, in a memslot that is logged. */
  push(vcpu: number, slot: Memslot, gfn: number): void {
    const { now } = this.counters;
    const { push } = this.support.events;
    now[push] = now[push] + 1;
    this.rings[vcpu].fresh.add(slot.spec.id, gfn - slot.base);
    this.recorder.push(slot, gfn);
  }

  /** The hardware logs a page that the vCPU writes. */
  log(vcpu: number, slot: Memslot, gfn: number): void {
    const ring = this.rings[vcpu];
    if (this.isLogFull(vcpu)) this.readLog(ring);
    ring.log.add(slot.logged ? slot.spec.id : NO_SLOT, gfn - slot.base);
    this.recorder.log(slot, gfn);
  }

  /** The vCPU exits: its CPU's log is read. */
  exit(vcpu: number): void {
    this.readLog(this.rings[vcpu]);
    this.recorder.exit();
  }

  /** Before the hardware logs another page: a log that is full is an exit. @returns whether the ring is soft full by it */
  isFilledByLog(vcpu: number): boolean {
    if (!this.isLogFull(vcpu)) return false;
    this.readLog(this.rings[vcpu]);
    return this.isSoftFull(vcpu);
  }

  /** Whether the vCPU must not enter the guest. */
  isSoftFull(vcpu: number): boolean {
    return this.rings[vcpu].used >= this.softLimit;
  }

  /** Pages that leave the ring short of soft full, if those in the CPU's log are pushed, too. */
  roomFor(vcpu: number): number {
    const ring = this.rings[vcpu];
    return this.softLimit - 1 - ring.used - ring.log.count;
  }

  /** The vCPU goes to user space because its ring is soft full. There the rings are collected and reset; then it enters again. */
  exitFull(vcpu: number, user: RingUser): void {
    const { now } = this.counters;
    const { exit } = this.support.events;
    now[exit] = now[exit] + 1;
    user.leave?.(vcpu);
    user.host(this.spec.onFull === 'own' ? { op: 'collect_dirty_rings', vcpu } : { op: 'collect_dirty_rings' });
    user.host({ op: 'reset_dirty_rings' });
    user.enter(vcpu);
  }

  /** Counts pushes of the vCPU that the hardware had logged. @param now its counters */
  countPushes(vcpu: number, now: Float64Array): void {
    const ring = this.rings[vcpu];
    if (ring.uncounted === 0) return;
    const { push } = this.support.events;
    now[push] = now[push] + ring.uncounted;
    ring.uncounted = 0;
  }

  /** User space takes what the rings hold, or one of them. @returns entries */
  collect(vcpu?: number): number {
    let entries = 0;
    for (const ring of vcpu === undefined ? this.rings : [this.rings[vcpu]]) {
      const { fresh, collected } = ring;
      for (const run of fresh.runs) this.take(run);
      entries += fresh.count;
      collected.addAll(fresh);
      fresh.clear();
    }
    return entries;
  }

  /** Tells the pages user space has taken since it was last told. */
  tellTaken(tell: (slot: number, firstPage: number, npages: number) => void): void {
    for (const slot of this.slots.all) {
      tellDirty(this.taken, slot, (first, npages) => tell(slot.spec.id, first, npages));
      this.taken.setRange(slot.base, slot.spec.npages, 0);
    }
  }

  /** Collected entries leave the rings. @param each takes them, ring by ring; @returns how many there were */
  reset(each: (entries: EntryRuns) => number): number {
    const { reset, group } = this.support.events;
    let entries = 0;
    for (const { collected } of this.rings) {
      const groups = each(collected);
      const { now } = this.counters;
      now[group] = now[group] + groups;
      now[reset] = now[reset] + 1;
      entries += collected.count;
      collected.clear();
    }
    return entries;
  }

  open(gfn: number): void {
    this.recorder.open(gfn);
  }

  close(): unknown {
    return this.recorder.close();
  }

  replay(effects: unknown, gfn: number): void {
    const ring = this.rings[this.acting];
    this.recorder.replay(effects, gfn, {
      push: (slot, first, step, count) => ring.fresh.addRun(slot.spec.id, first, step, count),
      log: (slot, first, step, count) => this.logRun(ring, slot.logged ? slot.spec.id : NO_SLOT, first, step, count),
      exit: () => this.readLog(ring),
    });
  }

  /** What all rings hold, as text: equal texts, equal futures. */
  key(): string {
    return this.rings.map(({ fresh, collected, log }) => `${collected.key()}|${fresh.key()}|${log.key()}`).join('/');
  }

  private isLogFull(vcpu: number): boolean {
    const { cpuLogEntries } = this.support;
    return cpuLogEntries > 0 && this.rings[vcpu].log.count === cpuLogEntries;
  }

  private logRun(ring: VcpuRing, slot: number, first: number, step: number, count: number): void {
    for (let done = 0; done < count;) {
      const room = this.support.cpuLogEntries - ring.log.count;
      if (room === 0) {
        this.readLog(ring);
        continue;
      }
      const here = Math.min(room, count - done);
      ring.log.addRun(slot, first + done * step, step, here);
      done += here;
    }
  }

  private readLog(ring: VcpuRing): void {
    const { log, fresh } = ring;
    if (log.count === 0) return;
    const before = fresh.count;
    fresh.addAll(log, this.support.newestFirst);
    ring.uncounted += fresh.count - before;
    log.clear();
  }

  /** Notes the pages of entries in what user space has taken. */
  private take({ slot: id, first, step, count }: EntryRuns['runs'][number]): void {
    const slot = this.slots.get(id);
    if (slot === undefined) return;
    const low = slot.base + Math.min(first, first + step * (count - 1));
    if (step === 1 || step === -1) this.taken.setRange(low, Math.min(count, slot.end - low), 1);
    else for (let gfn = low; gfn < slot.end && gfn <= low + Math.abs(step) * (count - 1); gfn += Math.abs(step)) this.taken.set(gfn, 1);
  }
}

/** @throws DIRTY_RING_SIZE */
function checkSize(spec: DirtyRingSpec, reserved: number, pageSizeBytes: number): void {
  const least = 2 ** Math.ceil(Math.log2(Math.max(reserved + 1, pageSizeBytes / ENTRY_BYTES)));
  const { entries } = spec;
  const isPower = Number.isInteger(Math.log2(entries));
  if (!isPower || entries < least || entries > MAX_ENTRIES) throw badRingSize(spec, least, MAX_ENTRIES);
}
