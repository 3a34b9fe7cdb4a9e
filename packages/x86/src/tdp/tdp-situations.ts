/**
 * TDP faults as situations: what a fault carries at each stage, packed into a number, so that the stages can be taken from memory (KnownFaults).
 *
 * Only what a later stage reads is packed: two faults that will do the same are the same situation. Hot path: `pack`.
 */
import { ACCESS_DONE, PageLook, type AccessKind } from '@mmulab/api';
import type { SituationKeeper, Stretch } from '@mmulab/kvm';
import type { VmJournal } from '../vm-journal';
import type { TdpFaultPath } from './fault';
import { Stage } from './fault-stages';
import type { GuestAccesses } from './guest-accesses';

/** Places of the packed number: the stage in the lowest five bits, then these. */
const DENIED = 5;
const HOST = 6;
const FOUND = 8;
const SEEN_LEVEL = 14;
const SEEN_KIND = 17;
const SEEN_ATTR = 20;
const STAGE_MASK = 31;
const HOST_MASK = 3;
const MAX_FOUND = 63;
const LEVEL_MASK = 7;
const ATTR_MASK = 255;

const { Entry, Host, Dirty } = PageLook;

/** What stages look at, by number. The host's work may find, or make, the page another. */
const LOOKS: readonly number[] = Array.from({ length: Stage.Resume + 1 }, (_, stage) => {
  if (stage === Stage.Exit) return Host;
  if (stage === Stage.FastFault) return Entry | Host | Dirty;
  if (stage <= Stage.HostSplit) return Host;
  return stage === Stage.Map ? Entry | Dirty : Entry;
});

/** What memory of faults asks of the VM around them. */
export interface TdpSituationVm {
  readonly losses: number;
  begin(vcpu: number, vfn: number, kind: AccessKind): number;
  advance(vcpu: number): number;
  /** Whether the vCPU runs a guest whose accesses go through tables as they were laid out, owes nothing, and no ring takes its pages. */
  isPlain(vcpu: number): boolean;
}

/** The faults of one VM. */
export class TdpSituations implements SituationKeeper {
  readonly looks = LOOKS;

  constructor(
    private readonly path: TdpFaultPath,
    private readonly accesses: GuestAccesses,
    private readonly journal: VmJournal,
    private readonly vm: TdpSituationVm,
  ) {}

  get losses(): number {
    return this.vm.losses;
  }

  surveyFaults(stretch: Stretch, vcpu: number, vfn: number): boolean {
    return this.vm.isPlain(vcpu) && !this.journal.isRecording && this.accesses.surveyFaults(stretch, vcpu, vfn);
  }

  pack(vcpu: number): number {
    const { pending, hostFaults } = this.path;
    const stage = this.accesses.dueOfData(vcpu);
    if (stage === ACCESS_DONE || pending.guestTable[vcpu] === 1 || hostFaults.isUnderWay(vcpu)) return -1;
    if (stage === Stage.Exit || stage === Stage.FastFault) return stage | (pending.denied[vcpu] << DENIED);
    if (stage === Stage.Resume) return stage;
    if (stage === Stage.Walk) return stage | (pending.host[vcpu] << HOST);
    if (stage === Stage.Map) return stage | (pending.host[vcpu] << HOST) | this.seen(vcpu);
    const found = hostFaults.foundBy(vcpu);
    return found > MAX_FOUND ? -1 : stage | (found << FOUND);
  }

  stageOf(packed: number): number {
    return packed & STAGE_MASK;
  }

  unpack(vcpu: number, packed: number, vfn: number, gfn: number, kind: AccessKind, sequence: number): void {
    const { pending, hostFaults } = this.path;
    pending.gfn[vcpu] = gfn;
    pending.kind[vcpu] = kind;
    pending.guestTable[vcpu] = 0;
    pending.seq[vcpu] = sequence;
    pending.denied[vcpu] = (packed >> DENIED) & 1;
    pending.host[vcpu] = (packed >> HOST) & HOST_MASK;
    pending.seenLevel[vcpu] = (packed >> SEEN_LEVEL) & LEVEL_MASK;
    pending.seenKind[vcpu] = (packed >> SEEN_KIND) & LEVEL_MASK;
    pending.seenAttr[vcpu] = (packed >> SEEN_ATTR) & ATTR_MASK;
    hostFaults.find(vcpu, (packed >> FOUND) & MAX_FOUND);
    this.accesses.putAtData(vcpu, vfn, kind, this.stageOf(packed));
  }

  begin(vcpu: number, vfn: number, kind: AccessKind): number {
    return this.vm.begin(vcpu, vfn, kind);
  }

  advance(vcpu: number): number {
    return this.vm.advance(vcpu);
  }

  open(gfn: number): void {
    this.journal.open(gfn);
  }

  closePlain(): boolean {
    return this.journal.closePlain();
  }

  private seen(vcpu: number): number {
    const { seenLevel, seenKind, seenAttr } = this.path.pending;
    return (seenLevel[vcpu] << SEEN_LEVEL) | (seenKind[vcpu] << SEEN_KIND) | (seenAttr[vcpu] << SEEN_ATTR);
  }
}
