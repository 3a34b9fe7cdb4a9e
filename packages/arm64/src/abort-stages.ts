/**
 * The stages of an abort as the scheduler sees them: durations, and the lock held.
 *
 * Durations are nominal; only their ratios matter, for the order of events. Sources: the fit of the published tables (lock and walk 1.05 µs, broadcast TLBI
 * 2.46 µs, 7.68 ns per cache line cleaned, exit and entry about 1.5 µs together, host fault 1 µs).
 *
 * mmu_lock is a spinlock up to 5.17; a rwlock taken for reading where pages are relaxed under dirty logging from 5.18 on; taken for reading by all
 * faults from 6.2 on. The notifier always excludes everybody.
 */
import type { StageDef } from '@mmulab/api';
import { hostStages } from '@mmulab/kvm';
import { cleanNs } from './cmo';
import { MmuLockMode } from './policy';
import type { Stage2Policy } from './policy';
import { leafBytes } from './stage2-geometry';

/** Stages by number. */
export const Stage = {
  /** Out of the guest: the abort is counted, the memory cache topped up, the notifier sequence sampled. */
  Exit: 0,
  /** The host resolves the page; the stages behind it are those of `HostWork`. */
  HostPage: 1,
  HostAlloc: 2,
  HostClear2: 3,
  HostClear3: 4,
  HostCopy: 5,
  HostSplit: 6,
  /** Copy-on-write or a host split: notifier start, change_pte, notifier end. */
  NotifyStart: 7,
  ChangePte: 8,
  NotifyEnd: 9,
  /** Under mmu_lock: retry test, sizes, the way down. */
  Map: 10,
  /** Under mmu_lock for reading: rights added to one page (5.18 to 6.1). */
  Relax: 11,
  /** Cache maintenance under the lock, by level of the leaf. */
  Clean1: 12,
  Clean2: 13,
  Clean3: 14,
  /** TLB invalidation under the lock. */
  Tlbi: 15,
  RelaxTlbi: 16,
  Mkyoung: 17,
  Resume: 18,
} as const;

const HOST_PAGE_NS = 1000;
const BROADCAST_TLBI_NS = 2460;
/** Not in the published tables: a local invalidation waits for nobody. */
const LOCAL_TLBI_NS = 250;

/** The stages for one machine and kernel. */
export function abortStages(policy: Stage2Policy): readonly StageDef[] {
  const lock = policy.lockMode === MmuLockMode.Shared ? 'read' : 'write';
  const relaxLock = policy.lockMode === MmuLockMode.Exclusive ? 'write' : 'read';
  const clean = (level: number): number => cleanNs(leafBytes(policy.granuleBytes, level));
  const relaxTlbiNs = policy.relaxLocal ? LOCAL_TLBI_NS : BROADCAST_TLBI_NS;
  return [
    { name: 'exit', nominalNs: 600, lock: 'none' },
    ...hostStages(HOST_PAGE_NS),
    { name: 'notifier_start', nominalNs: 1050, lock: 'write' },
    { name: 'change_pte', nominalNs: 1050, lock: 'write' },
    { name: 'notifier_end', nominalNs: 200, lock: 'write' },
    { name: 'map', nominalNs: 1050, lock },
    { name: 'relax', nominalNs: 1050, lock: relaxLock },
    { name: 'clean.page', nominalNs: clean(1), lock },
    { name: 'clean.pmd', nominalNs: clean(2), lock },
    { name: 'clean.pud', nominalNs: clean(3), lock },
    { name: 'tlbi', nominalNs: BROADCAST_TLBI_NS, lock },
    { name: 'relax_tlbi', nominalNs: relaxTlbiNs, lock: relaxLock },
    { name: 'mkyoung', nominalNs: 600, lock },
    { name: 'resume', nominalNs: 900, lock: 'none' },
  ];
}
