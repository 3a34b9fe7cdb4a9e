/**
 * How many accesses a plan has: what a run that takes them one by one has to know beforehand.
 */
import type { VcpuStep, WorkloadPlan } from '@mmulab/api';

/** Accesses of all vCPUs in all phases; phases are counted until there are more than `limit`. */
export function accessesOf({ phases }: WorkloadPlan, limit: number): number {
  let accesses = 0;
  for (const { steps } of phases) {
    for (const step of steps) if (step.kind === 'guest') for (const program of step.programs) accesses += accessesIn(program);
    if (accesses > limit) break;
  }
  return accesses;
}

function accessesIn(steps: readonly VcpuStep[]): number {
  return steps.reduce((sum, step) => {
    if (step.op === 'repeat') return sum + step.times * accessesIn(step.steps);
    if (step.op === 'table') return sum + step.writes.count;
    return sum + (step.op === 'access' || step.op === 'random' ? step.run.count : 0);
  }, 0);
}
