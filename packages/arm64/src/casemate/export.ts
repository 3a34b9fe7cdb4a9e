/**
 * What an exported run is made of: the ordinary backend over tables whose every change a recorder writes down.
 *
 * The tree appears with all its levels: a VM whose guest addresses are narrower than 48 bits begins with tables of its own, and a table per level above them is put
 * on top, which translates the same. The tables are linked before any thread knows the tree; then every thread loads it. mmu_lock follows
 * the stages of the abort path and the host's operations.
 *
 * Leaves are written down with their access flag set, whatever the run has made of it: the checker wants break-before-make between two leaves neither of which has it,
 * where the architecture and the kernel only change rights.
 *
 * Models: Linux arch/arm64/kvm/mmu.c kvm_init_stage2_mmu(), kvm_free_stage2_pgd(); the lock of each stage as in abort-stages.ts.
 */
import type { Counters, StageDef, TraceExport } from '@mmulab/api';
import type { Memslots } from '@mmulab/kvm';
import { observedEngines } from '@mmulab/pgtable';
import type { EngineFactory } from '@mmulab/pgtable';
import { descriptorOf } from '../descriptor';
import { notExportable, unknownExport } from '../errors';
import { CountingMmOps } from '../mm-ops';
import type { FrameOf, Stage2MmOps } from '../mm-ops';
import type { Stage2Policy } from '../policy';
import type { Stage2Shape } from '../stage2-geometry';
import { TlbInvalidations } from '../tlbi';
import { UserMemAbort } from '../user-mem-abort';
import { CasemateRecorder } from './recorder';
import type { Descriptors } from './recorder';
import { CasemateTrace, HOST_THREAD, MAX_THREADS, Section } from './trace';

/** The name users ask for. */
export const CASEMATE = 'casemate';
const GRANULE_BYTES = 4096;
const PAGE_SHIFT = 12n;
const MAX_IPA_BITS = 48;
/** Levels of a tree that begins with level 0. */
const ALL_LEVELS = 4;
const ENTRY_BYTES = 8;
const VALID = 1n;
const TABLE = 3n;
const ACCESS_FLAG = 1n << 10n;
const PMD = 2;
/** Host frames of the zero page and of the huge zero page, which all VMs share. */
const ZERO_FRAME = 0x8_0000;
const HUGE_ZERO_FRAME = 0x8_0200;

const SECTIONS = { none: Section.None, read: Section.Read, write: Section.Write } as const;

/** The export of one run. */
export class CasemateExport {
  private readonly trace: CasemateTrace;
  private recorder: CasemateRecorder | undefined = undefined;
  /** Tables above the start level. */
  private readonly above: number[] = [];

  /** @throws EXPORT_UNKNOWN, EXPORT_GRANULE, EXPORT_OMISSION */
  constructor(
    sink: TraceExport,
    private readonly policy: Stage2Policy,
  ) {
    if (sink.name !== CASEMATE) throw unknownExport(sink.name);
    if (policy.granuleBytes !== GRANULE_BYTES) throw notExportable('EXPORT_GRANULE', `a granule of ${policy.granuleBytes} bytes`, '4096');
    this.trace = new CasemateTrace(sink);
  }

  /**
   * The tree appears.
   * @param frameOf host frame behind a guest frame
   * @returns where its engine comes from
   * @throws EXPORT_VCPUS, EXPORT_IPA_BITS
   */
  create(vcpus: number, shape: Stage2Shape, slots: Memslots, frameOf: FrameOf): EngineFactory {
    if (vcpus >= MAX_THREADS) throw notExportable('EXPORT_VCPUS', `${vcpus} vCPUs`, `at most ${MAX_THREADS - 1}`);
    if (shape.ipaBits > MAX_IPA_BITS)
      throw notExportable('EXPORT_IPA_BITS', `${shape.ipaBits} bits of guest physical address`, `at most ${MAX_IPA_BITS}`);
    const start = this.createTree(shape, vcpus + 1);
    this.recorder = new CasemateRecorder(shape.geometry, start, this.trace, {
      leaf: this.leafDescriptors(),
      frameOf: (gfn, level) => hostFrame(slots, gfn, level, frameOf),
      keepsBits: !this.policy.mapEagain,
    });
    return observedEngines(this.recorder);
  }

  /** TLB invalidations that are written down. */
  invalidations(counters: Counters): TlbInvalidations {
    return new TracedInvalidations(counters, this.policy, this.trace, () => this.recorder?.flushed());
  }

  /** mm_ops that write down what goes past the engine. */
  mmOps(counters: Counters, tlb: TlbInvalidations, user: Stage2MmOps, frameOf: FrameOf): CountingMmOps {
    return new TracedMmOps(this.trace, fill => this.recorder?.holding(fill), counters, this.policy, tlb, user, frameOf);
  }

  /** An abort path that takes mmu_lock. */
  abortPath(stages: readonly StageDef[], ...parts: ConstructorParameters<typeof UserMemAbort>): UserMemAbort {
    return new TracedAbort(this.trace, stages, ...parts);
  }

