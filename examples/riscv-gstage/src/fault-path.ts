/**
 * A guest page fault from the exit to the next entry, in stages.
 *
 * Without a memslot it is a device access. Otherwise, since 7.2, a store to a logged page that is mapped gets its right back under the lock held for reading, and
 * that is all. If not, the notifier's sequence is sampled and the host page resolved, which may itself call the notifier; under the lock the fault is given up
 * when a notifier has run, else the size is chosen, the page marked dirty and mapped. The guest then executes the access again.
 *
 * A walk through the guest's own tables faults with the cause of the access it is for.
 *
 * Models: Linux arch/riscv/kvm/vcpu_exit.c gstage_page_fault(), mmu.c kvm_riscv_mmu_map() (6.12: kvm_riscv_gstage_map()). Hot path.
 */
import { ACCESS_DONE as DONE, AccessKind, EntryKind, KvmRunFailure } from '@mmulab/api';
import type { Counters, StageDef } from '@mmulab/api';
import { HostFaults, HostPage, hostStages } from '@mmulab/kvm';
import type { AccessPath, Memslot, Memslots, StagedPath } from '@mmulab/kvm';
import type { Policy } from './definition';
import { faultLoop } from './errors';
import { Ev } from './events';
import type { FenceRings } from './fence-rings';
import type { Gstage } from './gstage';
import { Outcome } from './rules';

const { Read, Write, Exec } = AccessKind;
const PMD = 2;

/** Stages by index. */
const Stage = { Exit: 0, Fast: 1, Map: 2, Resume: 3, /** And what the host takes time for. */ Host: 4 } as const;

/** What the stages are called, and which lock each holds. */
export function stageDefs({ rwlock }: Policy): readonly StageDef[] {
  const stage = (name: string, nominalNs: number, lock: StageDef['lock'] = 'none'): StageDef => ({ name, nominalNs, lock });
  return [
    stage('exit', 800),
    stage('fast_fault', 200, rwlock ? 'read' : 'write'),
    stage('map', 500, 'write'),
    stage('resume', 800),
    ...hostStages(600),
  ];
}

/** The access of one vCPU, and the memslot it lies in. */
interface Access {
  gfn: number;
  kind: AccessKind;
  guestTable: boolean;
  slot: Memslot | undefined;
  /** Notifier calls that had ended when the host was asked, and whether its entry allows writing. */
  sequence: number;
  hostWritable: boolean;
}

/** The state of each vCPU's fault, and its stages. */
export class FaultPath implements AccessPath, StagedPath {
  /** Where there are dirty rings: sends a vCPU to user space whose ring is full. @returns whether it was there */
  ringFull: ((vcpu: number) => boolean) | undefined = undefined;
  private readonly of: readonly Access[];
  private readonly hostFaults: HostFaults;

  /** @param tablesUnmapped told when pages of the guest's tables may have lost their mapping */
  constructor(
    vcpus: number,
    private readonly gstage: Gstage,
    private readonly slots: Memslots,
    private readonly rings: FenceRings,
    private readonly counters: Counters,
    private readonly policy: Policy,
    private readonly tablesUnmapped: () => void,
  ) {
    this.of = Array.from({ length: vcpus }, () => ({ gfn: 0, kind: Read, guestTable: false, slot: undefined, sequence: 0, hostWritable: false }));
    this.hostFaults = new HostFaults(vcpus, slots, (slot, start, end) => this.invalidate(slot, start, end));
  }

  access(vcpu: number, gfn: number, kind: number, guestTable: number): void {
    for (let stage = this.start(vcpu, gfn, kind, guestTable); stage !== DONE;) stage = this.stage(vcpu, stage);
  }

  start(vcpu: number, gfn: number, kind: number, guestTable: number): number {
    const of = this.of[vcpu];
    of.gfn = gfn;
    of.kind = kind as AccessKind;
    of.guestTable = guestTable === 1;
    return this.execute(vcpu, of);
  }

  stage(vcpu: number, stage: number): number {
    const of = this.of[vcpu];
    switch (stage) {
      case Stage.Exit:
        return this.exit(vcpu, of);
      case Stage.Fast:
        return this.fast(vcpu, of);
      case Stage.Map:
        return this.map(vcpu, of);
      case Stage.Resume:
        this.rings.enter(vcpu);
        return this.execute(vcpu, of);
      default:
        return this.host(vcpu, of, stage - Stage.Host);
    }
  }

  /** Makes the counters of the memslot current that a vCPU's fault concerns. */
  select(vcpu: number): void {
    this.actFor(vcpu, this.of[vcpu].slot?.spec.id ?? 0);
  }

  /** Makes the counters of an actor (-1: the host) and a memslot current. */
  actFor(actor: number, slot: number): void {
    this.rings.actor = actor;
    this.rings.scope = slot;
    this.counters.select(actor, slot);
  }

  /** An MMU notifier call: kvm_unmap_gfn_range, and what the host does before it ends. */
  invalidate(slot: Memslot, start: number, end: number, change?: () => void): void {
    this.slots.invalidations.begin();
    this.add(Ev.unmap);
    this.add(Ev.unmapPages, end - start);
    this.gstage.unmap(start, end);
    if (slot.holdsGuestTables) this.tablesUnmapped();
    change?.();
    this.slots.invalidations.end();
  }

  /** Counts for whoever acts. */
  add(index: number, amount = 1): void {
    this.counters.now[index] += amount;
  }

