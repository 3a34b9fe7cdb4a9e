/**
 * The workloads, and the guests they run in, as a plugin.
 */
import 'reflect-metadata';
import { contributeGuest, contributeWorkload } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { AccessRounds, accessRoundsDefinition } from './access-rounds';
import { AccessTracking, accessTrackingDefinition } from './access-tracking';
import { Cr0WpChurn, cr0WpChurnDefinition } from './cr0-wp-churn';
import { CrChurn, crChurnDefinition } from './cr-churn';
import { DemandPaging, demandPagingDefinition } from './demand-paging';
import { DirtyLogTest, dirtyLogDefinition } from './dirty-log';
import { DirtyLogPageSplitting, dirtyLogPageSplittingDefinition } from './dirty-log-page-splitting';
import { DirtyLogPerf, dirtyLogPerfDefinition } from './dirty-log-perf';
import { ExecutePerf, executePerfDefinition } from './execute-perf';
import { ARM64_GUEST, X86_GUEST } from './guest-image';
import { GuestTableRounds, guestTableRoundsDefinition } from './guest-table-rounds';
import { KvmPageTable, kvmPageTableDefinition } from './kvm-page-table';
import { MemslotModificationStress, memslotModificationStressDefinition } from './memslot-modification-stress';
import { MemslotPerf } from './memslot-perf';
import { memslotPerfDefinition } from './memslot-perf-options';
import { NestedRounds, nestedRoundsDefinition } from './nested-rounds';
import { NxHugePages, nxHugePagesDefinition } from './nx-huge-pages';

/** Registers all workloads and guests of the package. */
export default new ContainerModule(load => {
  contributeGuest(load, X86_GUEST);
  contributeGuest(load, ARM64_GUEST);
  contributeWorkload(load, dirtyLogPerfDefinition, DirtyLogPerf);
  contributeWorkload(load, executePerfDefinition, ExecutePerf);
  contributeWorkload(load, kvmPageTableDefinition, KvmPageTable);
  contributeWorkload(load, accessTrackingDefinition, AccessTracking);
  contributeWorkload(load, demandPagingDefinition, DemandPaging);
  contributeWorkload(load, accessRoundsDefinition, AccessRounds);
  contributeWorkload(load, crChurnDefinition, CrChurn);
  contributeWorkload(load, cr0WpChurnDefinition, Cr0WpChurn);
  contributeWorkload(load, nestedRoundsDefinition, NestedRounds);
  contributeWorkload(load, guestTableRoundsDefinition, GuestTableRounds);
  contributeWorkload(load, nxHugePagesDefinition, NxHugePages);
  contributeWorkload(load, dirtyLogPageSplittingDefinition, DirtyLogPageSplitting);
  contributeWorkload(load, dirtyLogDefinition, DirtyLogTest);
  contributeWorkload(load, memslotPerfDefinition, MemslotPerf);
  contributeWorkload(load, memslotModificationStressDefinition, MemslotModificationStress);
});
