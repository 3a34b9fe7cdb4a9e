/**
 * A run in the trace language of Casemate's checker: records, their order, and the lock they happen under.
 *
 * One record per line: name, id, thread, fields in fixed order, and a place of origin, here the name and step of the protocol that caused it. Thread 0 is the host,
 * thread v + 1 is vCPU v. The checker knows one lock per tree, held by one thread at a time. Sections that exclude everybody appear as they were; sections
 * under the lock for reading may overlap in a run, and are cut between atomic operations where they do, so that the trace shows one thread after the other.
 *
 * A store that only withdraws is plain in the kernel. The checker wants a DSB between it and an earlier store of the same section; where the kernel has none, the
 * store is written as a release. Invalidations of ranges are written as invalidations of the VMID: the language has no other.
 *
 * Models: the trace format of Casemate 3.0 (rems-project); Linux arch/arm64/kvm/hyp/vhe/tlb.c __kvm_tlb_flush_vmid_ipa(), __kvm_tlb_flush_vmid().
 */
import type { TraceExport } from '@mmulab/api';
import { badOmission, lockOverlap, nothingOmitted } from '../errors';

/** Threads the checker knows. */
export const MAX_THREADS = 4;
/** The host's thread. */
export const HOST_THREAD = 0;

/** Where the invented machine has its table pages, and the lock. Host pages lie where the host's virtual addresses say (2^44 and up). */
const TABLES_AT = 0x1_0000_0000;
const LOCK_AT = 0x8000_0100;
const VM_ID = 1n;
/** Of the tree that threads load when the VM goes. */
const OTHER_VM_ID = 2n;
const VM_ID_SHIFT = 48n;
const PAGE = 0x1000;
const NOBODY = -1;

/** How a thread holds mmu_lock. */
export const Section = { None: 0, Read: 1, Write: 2 } as const;

const OMISSIONS = ['no-break', 'no-leaf-break', 'no-tlbi'];

/** What a trace leaves out on purpose. */
interface Omission {
  readonly leafBreaks: boolean;
  readonly tableBreaks: boolean;
  readonly tlbis: boolean;
  /** Number of the one break whose invalidation is left out; 0: none. */
  readonly single: number;
}

/** Reads `no-break`, `no-leaf-break`, `no-tlbi`, `no-tlbi:N`. @throws EXPORT_OMISSION */
function readOmission(text: string | undefined): Omission {
  const single = /^no-tlbi:([1-9]\d*)$/.exec(text ?? '');
  if (text !== undefined && !OMISSIONS.includes(text) && single === null) throw badOmission(text);
  return {
    leafBreaks: text === 'no-break' || text === 'no-leaf-break',
    tableBreaks: text === 'no-break',
    tlbis: text === 'no-tlbi',
    single: Number(single?.[1] ?? 0),
  };
}

/** Writer of one run's trace. */
export class CasemateTrace {
  /** The thread whose steps are written. */
  thread = HOST_THREAD;
  private readonly omission: Omission;
  private id = 0;
  private holder = NOBODY;
  private readonly sections = new Uint8Array(MAX_THREADS);
  /** Whether the section under way has stored nothing since its beginning or its last DSB. */
  private isSynced = true;
  private breaks = 0;
  /** Steps left out so far. */
  private omitted = 0;
  private nextPage = TABLES_AT;
  private readonly freePages: number[] = [];
  private waiting: number[] = [];
  private root = 0;
  private threads = 0;

  /** @throws EXPORT_OMISSION */
  constructor(private readonly sink: TraceExport) {
    this.omission = readOmission(sink.leaveOut);
  }

  /** Whether the break of a leaf, or of a table, is to be left out. */
  leavesOutBreak(ofTable: boolean): boolean {
    return this.omits(ofTable ? this.omission.tableBreaks : this.omission.leafBreaks);
  }

  /** The thread takes mmu_lock, or keeps it. It shows where it first matters. @throws EXPORT_LOCK when somebody holds it who excludes this */
  begin(section: number): void {
    const { thread, sections } = this;
    if (sections[thread] === section) return;
    for (let other = 0; other < MAX_THREADS; other++) {
      const held = sections[other];
      if (other !== thread && held !== Section.None && (held === Section.Write || section === Section.Write)) throw lockOverlap(thread, other);
    }
    sections[thread] = section;
  }

  /** The thread gives mmu_lock back. */
  end(): void {
    this.sections[this.thread] = Section.None;
    if (this.holder === this.thread) this.release();
  }

  /** A zeroed page for a table appears. @returns its physical address */
  zallocPage(src: string): number {
    const address = this.freePages.pop() ?? this.nextPage;
    if (address === this.nextPage) this.nextPage += PAGE;
    this.record('mem-init', `(address ${hex(address)}) (size ${hex(PAGE)})`, src);
    return address;
  }

  /** A table page goes back. */
  freePage(address: number, src: string): void {
    this.record('mem-free', `(address ${hex(address)}) (size ${hex(PAGE)})`, src);
    this.freePages.push(address);
  }

  /** It goes back after a grace period. */
  freePageLater(address: number): void {
    this.waiting.push(address);
  }

  /** A grace period may be over: not while a vCPU is in a walk. */
  endGracePeriod(): void {
    if (this.waiting.length === 0 || this.sections.some((section, thread) => thread !== HOST_THREAD && section !== Section.None)) return;
    const before = this.thread;
    this.thread = HOST_THREAD;
    for (const address of this.waiting) this.freePage(address, 'free_unlinked_table:1');
    this.waiting = [];
    this.thread = before;
  }

