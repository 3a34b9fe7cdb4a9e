/**
 * The fields of KVM/arm64's events, and of probes on the functions of its page-table code.
 *
 * kvm_guest_fault is `ipa I, hsr S, hxfar X, pc P`, with `fault_type`-less layouts alike on all releases. Probes are set by whoever records, under names of their own; what they watch stands in
 * brackets behind the name, `(stage2_map_walker+0x0/0x1ec)`, and their arguments are `key=value`: a address, sz size, lv level, pte the entry, fl the kind of visit, prot rights, r what is returned.
 *
 * Models: Linux arch/arm64/kvm/trace_arm.h, arch/arm64/kvm/hyp/pgtable.c.
 */
import { keyBytes } from './scan';
import type { Scan } from './scan';
import type { TraceEvent } from './trace-event';

const PAGE_BYTES = 4096;
const IPA = keyBytes('ipa');
const HSR = keyBytes('hsr');
const ESR = keyBytes('esr');
const A = keyBytes('a');
const SZ = keyBytes('sz');
const PA = keyBytes('pa');
const PROT = keyBytes('prot');
const LV = keyBytes('lv');
const MC = keyBytes('mc');
const PTE = keyBytes('pte');
const FL = keyBytes('fl');
const R = keyBytes('r');
const START = keyBytes('start');

export function readGuestFault(scan: Scan, event: TraceEvent): boolean {
  if (!scan.key(IPA) || !scan.hex()) return false;
  setAddress(scan, event);
  const { pos } = scan;
  if (!scan.key(HSR)) {
    scan.pos = pos;
    if (!scan.key(ESR)) return false;
  }
  if (!scan.hex()) return false;
  event.value = scan.lo;
  return true;
}

/** `mmu notifier unmap range: 0xS -- 0xE`, `mmu notifier age hva: 0xS -- 0xE`. */
export function readHvaRange(scan: Scan, event: TraceEvent): boolean {
  const { bytes, end } = scan;
  while (scan.pos < end && bytes[scan.pos] !== 0x3a) scan.pos++;
  scan.pos++;
  if (!scan.hex()) return scan.key(START) && scan.hex();
  setAddress(scan, event);
  event.npages = 1;
  scan.skipSpaces();
  while (scan.pos < end && bytes[scan.pos] === 0x2d) scan.pos++;
  if (scan.hex()) event.npages = Math.max(1, Math.ceil((scan.number - event.address) / PAGE_BYTES));
  return true;
}

/** A call over a range: `a=… sz=…`, and for a map `pa=… prot=…`. */
export function readCall(scan: Scan, event: TraceEvent): boolean {
  if (!scan.key(A) || !scan.integer()) return false;
  setAddress(scan, event);
  event.npages = 1;
  event.value = 0;
  if (scan.key(SZ) && scan.integer()) event.npages = scan.number / PAGE_BYTES;
  if (scan.key(PA) && scan.hex()) {
    event.newHi = scan.hi;
    event.newLo = scan.lo;
  }
  if (scan.key(PROT) && scan.integer()) event.value = scan.number;
  event.space = scan.key(MC) && scan.hex() && scan.number === 0 ? 1 : 0;
  return true;
}

/** A visit of a walker: `a=… lv=… pte=… fl=…`. */
export function readVisit(scan: Scan, event: TraceEvent): boolean {
  if (!scan.key(A) || !scan.integer()) return false;
  setAddress(scan, event);
  if (!scan.key(LV) || !scan.integer()) return false;
  event.level = scan.number;
  event.oldHi = 0;
  event.oldLo = 0;
  if (scan.key(PTE) && scan.hex()) {
    event.oldHi = scan.hi;
    event.oldLo = scan.lo;
  }
  event.value = scan.key(FL) && scan.integer() ? scan.number : 1;
  return event.level >= -1 && event.level <= 3;
}

/** `r=…`: what a function returned. */
export function readReturn(scan: Scan, event: TraceEvent): boolean {
  if (!scan.key(R) || !scan.integer()) return false;
  // Printed as 32 or 64 bits without a sign, an error is a large number.
  const value = scan.number;
  event.value = value >= 2 ** 63 ? -(2 ** 64 - value) : value >= 2 ** 31 && value < 2 ** 32 ? value - 2 ** 32 : value;
  return true;
}

/** `a=… lv=…` of an invalidation. */
export function readTlbi(scan: Scan, event: TraceEvent): boolean {
  if (!scan.key(A) || !scan.integer()) return false;
  setAddress(scan, event);
  event.level = scan.key(LV) && scan.integer() ? scan.number : 0;
  event.value = 0;
  return true;
}

/** The same on this CPU alone. */
export function readLocalTlbi(scan: Scan, event: TraceEvent): boolean {
  const isRead = readTlbi(scan, event);
  event.value = 1;
  return isRead;
}

/** An invalidation of a whole VMID, and of a range. */
export function readVmidTlbi(_scan: Scan, event: TraceEvent): boolean {
  event.value = 0;
  return true;
}
export function readRangeTlbi(_scan: Scan, event: TraceEvent): boolean {
  event.value = 1;
  return true;
}

function setAddress(scan: Scan, event: TraceEvent): void {
  event.address = scan.number;
  event.gfn = Math.floor(scan.number / PAGE_BYTES);
}
