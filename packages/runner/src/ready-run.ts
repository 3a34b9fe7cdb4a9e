/**
 * What was made to plan a run. Planning composes the backend, lays the VM out and creates it: whoever performs the run afterwards need not do that again.
 */
import type { WorkloadPlan } from '@mmulab/api';
import type { Composition } from './compose';

/** What a run is performed with. */
export interface Made {
  readonly composition: Composition;
  readonly plan: WorkloadPlan;
  /** Whether the backend has its VM. */
  readonly isCreated: boolean;
}

/** A run that was planned: its parts, with its VM as it was created. They are there to be used once. */
export class ReadyRun {
  private unused: Made | undefined;

  constructor(
    readonly plan: WorkloadPlan,
    composition: Composition,
  ) {
    this.unused = { composition, plan, isCreated: true };
  }

  /** The parts, for whoever asks first. */
  take(): Made | undefined {
    const { unused } = this;
    this.unused = undefined;
    return unused;
  }
}
