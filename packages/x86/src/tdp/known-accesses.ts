/**
 * Accesses to single pages, those that are known taken from memory.
 *
 * What an access does hangs on the entry, the host page and the dirty bit of its frame, and on the slot: then it is made once for each kind of page and remembered. On
 * a slot's limits for huge pages it hangs only where the host has some and the slot is not logged; such accesses are made every time. Hot path.
 */
import { MORE, PageOutcomes } from '@mmulab/pgtable';
import type { PageCache, PageProgram } from '@mmulab/pgtable';
import type { AccessPath, Memslot, Memslots } from '@mmulab/kvm';
import type { HostPages } from '../host-pages';
import type { VmJournal } from '../vm-journal';
import type { TdpFaultPath } from './fault';
import type { TdpFaultVm } from './fault-vm';

/** Three kinds of access, to slots that are not logged and to those that are. */
const OUTCOMES_OF_ALIKE = 6;

/** Accesses of one VM's vCPUs. */
export class KnownAccesses implements AccessPath, PageProgram {
  /** What accesses do: by likeness of the slot, kind of access, and whether the slot is logged. */
  private readonly outcomes: (PageOutcomes | undefined)[] = [];

  /** @param pages memory of single pages, where this run's engines have one */
  constructor(
    private readonly pages: PageCache | undefined,
    private readonly slots: Memslots,
    private readonly hostPages: HostPages,
    private readonly journal: VmJournal,
    private readonly vm: TdpFaultVm,
    private readonly path: TdpFaultPath,
  ) {}

  /** One access with all its faults. @param guestTable 1 when the hardware touches a page of the guest's tables */
  access(vcpu: number, gfn: number, kind: number, guestTable: number): void {
    const { pages } = this;
    if (guestTable === 0 && pages !== undefined && this.vm.isCalm(vcpu) && !this.journal.isRecording) {
      const slot = this.slots.find(gfn);
      if (slot !== undefined && isAsked(slot) && pages.access(this.outcomesOf(slot, kind), this.vm.root(vcpu).id, gfn, vcpu)) return;
    }
    this.path.access(vcpu, gfn, kind, guestTable);
  }

  /** Forgets what accesses do: they do something else from now on. */
  forget(): void {
    this.outcomes.length = 0;
  }

  /** Whether a vCPU's accesses to a slot may go by memory as it is now. */
  isKnown(vcpu: number, slot: Memslot): boolean {
    return this.pages?.mayHold === true && isAsked(slot) && this.vm.isCalm(vcpu);
  }

  /** Runs an access for the engine to remember. */
  perform(vcpu: number, gfn: number, kind: number): number {
    const { pages, slots, hostPages, journal } = this;
    const slot = slots.find(gfn);
    const seq = slots.invalidations.ended;
    const host = slots.hostStates.get(gfn);
    hostPages.asked = false;
    journal.open(gfn);
    this.path.access(vcpu, gfn, kind, 0);
    const isPlain = journal.closePlain() && !slots.invalidations.mustRetry(seq) && (slot?.isSmall === true || slots.hostStates.get(gfn) === host);
    const hostBit = hostPages.asked && pages !== undefined ? pages.bitOf(slots.hostStates) : 0;
    const dirtyBit = slot?.logged === true && pages !== undefined ? pages.bitOf(slots.dirtyBits) : 0;
    return hostBit | dirtyBit | (isPlain ? 0 : MORE);
  }

  /** What accesses of a kind to a slot do. */
  outcomesOf(slot: Memslot, kind: number): PageOutcomes {
    const at = slot.likeness * OUTCOMES_OF_ALIKE + kind + (slot.logged ? OUTCOMES_OF_ALIKE / 2 : 0);
    const { outcomes } = this;
    while (outcomes.length <= at) outcomes.push(undefined);
    return outcomes[at] ?? (outcomes[at] = new PageOutcomes(this, kind));
  }
}

/** Whether what an access does is decided by its page alone. */
function isAsked(slot: Memslot): boolean {
  return slot.isSmall || slot.logged;
}