  /** The guest executes the access (again). A walk through its tables only reads them, whatever it is for. */
  private execute(vcpu: number, of: Access): number {
    if (this.ringFull?.(vcpu) === true) this.select(vcpu);
    if (this.gstage.allows(of.gfn, of.guestTable ? Read : of.kind)) return DONE;
    of.slot = this.slots.find(of.gfn);
    this.select(vcpu);
    return Stage.Exit;
  }

  private exit(vcpu: number, of: Access): number {
    const { gfn, kind, guestTable } = of;
    // The memslot is looked up once the guest has left: it may have gone since the access was begun.
    const slot = this.slots.find(gfn);
    if (slot !== of.slot) {
      of.slot = slot;
      this.select(vcpu);
    }
    this.rings.leave(vcpu);
    this.add(Ev.exit);
    this.add(Ev.abort);
    this.add(Ev.abortKind + kind);
    if (guestTable) this.add(Ev.vsWalk);
    if (slot === undefined || (slot.spec.readonly && kind === Write)) {
      if (kind === Exec && !this.policy.injectFetch)
        throw new KvmRunFailure({ errno: 'EOPNOTSUPP', vcpu, gfn }, 'an instruction fetch from no memslot');
      this.add(kind === Exec ? Ev.injected : Ev.mmio);
      this.rings.enter(vcpu);
      return DONE;
    }
    this.add(Ev.map);
    return kind === Write && slot.logged && this.policy.fastFault ? Stage.Fast : this.askHost(vcpu, of);
  }

  private askHost(vcpu: number, of: Access): number {
    if (this.slots.find(of.gfn) !== of.slot) return Stage.Resume;
    of.sequence = this.slots.invalidations.ended;
    this.hostFaults.ask(vcpu, of.gfn);
    return Stage.Host;
  }

  private fast(vcpu: number, of: Access): number {
    this.add(Ev.fast);
    this.slots.work.lock(this.policy.rwlock ? 'read' : 'write');
    const { kind, level, attr } = this.gstage.lookup(of.gfn);
    if (this.slots.invalidations.inProgress > 0 || kind !== EntryKind.Leaf || level !== 1) return this.askHost(vcpu, of);
    this.slots.markDirty(slotOf(of), of.gfn, vcpu);
    if (this.gstage.ptes.isWritable(attr)) this.add(Ev.same + 1);
    else this.gstage.fix(of.gfn);
    this.add(Ev.fixed);
    return Stage.Resume;
  }

  private host(vcpu: number, of: Access, done: number): number {
    const page = this.hostFaults.settleAtOnce(vcpu, slotOf(of), of.gfn, of.kind === Write, done);
    if (page >= 0) return Stage.Host + page;
    if (~page === HostPage.Failed) throw new KvmRunFailure({ errno: 'EFAULT', vcpu, gfn: of.gfn }, 'the host has no page there');
    of.hostWritable = ~page === HostPage.Writable;
    return Stage.Map;
  }

  private map(vcpu: number, of: Access): number {
    const { gfn, kind } = of;
    const slot = slotOf(of);
    this.slots.work.lock('write');
    if (this.slots.invalidations.mustRetry(of.sequence)) {
      this.add(Ev.retry);
      return Stage.Resume;
    }
    const isThp = !slot.logged && !slot.spec.backing.hugetlb && this.isThpBlock(slot, gfn);
    const level = isThp ? PMD : this.hugetlbLevel(vcpu, slot, gfn);
    const block = gfn - (gfn % this.slots.geometry.pagesAt(level));
    const writable = of.hostWritable && (!slot.logged || kind === Write);
    if (writable) this.slots.markDirty(slot, isThp ? gfn : block, vcpu);
    const at = isThp && this.policy.thpGpa ? block : gfn;
    const outcome = this.gstage.map(at, level, writable);
    if (outcome === Outcome.Exists) {
      this.add(Ev.error);
      throw new KvmRunFailure({ errno: 'EEXIST', vcpu, gfn }, 'a leaf lies above the level wanted, and this kernel does not split it');
    }
    if (outcome === Outcome.Same && this.policy.inPlace) {
      this.add(Ev.same + this.gstage.lookup(at).level);
      // The leaf of another page is as it should be: the guest faults again, and so on for ever.
      if (at !== gfn && !this.gstage.allows(gfn, kind)) throw faultLoop(vcpu, gfn, at);
    }
    return Stage.Resume;
  }

  /** Level of a mapping of hugetlb memory; 1 for any other, and for all that is logged. @throws EFAULT as a failed KVM_RUN */
  private hugetlbLevel(vcpu: number, slot: Memslot, gfn: number): number {
    const { backing } = slot.spec;
    if (slot.logged || !backing.hugetlb || backing.device === true) return 1;
    if (backing.contiguous !== undefined) throw new KvmRunFailure({ errno: 'EFAULT', vcpu, gfn }, 'hugetlb pages of a size that no leaf has');
    return this.policy.hugetlbFits ? Math.min(backing.pageLevel, slot.maxLevel(gfn)) : backing.pageLevel;
  }

  private isThpBlock(slot: Memslot, gfn: number): boolean {
    return this.policy.thpBlocks && slot.maxLevel(gfn) >= PMD && this.slots.hostLevel(slot, gfn) >= PMD;
  }
}

/** The memslot of a fault that has one. */
function slotOf({ slot }: Access): Memslot {
  return slot as Memslot;
}
