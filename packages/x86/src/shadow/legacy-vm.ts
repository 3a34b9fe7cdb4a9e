/**
 * One VM on the legacy MMU, put together: with shadow paging (npt=N) or direct tables (npt=Y, tdp_mmu=N).
 *
 * Under shadow paging the hardware walks our tables by virtual frame, and the guest's tables are read in software by each fault. With two-dimensional paging
 * it walks the guest's tables itself, writing to their pages on its way, and our direct tables by physical frame; a nested guest's second-stage tables are
 * then shadowed by pages of the same MMU.
 *
 * Models: Linux arch/x86/kvm (mmu/mmu.c, mmu/paging_tmpl.h, x86.c). Hot path: `run`, `touch`, `begin`, `advance`.
 */
import { AccessKind } from '@mmulab/api';
import type {
  AccessRun,
  BackendInspection,
  BackendMemory,
  ControlWrite,
  GuestTables,
  GuestTableWrites,
  HostAnswer,
  HostOp,
  Translation,
  Vfn,
  VmLayout,
} from '@mmulab/api';
import type { Aging, HostOps, HostTables, Memslot } from '@mmulab/kvm';
import { nestedNeedsPaging, preFaultRefused } from '../errors';
import { preFaultRange } from '../pre-fault';
import { SET_NR_MMU_PAGES } from '../registers';
import { frameMapsKey } from '../content-hash';
import { NxRecovery } from '../nx-recovery';
import { INVALID_ROOT } from '../roots/root-cache';
import { Spte } from '../spte';
import { VcpuEntry, VmParts } from '../vm-parts';
import type { X86World } from '../vm-parts';
import type { BackedVm } from '../x86-backend';
import { VcpuSpaces } from './vcpu-spaces';
import { ShadowAccesses } from './shadow-accesses';
import { ShadowBlocks } from './shadow-blocks';
import { ShadowFaultPath } from './shadow-fault';
import type { ShadowFaultVm } from './shadow-fault';
import { ShadowInspection, shadowDescriptor } from './inspection';
import { indexOf } from './shadow-page';
import { LegacyMmu } from './legacy-mmu';
import { isLeaf } from './shadow-spte';
import { shadowContentKey } from './content-key';
import type { WalkRules } from './guest-walk';
import type { WritingGuest } from './table-writer';

/** One VM on the legacy MMU. */
export class LegacyVm implements BackedVm, ShadowFaultVm, HostTables, WritingGuest {
  pmlActive = false;
  readonly recovery: NxRecovery;
  private readonly parts: VmParts;
  private readonly engine: LegacyMmu;
  private readonly entry: VcpuEntry;
  private readonly spaces: VcpuSpaces;
  private readonly path: ShadowFaultPath;
  private readonly accesses: ShadowAccesses;
  private readonly hostOps: HostOps;

  /** @throws GUEST_NESTED, VM_BAD_SLOT */
  constructor(
    private readonly world: X86World,
    private readonly layout: VmLayout,
  ) {
    const { policy, rootPolicy, shadowPolicy, counters } = world;
    if (layout.nested !== undefined && !rootPolicy.tdp) throw nestedNeedsPaging();
    const parts = new VmParts(world, layout);
    this.parts = parts;
    this.engine = new LegacyMmu(parts, { writeProtectElsewhere: () => false, rootsObsolete: () => this.entry.roots.invalidateAll() });
    this.entry = new VcpuEntry(parts, this.engine.roots, layout.nested === undefined ? undefined : this.engine.roots, this);
    this.spaces = new VcpuSpaces(layout, parts.cpus, shadowPolicy.tdp, shadowPolicy.tableAccess, parts.memory);
    this.path = new ShadowFaultPath(layout.vcpus, this.engine.mmu, this.engine.map, this, parts.tableWriter);
    this.accesses = new ShadowAccesses(parts.vcpus, this.spaces, this.path, counters, shadowPolicy.tdp ? undefined : this.blocks());
    const { tables } = this.engine;
    const recovered = { pages: tables, flush: (times: number): void => tables.flush(times) };
    this.recovery = new NxRecovery(parts.nxLists, recovered, parts.slots, counters, policy.nxRecovery);
    this.hostOps = parts.hostOps(this, tables, { ...policy, pml: shadowPolicy.pml }, undefined);
  }

