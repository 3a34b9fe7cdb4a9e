/**
 * One VM's stage 2, put together: memslots, tables and the world they call out to, the abort path, the guest's accesses and the host's operations.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_init_stage2_mmu().
 */
import { AccessKind, EntryKind } from '@mmulab/api';
import type { Counters, GuestTables, StageDef, Translation, VmLayout } from '@mmulab/api';
import { DirtyLog, DirtyRings, GuestLayout, HostOps, Memslots } from '@mmulab/kvm';
import type { DirtyRingSupport, RingUser } from '@mmulab/kvm';
import type { EngineFactory } from '@mmulab/pgtable';
import type { CasemateExport } from './casemate/export';
import { Stage2Attrs } from './descriptor';
import { Ev } from './events';
import { GuestAccesses } from './guest-accesses';
import { GuestTableWalks } from './guest-table-walks';
import { Stage2HostTables } from './host-tables';
import { Stage2LogTables } from './log-tables';
import { MemoryCaches } from './memcache';
import { CountingMmOps } from './mm-ops';
import type { Stage2MmOps } from './mm-ops';
import { MmuNotifier } from './notifier';
import type { Stage2Policy } from './policy';
import { SharedAccesses } from './shared-accesses';
import { stage2Shape } from './stage2-geometry';
import type { Stage2Shape } from './stage2-geometry';
import type { Stage2Rules } from './stage2-rules';
import { Stage2Tables } from './stage2-tables';
import { TlbInvalidations } from './tlbi';
import { UserMemAbort } from './user-mem-abort';

/** What a VM is given by its backend. */
export interface Stage2World {
  readonly policy: Stage2Policy;
  readonly stages: readonly StageDef[];
  readonly counters: Counters;
  readonly engines: EngineFactory;
  readonly rules: Stage2Rules;
  /** A user's own callbacks. */
  readonly mmOps: Stage2MmOps;
  /** Writes down what happens to the tables; absent in runs that are not exported. */
  readonly casemate: CasemateExport | undefined;
}

/** A guest that has no address space: nothing of it can be touched. */
const NO_SPACE: GuestTables = { name: 'none', levels: 0, root: 0, runs: [], tables: [] };

/** The parts of one VM. */
export class Stage2Vm {
  readonly vcpus: number;
  readonly shape: Stage2Shape;
  readonly slots: Memslots;
  readonly rings: DirtyRings | undefined;
  readonly tables: Stage2Tables;
  readonly notifier: MmuNotifier;
  readonly path: UserMemAbort;
  readonly accesses: GuestAccesses;
  readonly shared: SharedAccesses;
  readonly hostTables: Stage2HostTables;
  readonly hostOps: HostOps;
  private isDestroyed = false;

  /** @throws HOST_IPA_BITS, VM_BAD_SLOT, EXPORT_VCPUS, EXPORT_IPA_BITS */
  constructor(
    private readonly world: Stage2World,
    { vcpus, physBits, spaces, memslots, dirtyRing }: VmLayout,
    user: RingUser,
  ) {
    const { policy, counters, mmOps } = world;
    this.vcpus = vcpus;
    this.shape = stage2Shape(policy.granuleBytes, physBits, policy.ipaLimit, policy.ipaLimitReason);
    this.slots = this.makeSlots();
    this.rings = dirtyRing === undefined ? undefined : new DirtyRings(dirtyRing, vcpus, this.ringSupport(), this.slots, counters, world.engines);
    this.tables = this.makeTables();
    mmOps.zallocPagesExact?.(this.shape.geometry.rootTables);
    this.notifier = new MmuNotifier(this.tables, this.slots, counters, policy);
    const caches = new MemoryCaches(vcpus, counters, this.shape.minCachePages);
    const walks = new GuestTableWalks(new GuestLayout(spaces[0] ?? NO_SPACE), this.tables);
    this.path = this.makePath(caches, walks, user);
    this.accesses = new GuestAccesses(vcpus, walks, this.path, this.tables, this.slots, caches, counters, this.rings);
    this.shared = new SharedAccesses(walks, this.tables, this.slots, counters);
    this.hostTables = new Stage2HostTables(this.tables, this.slots, this.notifier, walks, counters, () => this.released());
    const dirtyLog = new DirtyLog(new Stage2LogTables(this.tables, this.slots, policy), this.slots, this.rings);
    const memory = { frameLimit: 2 ** physBits / policy.granuleBytes, pageBytes: policy.granuleBytes, spaces };
    this.hostOps = new HostOps(this.slots, dirtyLog, this.hostTables, memory);
    for (const spec of memslots) this.hostOps.addMemslot(spec);
  }

