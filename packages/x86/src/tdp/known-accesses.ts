/**
 * Accesses to single pages, those that are known taken from memory.
 *
 * What an access does hangs on the entry, the host page and the dirty bit of its frame, and on the slot: then it is made once for each kind of page and remembered. On
 * a slot's limits for huge pages it hangs only where the host has some and the slot is not logged; such accesses are made every time. Hot path.
 */
import { AskedMap, PageAnswer, PageOutcomes } from '@mmulab/pgtable';
import type { PageCache } from '@mmulab/pgtable';
import type { AccessPath, Memslot, Memslots } from '@mmulab/kvm';
import type { HostPages } from '../host-pages';
import type { VmJournal } from '../vm-journal';
import type { TdpFaultPath } from './fault';
import type { TdpFaultVm } from './fault-vm';

const { Done: DONE, Unknown: UNKNOWN } = PageAnswer;
/** Three kinds of access, to a slot that is not logged and to one that is. */
const OUTCOMES_PER_SLOT = 6;

/** Accesses of one VM's vCPUs. */
export class KnownAccesses implements AccessPath {
  /** What accesses do: by slot, kind of access, and whether the slot is logged. */
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
      if (slot !== undefined && (slot.isSmall || slot.logged)) {
        const outcomes = this.outcomesOf(slot, kind);
        const known = pages.replay(outcomes, this.vm.root(vcpu).id, gfn, vcpu);
        if (known === DONE) return;
        if (known === UNKNOWN) {
          this.learn(pages, outcomes, vcpu, slot, gfn, kind);
          return;
        }
      }
    }
    this.path.access(vcpu, gfn, kind, guestTable);
  }

  private outcomesOf(slot: Memslot, kind: number): PageOutcomes {
    const at = slot.index * OUTCOMES_PER_SLOT + kind + (slot.logged ? OUTCOMES_PER_SLOT / 2 : 0);
    const { outcomes } = this;
    while (outcomes.length <= at) outcomes.push(undefined);
    return outcomes[at] ?? (outcomes[at] = new PageOutcomes());
  }

  /** Makes an access and remembers what it did. */
  private learn(pages: PageCache, outcomes: PageOutcomes, vcpu: number, slot: Memslot, gfn: number, kind: number): void {
    const { slots, hostPages, journal } = this;
    const root = this.vm.root(vcpu);
    const seq = slots.invalidations.ended;
    const host = slots.hostStates.get(gfn);
    pages.observe(root.id, gfn);
    hostPages.asked = false;
    journal.open(gfn);
    this.path.access(vcpu, gfn, kind, 0);
    const plain = journal.closePlain() && !slots.invalidations.mustRetry(seq) && (slot.isSmall || slots.hostStates.get(gfn) === host);
    pages.remember(outcomes, root.id, gfn, (hostPages.asked ? AskedMap.First : 0) | (slot.logged ? AskedMap.Second : 0), plain);
  }
}
