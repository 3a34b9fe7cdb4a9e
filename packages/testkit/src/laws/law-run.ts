/**
 * One scenario on one backend, held against the laws.
 *
 * The run knows what user space and guests know: which pages were written, which bits were taken, what the host has dropped, which translations a vCPU may have kept. It
 * asks the backend what frames translate to, and believes its counters of flushes. A vCPU keeps every translation it used until it has served a flush.
 */
import { ACCESS_DONE, AccessKind, isMmulabError } from '@mmulab/api';
import type { HostOp, KvmRunFailure, MmuBackend, OptionValues, Translation } from '@mmulab/api';
import { Registry, withHostChanges } from '@mmulab/runner';
import { layOutVm } from '../conformance-vm';
import type { TestVm } from '../conformance-vm';
import { FICKLE, fickleMemory } from './fickle-memory';
import { KnownSlot, sampled } from './known-slot';
import { pagesOf, slotOpOf, wholePagesOf, wordsOf, type LawVm } from './law-ops';
import { LawCounters } from './law-counters';
import type { LawName, LawSubject, Violation } from './laws';
import { valuesOfScenario } from './scenario';
import type { LawAccess, LawHostStep, LawScenario, LawStep, LawTouch } from './scenario';

/** More stages than an access takes, with all its faults, when nobody comes between. */
const MAX_STAGES = 400;
/** Entries of dirty rings on pages of 4 KiB: more than a scenario writes pages. */
const RING_ENTRIES = 4096;
const STAGES_IN_A_ROW = 80;

const KINDS: Readonly<Record<LawAccess, AccessKind>> = { read: AccessKind.Read, write: AccessKind.Write, execute: AccessKind.Exec };

/** The backing of a name, on a machine. */
const registry = Registry.load([]);

export class LawRun implements LawVm {
  readonly violations: Violation[] = [];
  private readonly counters: LawCounters;
  private readonly backend: MmuBackend;
  private readonly slots: readonly KnownSlot[];
  private readonly served: number[] = [];
  private readonly rootTables: number;
  private readonly values: { readonly options: OptionValues; readonly host: OptionValues };
  readonly pageBytes: number;
  readonly roomFrames: number;
  manual: 'no' | 'yes' | 'initially-set' = 'no';
  private step = 0;

  constructor(
    private readonly subject: LawSubject,
    private readonly scenario: LawScenario,
  ) {
    const { definition, create } = subject;
    this.values = valuesOfScenario(definition, scenario);
    const { options, host } = this.values;
    const machine = definition.machine(host);
    this.pageBytes = machine.pageSizeBytes;
    const backingHost = { pageSizeBytes: machine.pageSizeBytes, thp: 'always' };
    const vm: TestVm = layOutVm({ ...scenario, ring: scenario.ring === true ? RING_ENTRIES : 0 }, machine, name =>
      name === FICKLE ? withHostChanges(fickleMemory, {}) : registry.backing(name, backingHost),
    );
    this.roomFrames = vm.roomFrames;
    this.counters = new LawCounters(definition);
    this.backend = create(options, host, this.counters);
    this.backend.create(vm.layout);
    this.slots = vm.regions.flatMap(region =>
      region.spec === undefined ? [] : [new KnownSlot({ ...region, spec: region.spec }, scenario.vcpus, region.spec.backing.name === FICKLE)],
    );
    this.rootTables = this.backend.memory().tableBytesReal / this.pageBytes - this.held();
  }

  /** Performs all steps, or those up to one after which nothing can be judged. @returns the first violation of each law */
  perform(): readonly Violation[] {
    for (const step of this.scenario.steps) {
      if (!this.performStep(step)) return this.violations;
      this.checkTables();
      this.checkGauges();
      this.step++;
    }
    this.end();
    return this.violations;
  }

  /** @returns false when the run is over */
  private performStep(step: LawStep): boolean {
    try {
      if (step.do === 'touch') this.touch(step);
      else if (step.do === 'together') this.together(step);
      else this.host(step);
      return true;
    } catch (error) {
      // A KVM_RUN that fails, or never comes back. Whatever else is thrown is no law's business.
      if (!isMmulabError(error) || error.errorClass !== 'failed') throw error;
      const gfn = (error as Partial<KvmRunFailure>).place?.gfn;
      if (gfn === undefined || this.slots.some(slot => slot.isHere && slot.covers(gfn))) this.broken('gets_through', error.message);
      return false;
    }
  }

