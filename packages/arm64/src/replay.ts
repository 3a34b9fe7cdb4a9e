/**
 * Stage 2 driven by a trace: aborts step by step, and the host's walks over the ranges that a trace shows.
 *
 * Models: Linux arch/arm64/kvm/mmu.c user_mem_abort(); hyp/pgtable.c.
 */
import { ACCESS_DONE, Action, EntryKind, FaultStep, HostWalk, makeVerdict } from '@mmulab/api';
import type { AccessKind, Entry, EntryView, ReplayPort, Rule, SeenHostPage, ShownFault, Verdict } from '@mmulab/api';
import { Stage } from './abort-stages';
import { Walk, walkResult } from './attr';
import { Pte } from './descriptor';
import type { Memslots } from '@mmulab/kvm';
import type { MmuNotifier } from './notifier';
import { Stage2Action } from './protocols';
import { PteReader, describePte } from './pte-reader';
import type { Stage2Tables } from './stage2-tables';
import type { UserMemAbort } from './user-mem-abort';

/** What the port needs of the VM around it. */
export interface ReplayedVm {
  enter(vcpu: number): void;
  host(op: { readonly op: 'zap_all' }): void;
}

/** Makes one entry what a trace shows it to have been, whatever stood there. */
class AdoptRule implements Rule<undefined> {
  readonly name = 'adopt';

  /** @param attr attribute of a leaf, 0 for an invalid entry, -1 for a table */
  constructor(
    private readonly level: number,
    private readonly attr: number,
  ) {}

  visit(at: Entry): Verdict {
    if (at.level > this.level) return makeVerdict(at.kind === EntryKind.Empty ? Stage2Action.InstallTable : Stage2Action.UnmapQuiet);
    if (this.attr < 0 && at.kind === EntryKind.Table) return makeVerdict(Action.Stop);
    if (at.kind !== EntryKind.Empty && at.attr !== this.attr) return makeVerdict(Stage2Action.UnmapQuiet);
    if (at.attr === this.attr) return makeVerdict(Action.Stop);
    return this.attr < 0 ? makeVerdict(Stage2Action.InstallTable) : makeVerdict(Stage2Action.MakeLeaf, this.attr);
  }
}

export class Stage2Replay implements ReplayPort {
  readonly hardwareBits = Pte.Af;
  private readonly pending: Int8Array;
  private readonly reader = new PteReader();
  /** Entries of the tables. */
  private readonly found = new PteReader();

  constructor(
    vcpus: number,
    private readonly tables: Stage2Tables,
    private readonly slots: Memslots,
    private readonly path: UserMemAbort,
    private readonly notifier: MmuNotifier,
    private readonly vm: ReplayedVm,
  ) {
    this.pending = new Int8Array(vcpus).fill(ACCESS_DONE);
  }

  beginFault(vcpu: number, fault: ShownFault): void {
    this.vm.enter(vcpu);
    const level = fault.level === 0 ? this.tables.lookup(fault.gfn).level : fault.level;
    const result = fault.accessFlag ? Walk.AccessFlag : fault.present ? Walk.Permission : Walk.Translation;
    this.pending[vcpu] = this.path.stage(vcpu, this.path.beginShown(vcpu, fault.gfn, fault.kind, fault.guestTable ? 1 : 0, result, level));
  }

  nextStep(vcpu: number): FaultStep {
    const stage = this.pending[vcpu];
    if (stage === ACCESS_DONE || stage === Stage.Resume) return FaultStep.Done;
    return stage < Stage.Map ? FaultStep.Host : FaultStep.Map;
  }

  step(vcpu: number): void {
    this.path.select(vcpu);
    this.pending[vcpu] = this.path.stage(vcpu, this.pending[vcpu]);
  }

  wouldChange(vcpu: number): boolean {
    return this.nextStep(vcpu) === FaultStep.Map;
  }

  endFault(vcpu: number): void {
    this.pending[vcpu] = ACCESS_DONE;
    this.vm.enter(vcpu);
  }

  access(vcpu: number, gfn: number, kind: AccessKind, guestTable: boolean): void {
    this.path.access(vcpu, gfn, kind, guestTable ? 1 : 0);
  }

  setHostPages(gfn: number, npages: number, page: SeenHostPage): void {
    const slot = this.slots.find(gfn);
    if (slot === undefined) return;
    const state = slot.spec.backing.states.findIndex(({ present, level, writable }) => present && level === page.level && writable === page.writable);
    if (state >= 0) this.slots.hostStates.setRange(gfn, npages, state);
  }

  setLogged(gfn: number, npages: number, on: boolean): void {
    for (const slot of this.slots.all) if (slot.spec.baseGfn < gfn + npages && slot.end > gfn) slot.logged = on;
  }

  isLogged(gfn: number): boolean {
    return this.slots.find(gfn)?.logged ?? false;
  }

  walk(walk: HostWalk, start: number, end: number): void {
    switch (walk) {
      case HostWalk.WriteProtect:
        return this.tables.writeProtect(start, end);
      case HostWalk.Split:
        return this.tables.split(start, end);
      case HostWalk.Age:
        this.tables.age(start, end);
        return;
      case HostWalk.ChangePte:
        return this.notifier.changePte(start);
      case HostWalk.Unmap:
        this.notifier.start(start, end);
        this.notifier.end();
        return;
      default:
      // The others are x86's.
    }
  }

  hardware(gfn: number, kind: AccessKind): boolean {
    return walkResult(this.tables.hardwareWalk(gfn, kind)) === Walk.Hit;
  }

  readDescriptor(hi: number, lo: number, level: number): EntryView {
    return this.reader.read(hi, lo, level);
  }

  entryAt(gfn: number, level: number): EntryView {
    const { kind, level: at, attr } = this.tables.lookupAbove(gfn, level);
    return this.found.set(kind, at, this.tables.attrs.bits(attr));
  }

  describe(kind: EntryKind, bits: number): string {
    return describePte(kind, bits);
  }

  adopt(gfn: number, level: number, { kind, bits }: EntryView): void {
    const attr = kind === EntryKind.Table ? -1 : kind === EntryKind.Leaf ? this.tables.attrs.table.intern(bits) : 0;
    this.tables.walkPage(new AdoptRule(level, attr), gfn, level);
  }

  hasEntries(): boolean {
    return this.tables.tableCount() > this.tables.shape.geometry.rootTables;
  }

  dropRoots(): void {
    this.vm.host({ op: 'zap_all' });
  }
}
