/**
 * Which event of a trace is which, and who reads its fields. Events of the kernel go by their name; probes go by the function they watch, whatever they are called.
 */
import { readCall, readGuestFault, readHvaRange, readLocalTlbi, readRangeTlbi, readReturn, readTlbi, readVisit, readVmidTlbi } from './arm64-fields';
import type { Scan } from './scan';
import { Kind } from './trace-event';
import type { TraceEvent } from './trace-event';
import {
  readControlRegister,
  readEntry,
  readExit,
  readFastFault,
  readFlush,
  readGetPage,
  readGuestWalk,
  readMmio,
  readPageFault,
  readSetSpte,
  readSplitHuge,
  readSpteChanged,
  readZapPage,
} from './x86-fields';

/** Fills in an event from the fields of its line. @returns whether the line has what the event needs */
export type ReadFields = (scan: Scan, event: TraceEvent) => boolean;

/** An event, by what it is and how it is read. */
export interface EventReader {
  readonly kind: number;
  readonly read: ReadFields;
}

const nothing: ReadFields = () => true;
const readIoctl: ReadFields = (scan, event) => {
  const cmd = /\bcmd: (?:0x)?([0-9a-f]+)/.exec(scan.rest())?.[1];
  event.value = parseInt(cmd ?? '0', 16);
  return cmd !== undefined;
};
const readMarker: ReadFields = (scan, event) => {
  event.text = scan.rest();
  return true;
};
const reader = (kind: number, read: ReadFields = nothing): EventReader => ({ kind, read });

/** Events of the kernel by name. */
const EVENTS: Readonly<Record<string, EventReader>> = {
  kvm_exit: reader(Kind.Exit, readExit),
  kvm_entry: reader(Kind.Entry, readEntry),
  kvm_page_fault: reader(Kind.PageFault, readPageFault),
  kvm_cr: reader(Kind.ControlRegister, readControlRegister),
  kvm_tdp_mmu_spte_changed: reader(Kind.SpteChanged, readSpteChanged),
  kvm_mmu_set_spte: reader(Kind.SetSpte, readSetSpte),
  kvm_mmu_get_page: reader(Kind.GetPage, readGetPage),
  kvm_mmu_prepare_zap_page: reader(Kind.ZapPage, readZapPage),
  kvm_mmu_sync_page: reader(Kind.SyncPage, readGetPage),
  kvm_mmu_split_huge_page: reader(Kind.SplitHuge, readSplitHuge),
  fast_page_fault: reader(Kind.FastFault, readFastFault),
  handle_mmio_page_fault: reader(Kind.MmioFault, readMmio),
  mark_mmio_spte: reader(Kind.MarkMmio, readMmio),
  kvm_mmu_pagetable_walk: reader(Kind.GuestWalk, readGuestWalk),
  kvm_guest_fault: reader(Kind.GuestFault, readGuestFault),
  kvm_unmap_hva_range: reader(Kind.UnmapHva, readHvaRange),
  kvm_age_hva: reader(Kind.AgeHva, readHvaRange),
  kvm_test_age_hva: reader(Kind.TestAgeHva, readHvaRange),
  kvm_set_spte_hva: reader(Kind.SetSpteHva, readHvaRange),
  kvm_set_way_flush: reader(Kind.CacheFlush),
  kvm_toggle_cache: reader(Kind.CacheFlush),
  tracing_mark_write: reader(Kind.Marker, readMarker),
  print: reader(Kind.Marker, readMarker),
  sys_enter_ioctl: reader(Kind.Ioctl, readIoctl),
  sys_exit_ioctl: reader(Kind.IoctlReturn),
};

