/**
 * What a trace tells of the machine it is from: architecture, CPU, kernel, module parameters. Only what shows in its beginning is used, and only where the user says nothing.
 *
 * Signs are facts (`huge leaves are zapped by faults`); what they mean for a backend's options stands in `machineOf`. Each is looked for in single events, with no more memory than which task is in which fault.
 */
import type { BackendDefinition, OptionValue, OptionValues } from '@mmulab/api';
import { ExitReason, Kind } from './trace-event';
import type { TraceEvent } from './trace-event';
import { X86Fault } from './x86-fault';

const WRITABLE = 2;
const HUGE = 0x80;
const FROZEN = 0x5a0;
const BIT_63 = 0x80000000 | 0;
/** Memory type write-back, bits 5:3 of an EPT leaf. */
const EPT_TYPE = 0x38;
const EPT_WRITE_BACK = 0x30;
const PAGE_SIZES = [4096, 16384, 65536];

/** What a config would say of the machine. */
export interface SignedMachine {
  readonly backend: string;
  /** Undefined where nothing tells one kernel from another. */
  readonly kernel: string | undefined;
  readonly options: OptionValues;
  readonly host: OptionValues;
}

type Mutable = Record<string, OptionValue>;

export class TraceSigns {
  arch: 'x86' | 'arm64' | undefined = undefined;
  /** Number of events of each kind. */
  readonly kinds = new Map<number, number>();
  /** Levels of x86 tables. */
  levels = 4;
  ept = false;
  /** kvm_mmu_get_page names the level of the parent: 5.10. */
  parentLevels = false;
  /** Smallest and largest level visited (arm64 numbering), and size of a page. */
  startLevel = 3;
  pageBytes = 0;
  topAddress = 0;
  private readonly faults = new Map<number, X86Fault>();
  /** Option values that behaviour shows; and host facts. */
  private readonly shown: Mutable = {};
  private readonly host: Mutable = {};
  private readonly parameters: Mutable = {};
  private newNonPresent = false;
  private oldNonPresent = false;
  private faultsNameVcpus: boolean | undefined = undefined;
  private splits = false;

  /** Whether events of a kind have been seen. */
  has(kind: number): boolean {
    return this.kinds.has(kind);
  }

  take(event: TraceEvent): void {
    this.kinds.set(event.kind, (this.kinds.get(event.kind) ?? 0) + 1);
    if (event.kind >= Kind.GuestFault && event.kind <= Kind.DcacheClean) this.takeArm64(event);
    else this.takeX86(event);
  }

  /** What the signs mean for a backend of the architecture. */
  machineOf(backends: readonly BackendDefinition[]): SignedMachine | undefined {
    const definition = backends.find(({ arch }) => arch === this.arch);
    if (definition === undefined) return undefined;
    if (this.arch === 'x86') this.host['vendor'] = this.ept ? 'intel' : 'amd';
    if (this.levels === 5) this.host['la57'] = 'Y';
    if (this.arch === 'arm64' && this.pageBytes > 4096) this.host['granule'] = `${this.pageBytes / 1024}K`;
    return { backend: definition.name, kernel: this.kernelOf(definition), options: this.parameters, host: this.host };
  }

  private takeX86(event: TraceEvent): void {
    switch (event.kind) {
      case Kind.Exit:
        this.faults.delete(event.tid);
        if (event.value === ExitReason.EptViolation) this.ept = true;
        return;
      case Kind.Entry:
        this.faults.delete(event.tid);
        return;
      case Kind.PageFault: {
        this.arch ??= 'x86';
        this.faultsNameVcpus ??= event.vcpu >= 0;
        const fault = this.faults.get(event.tid) ?? new X86Fault();
        this.faults.set(event.tid, fault.decode(event.gfn, event.newHi, event.newLo, this.ept));
        return;
      }
      case Kind.GetPage:
        this.arch ??= 'x86';
        this.levels = Math.max(this.levels, event.level);
        if (this.faults.has(event.tid) && event.level >= this.levels) this.parentLevels = true;
        return;
      case Kind.SpteChanged:
        this.arch ??= 'x86';
        this.levels = Math.max(this.levels, event.level);
        this.changed(event);
        return;
      case Kind.SetSpte:
        this.leaf(event);
    }
  }