  private broken(law: LawName, message: string): void {
    if (this.violations.some(known => known.law === law)) return;
    this.violations.push({ law, message, step: this.step });
  }

  // Guests.

  private touch({ vcpu: drawn, slot: number, page, npages, stride, kind }: Extract<LawStep, { do: 'touch' }>): void {
    const [vcpu, slot] = [drawn % this.scenario.vcpus, this.slotAt(number)];
    const first = page % slot.npages;
    const count = Math.max(1, Math.min(npages, Math.floor((slot.npages - first - 1) / stride) + 1));
    // A write to memory that is PROT_READ fails KVM_RUN.
    if (kind === 'write' && slot.isGuarded(first, first + (count - 1) * stride + 1)) return;
    this.enter(vcpu);
    for (let i = 0; i < count; i++) this.checkKept(vcpu, slot, first + i * stride, kind);
    this.backend.run(vcpu, { vfn: slot.region.vfn + first, count, stride, kind: KINDS[kind], writeEvery: 0 });
    this.noteServed(vcpu);
    for (let i = 0; i < count; i++) this.passed(vcpu, slot, first + i * stride, kind);
    this.backend.leave?.(vcpu);
    this.checkPages(slot, first, first + (count - 1) * stride + 1);
  }

  private together({ touches, order, host, hostAfter = 0 }: Extract<LawStep, { do: 'together' }>): void {
    const under = touches.map(touch => ({ ...touch, vcpu: touch.vcpu % this.scenario.vcpus })).filter(touch => !this.failsIn(touch));
    // One access per vCPU: the first it was given.
    const accesses = under.filter((touch, i) => under.findIndex(other => other.vcpu === touch.vcpu) === i);
    for (const { slot, page, kind } of accesses) this.isUnderWrite(this.slotAt(slot), page, kind);
    const stages = accesses.map(access => this.begin(access));
    const advance = (i: number): void => {
      stages[i] = this.backend.advance(accesses[i].vcpu);
      this.noteServed(accesses[i].vcpu);
      if (stages[i] === ACCESS_DONE) this.complete(accesses[i]);
    };
    const turn = (drawn: number): void => {
      const left = stages.flatMap((stage, i) => (stage === ACCESS_DONE ? [] : [i]));
      if (left.length > 0) advance(left[drawn % left.length]);
    };
    order.slice(0, hostAfter).forEach(turn);
    if (host !== undefined && !(host.do === 'protect' && under.some(({ kind }) => kind === 'write'))) this.host(host);
    order.slice(hostAfter).forEach(turn);
    // One after the other, but for those that wait for what another is about.
    for (let taken = 0; stages.some(stage => stage !== ACCESS_DONE); taken += STAGES_IN_A_ROW) {
      const late = stages.findIndex(stage => stage !== ACCESS_DONE);
      if (taken > MAX_STAGES) return this.broken('gets_through', `${this.where(accesses[late])}: more than ${MAX_STAGES} stages`);
      stages.forEach((_, i) => {
        for (let row = 0; row < STAGES_IN_A_ROW && stages[i] !== ACCESS_DONE; row++) advance(i);
      });
    }
    for (const { slot, page } of accesses) this.checkPages(this.slotAt(slot), page % this.slotAt(slot).npages, (page % this.slotAt(slot).npages) + 1);
  }

  private failsIn({ slot: number, page, kind }: LawTouch): boolean {
    const slot = this.slotAt(number);
    return kind === 'write' && slot.guarded[page % slot.npages] === 1;
  }

  private begin(access: LawTouch): number {
    const { vcpu, slot: number, page, kind } = access;
    const slot = this.slotAt(number);
    this.enter(vcpu);
    this.checkKept(vcpu, slot, page % slot.npages, kind);
    const stage = this.backend.begin(vcpu, slot.region.vfn + (page % slot.npages), KINDS[kind]);
    this.noteServed(vcpu);
    if (stage === ACCESS_DONE) this.complete(access);
    return stage;
  }

