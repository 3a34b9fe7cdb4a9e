/**
 * The stages of a TDP page fault as the scheduler sees them. Durations are nominal: about those of the published tables' fault costs, split by share of the path.
 */
import type { StageDef } from '@mmulab/api';
import { hostStages } from '@mmulab/kvm';
import type { FaultPolicy } from './fault-vm';

/** Stages by number. Those behind HostPage are the host's work (`HostWork`). */
export const Stage = { Exit: 0, FastFault: 1, HostPage: 2, HostSplit: 7, Walk: 8, Map: 9, Resume: 10 } as const;

const HOST_PAGE_NS = 250;

/** The stages, by number. */
const tdpStages: readonly StageDef[] = [
  { name: 'exit', nominalNs: 350, lock: 'none' },
  { name: 'fast_page_fault', nominalNs: 60, lock: 'none' },
  ...hostStages(HOST_PAGE_NS),
  { name: 'walk', nominalNs: 70, lock: 'read' },
  { name: 'map', nominalNs: 80, lock: 'read' },
  { name: 'resume', nominalNs: 300, lock: 'none' },
];

/** The same where mmu_lock is a spinlock: the walk belongs to the map stage, and nobody comes between. */
const exclusiveStages: readonly StageDef[] = tdpStages.map(stage => (stage.name === 'map' ? { ...stage, nominalNs: 150, lock: 'write' } : stage));

/** The stages of a release. */
export function tdpStagesOf({ parallelFaults }: Pick<FaultPolicy, 'parallelFaults'>): readonly StageDef[] {
  return parallelFaults ? tdpStages : exclusiveStages;
}