  private changed(event: TraceEvent): void {
    const { oldHi, oldLo, newHi, newLo, level } = event;
    if ((oldLo === 0 && oldHi === BIT_63) || (newLo === 0 && newHi === BIT_63)) this.newNonPresent = true;
    else if ((oldLo === 0 && oldHi === 0) || (newLo === 0 && newHi === 0)) this.oldNonPresent = true;
    this.leaf(event);
    const fault = this.faults.get(event.tid);
    const covers = fault !== undefined && fault.gfn >= event.gfn && fault.gfn < event.gfn + 512 ** (level - 1);
    const wasLeaf = isLeaf(oldLo, level);
    const isFrozen = newLo === FROZEN && (newHi === 0 || newHi === BIT_63);
    const isTable = newLo !== 0 && !isFrozen && !isLeaf(newLo, level);
    if (covers && wasLeaf && level > 1) {
      if (isFrozen) this.shown['huge_page_fault'] = 'zap';
      else if (isTable) this.shown['huge_page_fault'] = 'split';
    } else if (!covers && wasLeaf && level > 1 && isTable) {
      this.splits = true;
      this.parameters['eager_page_split'] = 'Y';
    }
    if (wasLeaf && isLeaf(newLo, level)) this.leafChanged(event, covers);
    const wasTable = oldLo !== 0 && oldLo !== FROZEN && !wasLeaf;
    if (!covers && wasTable && isLeaf(newLo, level)) this.shown['log_stop'] = 'recover';
    else if (!covers && wasTable && isFrozen) this.shown['log_stop'] = 'zap';
  }

  private leafChanged({ oldLo, newLo, level }: TraceEvent, covers: boolean): void {
    const dirty = this.ept ? 0x200 : 0x40;
    const lost = oldLo & ~newLo;
    if (covers) {
      if ((oldLo & newLo & WRITABLE) !== 0 && (lost & dirty) !== 0) this.shown['d_bit_on_refault'] = 'N';
      return;
    }
    if ((lost & dirty) !== 0 && (newLo & WRITABLE) !== 0 && this.ept) this.host['pml'] = 'Y';
    if ((lost & WRITABLE) === 0) return;
    if (level > 1 && !this.splits) this.parameters['eager_page_split'] = 'N';
    if (level === 1 && this.ept && (lost & dirty) === 0) this.host['pml'] = 'N';
  }

  /** Format and rights of a leaf just made. */
  private leaf({ newHi, newLo, level }: TraceEvent): void {
    if (!isLeaf(newLo, level) || newLo === FROZEN) return;
    if ((newLo & EPT_TYPE) === EPT_WRITE_BACK) {
      this.ept = true;
      if ((newHi & (1 << 20)) !== 0) this.host['ad_bits'] = 'N';
    }
    const executable = this.ept ? (newLo & 4) !== 0 : newHi >= 0;
    if (level > 1 && (newLo & 1) !== 0 && !executable) this.parameters['nx_huge_pages'] = 'Y';
  }

  private takeArm64(event: TraceEvent): void {
    this.arch ??= 'arm64';
    this.topAddress = Math.max(this.topAddress, event.kind === Kind.GuestFault || event.kind === Kind.Map ? event.address : 0);
    switch (event.kind) {
      case Kind.Map: {
        const bytes = event.npages * 4096;
        if (PAGE_SIZES.includes(bytes) && (this.pageBytes === 0 || bytes < this.pageBytes)) this.pageBytes = bytes;
        return;
      }
      case Kind.MapVisit:
        this.startLevel = Math.min(this.startLevel, event.level);
        if (event.value === 4) this.shown['mmu_lock'] ??= 'rwlock';
        if ((event.oldLo & 3) === (event.level === 3 ? 3 : 1) && ((event.oldLo >>> 2) & 15) === 6) this.host['fwb'] = 'Y';
        return;
      case Kind.MapReturn:
        if (event.value === -11) this.shown['map_eagain'] = 'Y';
        return;
      case Kind.TlbiIpa:
        if (event.value === 1) this.shown['relax_tlbi'] = 'local';
        return;
      case Kind.TlbiVmid:
        if (event.value === 1) {
          this.shown['table_flush'] = 'range';
          this.host['tlbi_range'] = 'Y';
        }
    }
  }

  /** The newest kernel that does what the trace shows. */
  private kernelOf({ profiles, options }: BackendDefinition): string | undefined {
    const defaults = Object.fromEntries(options.map(spec => [spec.name, spec.default]));
    const fits = profiles.filter(({ name }) => this.isInBounds(numberOf(name)));
    const known = Object.entries(this.shown);
    const exact = fits.filter(({ values }) => known.every(([option, value]) => (values[option] ?? defaults[option] ?? value) === value));
    return (exact.at(-1) ?? fits.at(-1))?.name;
  }

  /** Releases that print and store entries as the trace has them. */
  private isInBounds(release: number): boolean {
    if (this.arch === 'arm64') return true;
    const tellsNothing = !this.has(Kind.SpteChanged);
    if (this.parentLevels && tellsNothing) return release < 5.013;
    if (this.newNonPresent) return release >= 6.01;
    if (this.oldNonPresent && release >= 6.01) return false;
    if (this.faultsNameVcpus === true && release < 6) return false;
    return !(this.faultsNameVcpus === false && release >= 6) && !(this.has(Kind.SpteChanged) && release < 5.013);
  }
}

/** A release as a number that grows: 6.12.117 is 6.012. */
function numberOf(name: string): number {
  const [major = '0', minor = '0'] = name.split('.');
  return Number(major) + Number(minor) / 1000;
}

function isLeaf(lo: number, level: number): boolean {
  return lo !== 0 && lo !== FROZEN && (level === 1 || (lo & HUGE) !== 0);
}