  /** Bytes of page tables that a real machine would hold. */
  get tableBytes(): number {
    return this.isDestroyed ? 0 : this.tables.tableCount() * this.world.policy.granuleBytes;
  }

  /** What a frame translates to now, or undefined when nothing is mapped. */
  translate(gfn: number): Translation | undefined {
    const { attr, level, kind } = this.tables.lookup(gfn);
    if (kind !== EntryKind.Leaf) return undefined;
    const { attrs } = this.tables;
    return {
      level,
      readable: attrs.allows(attr, AccessKind.Read),
      writable: attrs.allows(attr, AccessKind.Write),
      executable: attrs.allows(attr, AccessKind.Exec),
      accessed: attrs.isYoung(attr),
      dirty: attrs.isWritable(attr),
      descriptor: this.descriptorAt(gfn, attr, level),
    };
  }

  private descriptorAt(gfn: number, attr: number, level: number): string {
    const { pageShift, geometry, ipaBits } = this.shape;
    const { policy, mmOps } = this.world;
    const frame = this.hostFrame(gfn - (gfn % geometry.pagesAt(level)));
    const lpa2 = policy.lpa2 && ipaBits > 48 && pageShift !== 16;
    return this.tables.attrs.descriptor(attr, level, mmOps.virtToPhys?.(frame) ?? frame, pageShift, policy.fwb, lpa2);
  }

  private makeSlots(): Memslots {
    const { engines, counters } = this.world;
    const { geometry, maxLeafLevel } = this.shape;
    const { markPageDirty, dirtyBitmapSet, notifierInvalidate, work } = Ev;
    return new Memslots({ engines, geometry, counters, maxLeafLevel, markPageDirty, dirtyBitmapSet, notifierInvalidate, work });
  }

  private makeTables(): Stage2Tables {
    const { policy, counters, engines, rules, mmOps, casemate } = this.world;
    const frameOf = (gfn: number): number => this.hostFrame(gfn);
    const tlb = casemate?.invalidations(counters) ?? new TlbInvalidations(counters, policy);
    const mm = casemate?.mmOps(counters, tlb, mmOps, frameOf) ?? new CountingMmOps(counters, policy, tlb, mmOps, frameOf);
    const from = casemate?.create(this.vcpus, this.shape, this.slots, frameOf) ?? engines;
    return new Stage2Tables(from, this.shape, new Stage2Attrs(), this.slots, counters, mm, tlb, policy, rules);
  }

  private ringSupport(): DirtyRingSupport {
    const { dirtyRing, granuleBytes } = this.world.policy;
    return { rings: dirtyRing, withBitmap: dirtyRing, pageSizeBytes: granuleBytes, cpuLogEntries: 0, newestFirst: false, events: Ev.rings };
  }

  private makePath(caches: MemoryCaches, walks: GuestTableWalks, user: RingUser): UserMemAbort {
    const { policy, counters, stages, casemate } = this.world;
    const { vcpus, tables, slots, notifier, rings } = this;
    const full =
      rings === undefined
        ? undefined
        : { isSoftFull: (vcpu: number) => rings.isSoftFull(vcpu), exitFull: (vcpu: number) => rings.exitFull(vcpu, user) };
    const forget = (): void => walks.forget();
    const parts: ConstructorParameters<typeof UserMemAbort> = [vcpus, tables, slots, caches, notifier, counters, policy, forget, full];
    return casemate?.abortPath(stages, ...parts) ?? new UserMemAbort(...parts);
  }

  private released(): void {
    const { casemate, mmOps } = this.world;
    casemate?.destroy();
    this.isDestroyed = true;
    mmOps.freePagesExact?.(this.shape.geometry.rootTables);
  }

  /** Host frame behind a guest frame. Host memory is one stretch per slot, so that the host virtual frame stands for it. */
  private hostFrame(gfn: number): number {
    const slot = this.slots.find(gfn);
    return slot === undefined ? gfn : slot.spec.hvf + (gfn - slot.spec.baseGfn);
  }
}