  private complete({ vcpu, slot: number, page, kind }: LawTouch): void {
    const slot = this.slotAt(number);
    this.passed(vcpu, slot, page % slot.npages, kind);
    this.backend.leave?.(vcpu);
  }

  private enter(vcpu: number): void {
    this.backend.enter(vcpu);
    this.noteServed(vcpu);
  }

  /** An access has got through: what it tells. */
  private passed(vcpu: number, slot: KnownSlot, page: number, kind: LawAccess): void {
    this.isUnderWrite(slot, page, kind);
    // A page that user space has collected and not reset yet is looked at after the reset.
    const isCollected = this.scenario.ring === true && slot.read[page] === 1;
    if (kind === 'write' && slot.isHere && slot.logged && !slot.readonly && !isCollected) slot.owed[page] = 1;
    const translation = this.translate(slot, page);
    if (translation === undefined) return;
    // A translation is kept for the whole leaf, as far as it lies in the slot.
    const span = (this.pageBytes / 8) ** (translation.level - 1);
    const base = page - ((slot.region.gfn + page) % span);
    const kept = slot.kept[vcpu];
    const value = translation.writable ? 2 : 1;
    if (span === 1) kept[page] = value;
    else if (kept[page] !== value) kept.fill(value, Math.max(0, base), Math.min(slot.npages, base + span));
  }

  /** A page is written, or about to be. */
  private isUnderWrite(slot: KnownSlot, drawn: number, kind: LawAccess): void {
    slot.access(drawn % slot.npages, kind === 'write', this.subject.readsMayLog === true);
  }

  // Translations that vCPUs keep.

  /** Drops what a vCPU keeps if it has served a flush, or whatever all keep if asking is enough. */
  private noteServed(vcpu: number): void {
    const { asked, served } = this.subject.flushes;
    const who = served === undefined ? -1 : vcpu;
    const count = served === undefined ? this.counters.of(asked) : this.counters.of(served, vcpu);
    if (count === (this.served[who + 1] ?? 0)) return;
    this.served[who + 1] = count;
    for (const { kept } of this.slots) for (const pages of who === -1 ? kept : [kept[vcpu]]) pages.fill(0);
  }

  private checkKept(vcpu: number, slot: KnownSlot, page: number, kind: LawAccess): void {
    const kept = slot.kept[vcpu][page];
    if (kept < (kind === 'write' ? 2 : 1)) return;
    const translation = this.translate(slot, page);
    if (translation !== undefined && (kind !== 'write' || translation.writable)) return;
    const now = translation === undefined ? 'is not mapped' : 'is not writable';
    this.broken(
      'flushed',
      `${this.where({ vcpu, slot: slot.region.spec.id - 1, page, kind })}: the page ${now}, but vCPU ${vcpu} has served no flush since it used it`,
    );
  }

  // The host.

  private host(step: LawHostStep): void {
    const op = this.hostOp(step);
    if (op === undefined) return;
    if (op.op === 'collect_dirty_rings') this.collect(op);
    else if (op.op === 'reset_dirty_rings') this.reset(op);
    else if (step.do === 'get') this.get(this.slotAt(step.slot), op);
    else if (step.do === 'age') this.age(op);
    else this.backend.host(op);
    this.after(step);
    this.noteServed(-1);
  }

  /** The operation, unless the kernel would refuse it. */
  private hostOp(step: LawHostStep): HostOp | undefined {
    if (this.scenario.ring === true && step.do === 'get') return { op: 'collect_dirty_rings' };
    if (this.scenario.ring === true && step.do === 'clear') return { op: 'reset_dirty_rings' };
    // Pages of a log that starts full are in no ring.
    if (this.scenario.ring === true && step.do === 'manual') return undefined;
    if (step.do === 'manual') return this.manual === 'no' ? { op: 'manual_protect', initiallySet: step.initiallySet } : undefined;
    if (step.do === 'fork') return { op: 'fork', child: step.child };
    if (step.do === 'child_exit') return { op: 'child_exit' };
    return slotOpOf(step, this.slotAt(step.slot), this);
  }

