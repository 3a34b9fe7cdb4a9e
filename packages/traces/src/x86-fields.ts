/**
 * The fields of KVM's x86 events, as the kernel prints them and as libtraceevent's plugin does.
 *
 * The layouts: kvm_page_fault has `address A error_code E` up to 5.19, with `vcpu V rip R` before it from 6.0 on; kvm_exit begins with `vcpu V` in the kernel's own words and not in
 * the plugin's, which names the reasons EXIT_NPF, EPT_VIOLATION; kvm_mmu_get_page is `sp gen G gfn F lL …` and, from the plugin, `new sp gfn F L …`; kvm_mmu_prepare_zap_page the same, except that
 * the plugin leaves out the frame. Each reader fills the event in and says whether the line had what it needs.
 *
 * Models: Linux arch/x86/kvm/trace.h, arch/x86/kvm/mmu/mmutrace.h.
 */
import { keyBytes } from './scan';
import type { Scan } from './scan';
import { ExitReason } from './trace-event';
import type { TraceEvent } from './trace-event';

const VCPU = keyBytes('vcpu');
const REASON = keyBytes('reason');
const ADDRESS = keyBytes('address');
const ERROR_CODE = keyBytes('error_code');
const GFN = keyBytes('gfn');
const LEVEL = keyBytes('level');
const OLD_SPTE = keyBytes('old_spte');
const NEW_SPTE = keyBytes('new_spte');
const SPTE = keyBytes('spte');
const GVA = keyBytes('gva');
const ADDR = keyBytes('addr');
const OLD = keyBytes('old');
const NEW = keyBytes('new');
const SPURIOUS = keyBytes('spurious');
const FIXED = keyBytes('fixed');
const ID = keyBytes('id');
const ERRNO = keyBytes('errno');
const PAGES = keyBytes('pages');
const START_GFN = keyBytes('start_gfn');
const PAGE_BYTES = 4096;

/** `vcpu V` at the position; -1 where there is none. */
function readVcpu(scan: Scan, event: TraceEvent): void {
  const { pos } = scan;
  if (scan.bytes[pos] === VCPU[0] && scan.key(VCPU) && scan.decimal()) event.vcpu = scan.number;
  else {
    event.vcpu = -1;
    scan.pos = pos;
  }
}

/** Words of exit reasons, as SVM and VMX name them, and the plugin. */
const REASONS: Readonly<Record<string, number>> = {
  npf: ExitReason.NestedPageFault,
  EXIT_NPF: ExitReason.NestedPageFault,
  EPT_VIOLATION: ExitReason.EptViolation,
  EPT_MISCONFIG: ExitReason.Mmio,
  io: ExitReason.Io,
  EXIT_IOIO: ExitReason.Io,
  IO_INSTRUCTION: ExitReason.Io,
  interrupt: ExitReason.Interrupt,
  EXIT_INTR: ExitReason.Interrupt,
  EXTERNAL_INTERRUPT: ExitReason.Interrupt,
  cr0_sel_write: ExitReason.ControlWrite,
  EXIT_CR0_SEL_WRITE: ExitReason.ControlWrite,
  write_cr0: ExitReason.ControlWrite,
  EXIT_WRITE_CR0: ExitReason.ControlWrite,
  CR_ACCESS: ExitReason.ControlWrite,
};
/** Reasons by a sum over their bytes: words are made only once. */
const knownReasons = new Map<number, number>();

export function readExit(scan: Scan, event: TraceEvent): boolean {
  readVcpu(scan, event);
  if (!scan.key(REASON)) return false;
  let hash = 7;
  let at = scan.pos;
  for (; at < scan.end && scan.bytes[at] !== 0x20; at++) hash = (Math.imul(hash, 31) + scan.bytes[at]) | 0;
  let reason = knownReasons.get(hash);
  if (reason === undefined) {
    reason = REASONS[scan.text(scan.pos, at)] ?? ExitReason.Other;
    knownReasons.set(hash, reason);
  }
  event.value = reason;
  return at > scan.pos;
}

export function readEntry(scan: Scan, event: TraceEvent): boolean {
  readVcpu(scan, event);
  return true;
}

export function readPageFault(scan: Scan, event: TraceEvent): boolean {
  readVcpu(scan, event);
  if (!scan.key(ADDRESS) || !scan.hex()) return false;
  event.address = scan.number;
  event.gfn = Math.floor(scan.number / PAGE_BYTES);
  if (!scan.key(ERROR_CODE) || !scan.hex()) return false;
  event.newHi = scan.hi;
  event.newLo = scan.lo;
  return true;
}