  /** An entry of a table that is not linked yet. */
  fill(address: number, value: bigint, src: string): void {
    this.record('mem-write', `(mem-order plain) (address ${hex(address)}) (value ${hex(value)})`, src);
  }

  /** A store to an entry that other threads may see. @param withdraws whether it makes a valid entry invalid: plain where the order allows it */
  store(address: number, value: bigint, withdraws: boolean, src: string): void {
    this.hold();
    const order = withdraws && this.isSynced ? 'plain' : 'release';
    this.isSynced = false;
    this.record('mem-write', `(mem-order ${order}) (address ${hex(address)}) (value ${hex(value)})`, src);
  }

  /** The invalidation after a break, by IPA: stage 2, then everything that was combined with it. @param level in the architecture's numbering */
  breakByIpa(frame: number, level: number, src: string): void {
    this.invalidateIpa(frame, level, this.isLeftOut(), src);
  }

  /** The invalidation after a break, of the whole VMID. */
  breakByVmid(src: string): void {
    this.invalidateVmid(this.isLeftOut(), src);
  }

  /** An invalidation that follows no break, by IPA. */
  flushIpa(frame: number, level: number, src: string): void {
    this.invalidateIpa(frame, level, this.omits(this.omission.tlbis), src);
  }

  /** An invalidation that follows no break, of the whole VMID. */
  flushVmid(src: string): void {
    this.invalidateVmid(this.omits(this.omission.tlbis), src);
  }

  /** The tree is known: its lock. To be called before tables are linked. */
  nameRoot(root: number, threads: number): void {
    this.root = root;
    this.threads = threads;
    this.record('hint', `(kind set_root_lock) (location ${hex(root)}) (value ${hex(LOCK_AT)})`, 'create_vm:1');
  }

  /** Every thread loads the tree. */
  loadRoot(): void {
    this.onEveryThread(() => this.loadVttbr(VM_ID, this.root, 'vcpu_load:1'));
  }

  /**
   * The VM goes: every thread loads another tree, then this one is nobody's, and its pages go back.
   * @throws EXPORT_OMISSION when there was nothing of what was to be left out
   */
  releaseRoot(pages: readonly number[]): void {
    const { leaveOut } = this.sink;
    if (leaveOut !== undefined && this.omitted === 0) throw nothingOmitted(leaveOut, this.breaks);
    const other = this.zallocPage('destroy_vm:1');
    this.record('hint', `(kind set_root_lock) (location ${hex(other)}) (value ${hex(LOCK_AT + 8)})`, 'destroy_vm:2');
    this.onEveryThread(() => this.loadVttbr(OTHER_VM_ID, other, 'destroy_vm:3'));
    this.record('hint', `(kind release_table) (location ${hex(this.root)}) (value 0x0)`, 'destroy_vm:4');
    for (const address of [...pages, ...this.waiting]) this.freePage(address, 'destroy_vm:5');
    this.waiting = [];
  }

  private onEveryThread(act: () => void): void {
    const before = this.thread;
    for (this.thread = 0; this.thread < this.threads; this.thread++) act();
    this.thread = before;
  }

  private loadVttbr(vmid: bigint, root: number, src: string): void {
    this.record('sysreg-write', `(sysreg vttbr_el2) (value ${hex((vmid << VM_ID_SHIFT) | BigInt(root))})`, src);
    this.record('barrier', 'isb', src);
  }

  /** Counts a break; whether the invalidation after it is to be left out. */
  private isLeftOut(): boolean {
    this.breaks++;
    return this.omits(this.omission.tlbis || this.breaks === this.omission.single);
  }

  private omits(step: boolean): boolean {
    if (step) this.omitted++;
    return step;
  }

  private invalidateIpa(frame: number, level: number, without: boolean, src: string): void {
    this.hold();
    const hint = level < 1 ? 0n : BigInt(4 + level);
    this.dsb('ishst', src);
    if (!without) this.record('tlbi', `ipas2e1is (value ${hex((hint << 44n) | BigInt(frame))})`, src);
    this.dsb('ish', src);
    if (!without) this.record('tlbi', 'vmalle1is', src);
    this.dsb('ish', src);
  }

  private invalidateVmid(without: boolean, src: string): void {
    this.hold();
    this.dsb('ishst', src);
    if (!without) this.record('tlbi', 'vmalls12e1is', src);
    this.dsb('ish', src);
    this.record('barrier', 'isb', src);
  }

  private dsb(kind: string, src: string): void {
    this.isSynced = true;
    this.record('barrier', `dsb (kind ${kind})`, src);
  }

  /** Makes the thread the holder of the lock, if it is in a section; whoever holds it for reading is interrupted. */
  private hold(): void {
    const { thread, holder } = this;
    if (holder === thread || this.sections[thread] === Section.None) return;
    if (holder !== NOBODY) this.release();
    this.holder = thread;
    this.isSynced = true;
    this.record('lock', `(address ${hex(LOCK_AT)})`, 'mmu_lock:1');
  }

  private release(): void {
    const before = this.thread;
    this.thread = this.holder;
    this.record('unlock', `(address ${hex(LOCK_AT)})`, 'mmu_lock:2');
    this.thread = before;
    this.holder = NOBODY;
  }

  private record(name: string, fields: string, src: string): void {
    this.sink.write(`(${name} (id ${this.id++}) (tid ${this.thread}) ${fields} (src "${src}"))\n`);
  }
}

function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