  enter(vcpu: number): void {
    this.select(vcpu);
    this.entry.enter(vcpu);
  }

  leave(vcpu: number): void {
    if (this.parts.rings === undefined) return;
    this.select(vcpu);
    this.entry.leave(vcpu);
  }

  mustExit(vcpu: number): boolean {
    return this.parts.rings !== undefined && this.entry.mustExit(vcpu);
  }

  reenter(vcpu: number): void {
    this.entry.resume(vcpu);
  }

  run(vcpu: number, run: AccessRun): void {
    this.select(vcpu);
    this.accesses.run(vcpu, run);
  }

  touch(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.select(vcpu);
    this.accesses.touch(vcpu, vfn, kind);
  }

  begin(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    this.select(vcpu);
    return this.accesses.begin(vcpu, vfn, kind);
  }

  advance(vcpu: number): number {
    this.select(vcpu);
    return this.accesses.advance(vcpu);
  }

  control(vcpu: number, write: ControlWrite): void {
    this.select(vcpu);
    this.entry.write(vcpu, write);
  }

  writeTables(vcpu: number, writes: GuestTableWrites): void {
    this.select(vcpu);
    this.parts.tableWriter.write(this, vcpu, writes);
  }

  space(vcpu: number): GuestTables {
    return this.spaces.current(vcpu);
  }

  reach(vcpu: number, vfn: Vfn, kind: AccessKind): number {
    return this.spaces.reach(vcpu, vfn, kind);
  }

  access(vcpu: number, vfn: Vfn, kind: AccessKind): void {
    this.accesses.touch(vcpu, vfn, kind);
  }

  host(op: HostOp, answer?: HostAnswer): void {
    this.world.counters.select(-1);
    if (op.op === SET_NR_MMU_PAGES) this.engine.mmu.limitPages(Number(op.value));
    else this.hostOps.perform(op, answer);
  }

  invalidate(_slot: Memslot, start: number, end: number, change?: () => void): void {
    this.parts.slots.invalidations.begin();
    if (this.parts.slots.work.atLeaves(() => this.engine.tables.unmap(start, end))) this.engine.mmu.flush();
    change?.();
    this.parts.slots.invalidations.end();
  }

  rootPage(vcpu: number, frame: number): number {
    return this.engine.roots.pageFor(this.entry.roots.root(vcpu), frame);
  }

  walkedSpace(vcpu: number): GuestTables {
    return this.entry.roots.isNested(vcpu) ? (this.layout.nested as GuestTables) : this.spaces.current(vcpu);
  }

  rules(vcpu: number): WalkRules {
    return this.spaces.rules(vcpu);
  }

  translate(gfn: number): Translation | undefined {
    const vcpu = this.parts.cpus.findIndex((_, candidate) => this.entry.roots.root(candidate) !== INVALID_ROOT);
    if (vcpu < 0) return undefined;
    const { pages, leaf } = this.engine.mmu;
    const frame = this.world.shadowPolicy.tdp ? gfn : this.spaces.virtual(vcpu, gfn);
    if (frame < 0) return undefined;
    const page = pages.lowest(this.rootPage(vcpu, frame), frame);
    const level = pages.level(page);
    const index = indexOf(frame, level);
    const entry = pages.entry(page, index);
    if (!isLeaf(entry)) return undefined;
    return {
      level,
      readable: leaf.allows(entry, AccessKind.Read),
      writable: leaf.allows(entry, AccessKind.Write),
      executable: leaf.allows(entry, AccessKind.Exec),
      accessed: leaf.isYoung(entry),
      dirty: (entry & (leaf.adBits ? Spte.Dirty : Spte.Writable)) !== 0,
      descriptor: shadowDescriptor(entry, level, pages.entryGfn(page, index), this.world.shadowPolicy.tdp && this.world.policy.ept, leaf.adBits),
    };
  }