export function readSpteChanged(scan: Scan, event: TraceEvent): boolean {
  event.space = scan.key(ID) && scan.decimal() ? scan.number : 0;
  if (!readGfn(scan, event) || !readLevel(scan, event)) return false;
  return scan.key(OLD_SPTE) && readOld(scan, event) && scan.key(NEW_SPTE) && readNew(scan, event);
}

export function readSetSpte(scan: Scan, event: TraceEvent): boolean {
  return readGfn(scan, event) && scan.key(SPTE) && readNew(scan, event) && readLevel(scan, event);
}

/** `gfn F lL …` of the kernel, `gfn F L …` of the plugin. */
export function readGetPage(scan: Scan, event: TraceEvent): boolean {
  const isNew = scan.bytes[scan.pos] === 0x6e;
  if (!readGfn(scan, event) || !readPageLevel(scan, event)) return false;
  event.value = isNew || endsWithNew(scan) ? 1 : 0;
  return true;
}

export function readZapPage(scan: Scan, event: TraceEvent): boolean {
  const { pos } = scan;
  if (!readGfn(scan, event)) {
    scan.pos = pos;
    event.gfn = -1;
  }
  return readPageLevel(scan, event);
}

export function readFastFault(scan: Scan, event: TraceEvent): boolean {
  readVcpu(scan, event);
  const { pos } = scan;
  if (!scan.key(GVA)) {
    scan.pos = pos;
    if (!scan.key(ADDR)) return false;
  }
  if (!scan.hex()) return false;
  event.address = scan.number;
  event.gfn = Math.floor(scan.number / PAGE_BYTES);
  if (!scan.key(OLD) || !readOld(scan, event) || !scan.key(NEW) || !readNew(scan, event)) return false;
  if (!scan.key(SPURIOUS) || !scan.decimal()) return false;
  const spurious = scan.number;
  if (!scan.key(FIXED) || !scan.decimal()) return false;
  event.value = spurious | (scan.number << 1);
  return true;
}

export function readSplitHuge(scan: Scan, event: TraceEvent): boolean {
  if (!readGfn(scan, event)) return false;
  const { pos } = scan;
  if (!scan.key(SPTE) || !readOld(scan, event)) return false;
  if (!readLevel(scan, event)) scan.pos = pos;
  event.value = scan.key(ERRNO) && scan.decimal() ? scan.number : 0;
  return true;
}

export function readMmio(scan: Scan, event: TraceEvent): boolean {
  return readGfn(scan, event);
}

/** `cr_write 0 = 0x80010031`, `cr_read …`. */
export function readControlRegister(scan: Scan, event: TraceEvent): boolean {
  event.space = scan.word() === 'cr_write' ? 1 : 0;
  if (!scan.decimal()) return false;
  event.value = scan.number;
  scan.skipSpaces();
  if (scan.bytes[scan.pos] === 0x3d) scan.pos++;
  return readNew(scan, event);
}

/** Probes on the flush functions: with a range, or without. */
export function readFlush(scan: Scan, event: TraceEvent): boolean {
  event.gfn = -1;
  event.npages = 0;
  if (!scan.key(START_GFN) || !scan.hex()) return true;
  event.gfn = scan.number;
  if (scan.key(PAGES) && scan.integer()) event.npages = scan.number;
  return true;
}

export function readGuestWalk(scan: Scan, event: TraceEvent): boolean {
  if (!scan.key(ADDR) || !scan.hex()) return false;
  event.address = scan.number;
  return true;
}

function readGfn(scan: Scan, event: TraceEvent): boolean {
  if (!scan.key(GFN) || !scan.hex()) return false;
  event.gfn = scan.number;
  return true;
}

function readLevel(scan: Scan, event: TraceEvent): boolean {
  if (!scan.key(LEVEL) || !scan.decimal()) return false;
  event.level = scan.number;
  return event.level >= 1 && event.level <= 5;
}

function readPageLevel(scan: Scan, event: TraceEvent): boolean {
  scan.skipSpaces();
  if (scan.bytes[scan.pos] === 0x6c) scan.pos++;
  if (!scan.decimal()) return false;
  event.level = scan.number;
  return event.level >= 1 && event.level <= 5;
}

function readOld(scan: Scan, event: TraceEvent): boolean {
  if (!scan.hex()) return false;
  event.oldHi = scan.hi;
  event.oldLo = scan.lo;
  return true;
}

function readNew(scan: Scan, event: TraceEvent): boolean {
  if (!scan.hex()) return false;
  event.newHi = scan.hi;
  event.newLo = scan.lo;
  return true;
}

function endsWithNew(scan: Scan): boolean {
  const { bytes, end } = scan;
  return bytes[end - 1] === 0x77 && bytes[end - 2] === 0x65 && bytes[end - 3] === 0x6e;
}