  /** The host does something under mmu_lock. */
  underLock(act: () => void): void {
    this.trace.thread = HOST_THREAD;
    this.trace.begin(Section.Write);
    act();
    this.trace.end();
  }

  /** The VM goes, its tables having been emptied. */
  destroy(): void {
    this.trace.end();
    this.trace.releaseRoot([...this.above, ...(this.recorder?.tables.start ?? [])]);
  }

  /** @returns the pages of the start level */
  private createTree({ geometry }: Stage2Shape, threads: number): readonly number[] {
    const { trace } = this;
    const levels: number[][] = [Array.from({ length: geometry.rootTables }, () => trace.zallocPage('create_vm:2'))];
    for (let level = geometry.levels; level < ALL_LEVELS; level++) {
      const page = trace.zallocPage('create_vm:3');
      levels.push([page]);
      this.above.push(page);
    }
    const [root] = levels.at(-1) ?? [];
    trace.nameRoot(root, threads);
    for (let i = levels.length - 1; i > 0; i--) {
      levels[i - 1].forEach((page, index) => trace.fill(levels[i][0] + index * ENTRY_BYTES, BigInt(page) | TABLE, 'create_vm:4'));
    }
    trace.loadRoot();
    return levels[0];
  }

  /** Descriptors by attribute bits and level, the address apart, as they are first needed. */
  private leafDescriptors(): Descriptors['leaf'] {
    const levels = Array.from({ length: ALL_LEVELS + 1 }, () => new Map<number, bigint>());
    return (bits, level, frame) => {
      let word = levels[level].get(bits);
      if (word === undefined) {
        word = descriptorOf(bits, level, 0, Number(PAGE_SHIFT), this.policy.fwb);
        if ((word & VALID) !== 0n) word |= ACCESS_FLAG;
        levels[level].set(bits, word);
      }
      return word | (BigInt(frame) << PAGE_SHIFT);
    };
  }
}

/** Host frame for a new leaf: memory that a write would replace by a copy is a zero page now. */
function hostFrame(slots: Memslots, gfn: number, level: number, frameOf: FrameOf): number {
  const slot = slots.find(gfn);
  if (slot === undefined) return frameOf(gfn);
  const { faults } = slot.spec.backing;
  const isZeroPage = (faults[slots.hostStates.get(gfn) * 2 + 1]?.notifications.length ?? 0) > 0;
  if (!isZeroPage) return frameOf(gfn);
  if (slots.hostState(slot, gfn).level < PMD && level < PMD) return ZERO_FRAME;
  return HUGE_ZERO_FRAME + (gfn % slots.geometry.pagesAt(PMD));
}

/** Invalidations that follow no break, written down as they are counted. */
class TracedInvalidations extends TlbInvalidations {
  /** The invalidation under way is a break's, which the engine writes down. */
  private isBreak = false;

  constructor(
    counters: Counters,
    policy: Stage2Policy,
    private readonly trace: CasemateTrace,
    private readonly flushed: () => void,
  ) {
    super(counters, policy);
  }

  override table(npages: number): void {
    this.isBreak = true;
    super.table(npages);
    this.isBreak = false;
  }

  override vmid(): void {
    super.vmid();
    this.trace.flushVmid('flush_remote_tlbs:1');
  }

  override range(npages: number): void {
    super.range(npages);
    if (this.isBreak) return;
    this.trace.flushVmid('tlb_flush_vmid_range:1');
    this.flushed();
  }
}

class TracedMmOps extends CountingMmOps {
  constructor(
    private readonly trace: CasemateTrace,
    private readonly hold: (fill: () => void) => void,
    ...parts: ConstructorParameters<typeof CountingMmOps>
  ) {
    super(...parts);
  }

  override splitAtOnce(split: () => void): void {
    this.hold(split);
  }

  override endGracePeriod(): void {
    super.endGracePeriod();
    this.trace.endGracePeriod();
  }

  /** A local invalidation has no form in the trace: rights were added, which other CPUs learn of by faulting. */
  override relaxTlbi(gfn: number, level: number, local: boolean): void {
    super.relaxTlbi(gfn, level, local);
    if (!local) this.trace.flushIpa(gfn, ALL_LEVELS - level, 'relax_perms:2');
  }
}

/** The abort path of vCPUs, on their threads, with the lock each stage is under. */
class TracedAbort extends UserMemAbort {
  private readonly sections: readonly number[];

  constructor(
    private readonly trace: CasemateTrace,
    stages: readonly StageDef[],
    ...parts: ConstructorParameters<typeof UserMemAbort>
  ) {
    super(...parts);
    this.sections = stages.map(stage => SECTIONS[stage.lock]);
  }

  override stage(vcpu: number, stage: number): number {
    const { trace, sections } = this;
    const section = sections[stage];
    trace.thread = vcpu + 1;
    if (section !== Section.None) trace.begin(section);
    const next = super.stage(vcpu, stage);
    trace.thread = vcpu + 1;
    if (section !== Section.None && (next < 0 || sections[next] !== section)) trace.end();
    return next;
  }
}
