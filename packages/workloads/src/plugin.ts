/**
 * The workloads, as a plugin.
 */
import 'reflect-metadata';
import { contributeWorkload } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { AccessRounds, accessRoundsDefinition } from './access-rounds';
import { DirtyLogPerf, dirtyLogPerfDefinition } from './dirty-log-perf';
import { ExecutePerf, executePerfDefinition } from './execute-perf';
import { KvmPageTable, kvmPageTableDefinition } from './kvm-page-table';

/** Registers all workloads of the package. */
export default new ContainerModule(load => {
  contributeWorkload(load, dirtyLogPerfDefinition, DirtyLogPerf);
  contributeWorkload(load, executePerfDefinition, ExecutePerf);
  contributeWorkload(load, kvmPageTableDefinition, KvmPageTable);
  contributeWorkload(load, accessRoundsDefinition, AccessRounds);
});