  inspection(): BackendInspection {
    const { tdp } = this.world.shadowPolicy;
    return new ShadowInspection(this.engine, this.entry.roots, !tdp, tdp && this.world.policy.ept, this.engine.mmu.leaf.adBits);
  }

  stateKey(): string | undefined {
    const pages = shadowContentKey(this.engine.mmu);
    const frameMaps = frameMapsKey(this.parts.slots);
    if (pages === undefined || frameMaps === undefined || !this.parts.nxLists.isEmpty) return undefined;
    return `${this.entry.roots.key()} ${this.parts.rings?.key() ?? ''} ${this.recovery.key} ${frameMaps} ${pages}`;
  }

  memory(): BackendMemory {
    return { tableBytesReal: this.engine.tableBytes() };
  }

  logChanged(): void {
    this.pmlActive = this.world.shadowPolicy.pml && this.parts.slots.isAnyLogged;
  }

  age(_slot: Memslot, start: number, end: number, { flush, pageByPage }: Aging): number {
    // Leaves of one frame in several roots are aged by one call, with one flush: so calls are made, not leaves multiplied.
    const pages = flush && pageByPage ? 1 : end - start;
    let young = 0;
    for (let gfn = start; gfn < end; gfn += pages) {
      const met = this.engine.tables.age(gfn, gfn + pages, pageByPage);
      if (met > 0 && flush) this.engine.mmu.flush();
      young += met;
    }
    return young;
  }

  /** Takes all shadow pages along, or (6.12, if user space asks for it) leaves of the slot and the pages of tables in it. */
  deleteMemslot(slot: Memslot): void {
    this.parts.slots.remove(slot);
    if (this.world.policy.slotZapAll) return this.zapAll();
    const { mmu, tables } = this.engine;
    this.parts.slots.work.underLock('write', () => mmu.zapTablesIn(slot.base, slot.end, tables.unmap(slot.base, slot.end)));
  }

  preFault(vcpu: number, slot: Memslot, start: number, end: number): void {
    if (!this.world.shadowPolicy.tdp) throw preFaultRefused('the VM runs on shadow paging');
    this.select(vcpu);
    preFaultRange(this.path, this.entry.roots, vcpu, slot, start, end);
    this.world.counters.select(-1);
  }

  /** The module parameter is written: every mapping goes if that changes it. */
  setNxHugePages(on: boolean): void {
    const { policy } = this.world;
    if (policy.nxParameter === on) return;
    policy.nxParameter = on;
    if (policy.nxOptedOut) return this.zapAll();
    policy.nxHugePages = on;
    this.engine.mmu.setNxHugePages(on);
    this.zapAll();
    this.recovery.switched(on);
  }

  zapAll(): void {
    this.engine.mmu.fastZap();
  }

  destroy(): void {
    this.zapAll();
    this.entry.unloadAll();
  }

  /** Stretches of accesses under shadow paging. */
  private blocks(): ShadowBlocks {
    const { engine, path } = this;
    return new ShadowBlocks(engine.mmu, engine.map, path.walk, this.world.counters, {
      rootPage: (vcpu, frame) => this.rootPage(vcpu, frame),
      walkedSpace: vcpu => this.walkedSpace(vcpu),
      rules: vcpu => this.rules(vcpu),
      owes: vcpu => this.entry.roots.owes(vcpu),
      access: (vcpu, vfn, kind) => path.access(vcpu, vfn, kind, 0),
    });
  }

  private select(vcpu: number): void {
    this.world.counters.select(vcpu);
    this.parts.journal.vcpu = vcpu;
  }
}
