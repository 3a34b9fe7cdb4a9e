/**
 * What a phase finds that earlier ones left behind: the dirty log's set bits. Host operations cost by them, and no counter of their own phase says how many.
 */
import type { PhaseWork } from '@mmulab/api';

/** The work of a phase, with the state it begins in. */
export interface CarriedWork extends PhaseWork {
  readonly carried: {
    /** Pages whose bit is set in the dirty log, of the whole VM. */
    readonly dirtyPages: number;
    /** Pages that have had a leaf of their own, of the whole VM: arm64 has no gauge of them. */
    readonly smallPages: number;
    /** How often the log has been read since the VM began: what it is read into is touched for the first time then. */
    readonly logReads: number;
    /** vCPUs of the VM, whether they run in the phase or not. */
    readonly vcpus: number;
  };
}

const STARTS = /^(?:enable_log|\d+_D)$/;
const READS = /^(?:get_log_\d+|\d+_G)$/;
const CLEARS = /^(?:clear_log_\d+|\d+_K[\d@].*|\d+_K)$/;
const STOPS = /^(?:disable_log|\d+_U)$/;

/**
 * The phases of a run, each with what it finds. A log that is cleared by a call of its own starts with every bit set (manual protection, initially set); one that is
 * not is cleared by being read.
 */
export function carriedWork(phases: readonly PhaseWork[]): readonly CarriedWork[] {
  const isManual = phases.some(({ phase }) => CLEARS.test(phase));
  const all = Math.max(...phases.map(work => work.vcpus));
  let isLogged = false;
  let dirtyPages = 0;
  let smallPages = 0;
  let logReads = 0;
  return phases.map(work => {
    const found = { ...work, carried: { dirtyPages, smallPages, logReads, vcpus: all } };
    const { phase, vcpus, vcpu, host, pages } = work;
    if (STARTS.test(phase)) [isLogged, dirtyPages] = [true, isManual ? pages : 0];
    else if (STOPS.test(phase)) [isLogged, dirtyPages] = [false, 0];
    else if (CLEARS.test(phase) || (!isManual && READS.test(phase))) dirtyPages = 0;
    else if (isLogged) dirtyPages = Math.min(pages, dirtyPages + (vcpu['dirty_bitmap.set'] ?? 0) * vcpus);
    if (READS.test(phase)) logReads++;
    smallPages = (host['eager_split'] ?? 0) > 0 ? pages : Math.min(pages, smallPages + (vcpu['leaf.install.4k'] ?? 0) * vcpus);
    return found;
  });
}