  /** What a host step that was carried out makes known. */
  private after(step: LawHostStep): void {
    if (step.do === 'manual') this.manual = step.initiallySet ? 'initially-set' : 'yes';
    else if (step.do === 'fork') for (const slot of this.slots) this.forked(slot, step.child === 'lives');
    else if (step.do === 'child_exit') for (const { shared } of this.slots) shared.fill(0);
    else this.afterOn(this.slotAt(step.slot), step);
  }

  private afterOn(slot: KnownSlot, step: Extract<LawHostStep, { slot: number }>): void {
    switch (step.do) {
      case 'log':
        this.logged(slot, step.on);
        break;
      case 'clear':
        if (this.scenario.ring !== true) this.taken(slot, ...wordsOf(slot, step), page => slot.read[page] === 1);
        break;
      case 'unmap':
        this.unmapped(slot, ...wholePagesOf(slot, step, this.pageBytes), step.stride);
        break;
      case 'free':
        this.checkGone(slot, ...pagesOf(slot, step));
        break;
      case 'hostwrite':
        for (const pages of [slot.dropped, slot.shared]) pages.fill(0, ...wholePagesOf(slot, step, this.pageBytes));
        break;
      case 'protect':
        slot.guarded.fill(step.writable ? 0 : 1, ...wholePagesOf(slot, step, this.pageBytes));
        this.checkPages(slot, 0, slot.npages);
        break;
      case 'get':
      case 'age':
        break;
      default:
        this.reslotted(slot, step);
    }
  }

  /** A memslot has gone, come, moved or changed: nothing of it is mapped. */
  private reslotted(slot: KnownSlot, step: Extract<LawHostStep, { do: 'delete' | 'create' | 'move' | 'flags' }>): void {
    if (step.do === 'move') slot.away = step.away;
    else if (step.do === 'flags') slot.readonly = step.readonly;
    else [slot.exists, slot.away] = [step.do === 'create', false];
    if (step.do === 'delete' || step.do === 'create') this.logged(slot, false);
    // A slot that moves takes its bitmap along, one that is made anew gets another.
    else if (step.do === 'flags' && slot.logged) this.logged(slot, true);
    if (step.do === 'create' && step.kept !== true) slot.forgetMemory();
    this.checkGone(slot, 0, slot.npages);
    if (slot.away) for (const page of sampled(0, slot.npages)) this.checkUnmapped(slot, page, this.roomFrames);
  }

  /** Private pages of the process are the child's, too: none is writable until it is written. */
  private forked(slot: KnownSlot, lives: boolean): void {
    const { backing } = slot.region.spec;
    if (!slot.isHere || backing.shared === true) return;
    for (const page of sampled(0, slot.npages)) {
      if (this.translate(slot, page)?.writable !== true) continue;
      this.broken('current', `slot ${slot.region.spec.id - 1}, page ${page}: mapped writable, as the host had it before it forked`);
    }
    // Where pages are small and those that are not there are read-only at first.
    if (lives && backing.name === 'anonymous') slot.shared.fill(1);
  }

  private logged(slot: KnownSlot, on: boolean): void {
    // Where the kernel does not offer initially-set, fewer bits are set than may be.
    slot.restartLog(on, on && this.manual === 'initially-set');
    if (on) this.checkPages(slot, 0, slot.npages);
  }

  private get(slot: KnownSlot, op: HostOp): void {
    const { read } = slot;
    read.fill(0);
    this.backend.host(op, { dirty: (first, npages) => read.fill(1, first, first + npages) });
    slot.wasRead = true;
    if (slot.lost >= 0)
      this.broken('logged', `slot ${slot.region.spec.id - 1}, page ${slot.lost}: written since its bit was taken, and not in the bitmap`);
    if (this.manual === 'no') this.taken(slot, 0, slot.npages, () => true);
  }

  /** User space collects the rings. */
  private collect(op: HostOp): void {
    this.backend.host(op, {
      collected: (id, first, npages) => this.slots.find(({ region }) => region.spec.id === id)?.read.fill(1, first, first + npages),
    });
    for (const { region, lost } of this.slots) {
      if (lost >= 0) this.broken('logged', `slot ${region.spec.id - 1}, page ${lost}: written since it was reset, and in no ring`);
    }
  }

  /** What was collected is protected again. */
  private reset(op: HostOp): void {
    this.backend.host(op);
    for (const slot of this.slots) {
      this.taken(slot, 0, slot.npages, page => slot.read[page] === 1);
      slot.read.fill(0);
    }
  }

