/**
 * One event of a trace, as the parser leaves it: numbers in fields of one object that is used again for every line. Which fields an event sets stands at its kind.
 *
 * 64-bit words are kept in two halves: shifts and masks cut at 32 bits.
 */

/** Events the replay knows. */
export const Kind = {
  /** A line without an event, or one that is no concern of the MMU. */
  Other: 0,
  /** kvm_exit: vcpu (or -1), `value` a code of ExitReason. */
  Exit: 1,
  /** kvm_entry: vcpu (or -1). */
  Entry: 2,
  /** x86 kvm_page_fault: vcpu (or -1), address, error code in newHi, newLo. */
  PageFault: 3,
  /** kvm_tdp_mmu_spte_changed: space, gfn, level, old and new. */
  SpteChanged: 4,
  /** kvm_mmu_set_spte: gfn, new, level. */
  SetSpte: 5,
  /** kvm_mmu_get_page: gfn, level, `value` 1 when created. */
  GetPage: 6,
  /** kvm_mmu_prepare_zap_page: gfn (-1 where the text has none), level. */
  ZapPage: 7,
  /** fast_page_fault: vcpu, address, old and new, `value` bit 0 spurious, bit 1 fixed. */
  FastFault: 8,
  /** kvm_mmu_split_huge_page: gfn, level, `value` error number, old. */
  SplitHuge: 9,
  /** handle_mmio_page_fault: gfn. */
  MmioFault: 10,
  /** mark_mmio_spte: gfn. */
  MarkMmio: 11,
  /** kvm_cr: `value` number of the register, newHi and newLo its value, `space` 1 for a write. */
  ControlRegister: 12,
  /** A request to flush remote TLBs (probe), whole: address -1, or of a range: gfn, npages. */
  Flush: 13,
  /** kvm_mmu_sync_page: gfn, level. */
  SyncPage: 14,
  /** kvm_mmu_pagetable_walk: address, `value` error code. */
  GuestWalk: 15,
  /** arm64 kvm_guest_fault: address is the IPA, `value` the syndrome. */
  GuestFault: 20,
  /** arm64 kvm_unmap_hva_range: address, npages from start and end. */
  UnmapHva: 21,
  /** kvm_age_hva, kvm_test_age_hva. */
  AgeHva: 22,
  TestAgeHva: 23,
  /** kvm_set_spte_hva (change_pte). */
  SetSpteHva: 24,
  /** kvm_set_way_flush, kvm_toggle_cache. */
  CacheFlush: 25,
  /** Probe on kvm_pgtable_stage2_map: address, npages, newHi and newLo the output address, `value` rights, `space` 1 without a memory cache. */
  Map: 30,
  /** Its return: `value`. */
  MapReturn: 31,
  /** Probe on stage2_map_walker: address, level (arm64 numbering), old, `value` kind of visit. */
  MapVisit: 32,
  /** Probe on kvm_pgtable_stage2_relax_perms: address, `value` rights. */
  Relax: 33,
  RelaxReturn: 34,
  /** Probe on stage2_attr_walker: address, level, old. */
  AttrVisit: 35,
  /** Probe on kvm_pgtable_stage2_wrprotect: address, npages. */
  WriteProtect: 36,
  /** Probe on the allocation of a table page. */
  TableAlloc: 37,
  /** Probe on an invalidation by IPA: address, level, `value` 1 for a local one. */
  TlbiIpa: 38,
  /** Probe on an invalidation of the whole VMID, or (`value` 1) of a range. */
  TlbiVmid: 39,
  /** Probe on stage2_unmap_walker: address, level, old, `value` kind of visit. */
  UnmapVisit: 40,
  /** Probe on kvm_pgtable_stage2_unmap: address, npages. */
  Unmap: 41,
  /** Probe on kvm_pgtable_stage2_mkyoung, mkold: address. */
  Mkyoung: 42,
  Mkold: 43,
  /** Probe on kvm_handle_guest_abort's return: `value`. */
  AbortReturn: 44,
  /** Probe on data-cache maintenance: npages. */
  DcacheClean: 45,
  /** A probe whose events need nothing done. */
  Noted: 46,
  /** tracing_mark_write: a marker of the recorder. */
  Marker: 47,
  /** ioctl of a vCPU's or VM's user (syscalls:sys_enter_ioctl): `value` its number. */
  Ioctl: 48,
  /** Its return: `value`. */
  IoctlReturn: 52,
  /** Probe on mark_page_dirty_in_slot. */
  MarkDirty: 53,
  /** Lost events: `value` how many. */
  Lost: 49,
  /** Probe on kvm_pgtable_stage2_split: address, npages. */
  Split: 50,
  /** Probe on stage2_split_walker: address, level, old. */
  SplitVisit: 51,
} as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Why a vCPU left the guest, as far as it matters. */
export const ExitReason = { Other: 0, NestedPageFault: 1, ControlWrite: 2, Io: 3, Interrupt: 4, Mmio: 5, EptViolation: 6 } as const;

/** The event of one line. */
export class TraceEvent {
  kind: number = Kind.Other;
  /** Number of the line, from 1. */
  line = 0;
  tid = 0;
  cpu = 0;
  timeNs = 0;
  vcpu = -1;
  address = 0;
  gfn = 0;
  npages = 0;
  level = 0;
  space = 0;
  value = 0;
  oldHi = 0;
  oldLo = 0;
  newHi = 0;
  newLo = 0;
  /** Text of a marker. */
  text = '';
}

/** What is done with an event, by its kind; with kinds that are not there, nothing. */
export type Takers = Readonly<Record<number, ((event: TraceEvent) => void) | undefined>>;