/** Probes by the function they watch; `<-` those of its return. */
const PROBES: Readonly<Record<string, EventReader>> = {
  kvm_flush_remote_tlbs: reader(Kind.Flush, readFlush),
  kvm_flush_remote_tlbs_range: reader(Kind.Flush, readFlush),
  kvm_flush_remote_tlbs_with_address: reader(Kind.Flush, readFlush),
  kvm_arch_flush_remote_tlbs_memslot: reader(Kind.Noted),
  kvm_flush_remote_tlbs_memslot: reader(Kind.Noted),
  kvm_pgtable_stage2_map: reader(Kind.Map, readCall),
  '<-kvm_pgtable_stage2_map': reader(Kind.MapReturn, readReturn),
  stage2_map_walker: reader(Kind.MapVisit, readVisit),
  kvm_pgtable_stage2_relax_perms: reader(Kind.Relax, readCall),
  '<-kvm_pgtable_stage2_relax_perms': reader(Kind.RelaxReturn, readReturn),
  stage2_attr_walker: reader(Kind.AttrVisit, readVisit),
  kvm_pgtable_stage2_wrprotect: reader(Kind.WriteProtect, readCall),
  stage2_unmap_walker: reader(Kind.UnmapVisit, readVisit),
  kvm_pgtable_stage2_unmap: reader(Kind.Unmap, readCall),
  kvm_pgtable_stage2_mkyoung: reader(Kind.Mkyoung, readCall),
  kvm_pgtable_stage2_mkold: reader(Kind.Mkold, readCall),
  kvm_pgtable_stage2_test_clear_young: reader(Kind.Mkold, readCall),
  stage2_age_walker: reader(Kind.AttrVisit, readVisit),
  kvm_pgtable_stage2_split: reader(Kind.Split, readCall),
  stage2_split_walker: reader(Kind.SplitVisit, readVisit),
  '<-kvm_mmu_memory_cache_alloc': reader(Kind.TableAlloc),
  '<-stage2_memcache_zalloc_page': reader(Kind.TableAlloc),
  __kvm_tlb_flush_vmid_ipa: reader(Kind.TlbiIpa, readTlbi),
  __kvm_tlb_flush_vmid_ipa_nsh: reader(Kind.TlbiIpa, readLocalTlbi),
  __kvm_tlb_flush_vmid: reader(Kind.TlbiVmid, readVmidTlbi),
  __kvm_tlb_flush_vmid_range: reader(Kind.TlbiVmid, readRangeTlbi),
  '<-kvm_handle_guest_abort': reader(Kind.AbortReturn, readReturn),
  clean_dcache_guest_page: reader(Kind.DcacheClean),
  __clean_dcache_guest_page: reader(Kind.DcacheClean),
  kvm_mmu_topup_memory_cache: reader(Kind.Noted),
  kvm_host_get_page: reader(Kind.Noted),
  kvm_host_put_page: reader(Kind.Noted),
  kvm_s2_put_page: reader(Kind.Noted),
  invalidate_icache_guest_page: reader(Kind.Noted),
  mark_page_dirty_in_slot: reader(Kind.MarkDirty),
  kvm_arch_commit_memory_region: reader(Kind.Noted),
};

const OTHER = reader(Kind.Other);

/** What an event is, by its name and, of a probe, the first brackets of its text: `(func+0x0/0x10 [module])`, `(caller+0x4/0x10 <- func)`. */
export function eventReader(name: string, text: string): EventReader {
  if (Object.hasOwn(EVENTS, name)) return EVENTS[name] ?? OTHER;
  const at = /^\((?:\w+(?:\.\w+)*\+0x[0-9a-f]+\/0x[0-9a-f]+(?: \[\w+\])? <- (\w+)|(\w+)\+0x([0-9a-f]+)\/0x[0-9a-f]+)/.exec(text);
  if (at === null) return OTHER;
  const [, returned, entered, offset] = at;
  // A probe inside a function is not its entry, and tells of something else.
  const key = returned !== undefined ? `<-${returned}` : offset === '0' ? (entered ?? '') : '';
  return Object.hasOwn(PROBES, key) ? (PROBES[key] ?? OTHER) : key === '' && entered !== undefined ? reader(Kind.Noted) : OTHER;
}

/** Whether a replay makes use of an event, or takes note of it at least. */
export function isUsed(kind: number): boolean {
  return kind !== Kind.Other;
}