  /** Bits were taken: whoever writes the pages next must set them again. */
  private taken(slot: KnownSlot, first: number, end: number, isTaken: (page: number) => boolean): void {
    slot.takeBits(first, end, isTaken);
    this.checkPages(slot, first, end);
  }

  private unmapped(slot: KnownSlot, first: number, end: number, stride = 1): void {
    for (let page = first; page < end; page += stride) {
      this.checkUnmapped(slot, page, 0);
      slot.shared[page] = 0;
      if (slot.isFickle) slot.dropped[page] = 1;
    }
  }

  private age(op: HostOp): void {
    let young: number | undefined;
    const answer = { young: (leaves: number): void => void (young = leaves) };
    this.backend.host(op, answer);
    this.noteServed(-1);
    young = undefined;
    this.backend.host(op, answer);
    if (young !== undefined && young !== 0) this.broken('aged', `${String(young)} leaves are young right after they were aged`);
  }

  /** The VM goes. */
  private end(): void {
    this.backend.host({ op: 'destroy_vm' });
    const { tableBytesReal } = this.backend.memory();
    if (tableBytesReal !== 0) this.broken('nothing_left', `tables of ${tableBytesReal} bytes are left once the VM is gone`);
    for (const { name, gauge } of this.subject.definition.events) {
      const value = gauge ? this.counters.of([name]) : 0;
      if (value !== 0) this.broken('nothing_left', `${name} is ${value} once the VM is gone`);
    }
  }

  // What must hold of pages.

  private checkPages(slot: KnownSlot, first: number, end: number): void {
    if (!slot.isHere) return;
    for (const page of sampled(first, end)) {
      if (slot.logged && slot.maybeSet[page] === 0) {
        const translation = this.translate(slot, page);
        // A page that the hardware would log as it sets D is no page that escapes the log.
        if (translation?.writable === true && translation.dirty) {
          this.broken('protected', `slot ${slot.region.spec.id - 1}, page ${page}: writable under dirty logging, though its bit is clear`);
        }
      }
      const stale = slot.staleAs(page);
      if (stale !== undefined && this.translate(slot, page)?.writable === true) {
        this.broken('current', `slot ${slot.region.spec.id - 1}, page ${page}: mapped writable, as the host had it before it ${stale}`);
      }
    }
  }

  private checkGone(slot: KnownSlot, first: number, end: number): void {
    for (let page = first; page < end; page++) this.checkUnmapped(slot, page, 0);
  }

  private checkUnmapped(slot: KnownSlot, page: number, shift: number): void {
    if (this.translate(slot, page + shift) !== undefined) this.broken('gone', `slot ${slot.region.spec.id - 1}, page ${page}: still translates`);
  }

  private checkTables(): void {
    if (this.subject.tablesHeld === 'untold') return;
    const bytes = this.backend.memory().tableBytesReal;
    const expected = (this.held() + this.rootTables) * this.pageBytes;
    if (bytes !== expected) this.broken('tables', `the backend holds tables of ${bytes} bytes, and by its counters of ${expected}`);
  }

  private checkGauges(): void {
    const { mappedPages } = this.subject;
    if (mappedPages === undefined) return;
    let mapped = 0;
    for (const slot of this.slots) for (let page = 0; page < slot.npages; page++) mapped += this.translate(slot, page) === undefined ? 0 : 1;
    const counted = mappedPages(name => this.counters.of([name]));
    if (mapped !== counted) this.broken('gauges', `${mapped} pages are mapped, and ${counted} by the gauges`);
  }

  private held(): number {
    const of = (name: string): number => this.counters.of([name]);
    const { tablesHeld } = this.subject;
    return typeof tablesHeld === 'function' ? tablesHeld(of) : of('table.alloc') - of('table.free');
  }

  private translate(slot: KnownSlot, page: number): Translation | undefined {
    return this.backend.translate(slot.region.gfn + page);
  }

  private slotAt(drawn: number): KnownSlot {
    return this.slots[drawn % this.slots.length];
  }

  private where({ vcpu, slot, page, kind }: LawTouch): string {
    return `vCPU ${vcpu}, ${kind} of slot ${slot}, page ${page}`;
  }
}
