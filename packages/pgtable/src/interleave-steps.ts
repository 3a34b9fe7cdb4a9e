/**
 * What the stepwise walks know of single protocol steps: their names, which of them nobody else can see, which are calls into the surrounding world.
 */
import { Step } from '@mmulab/api';
import { callOf } from './mm-ops';

const NAMES = Object.keys(Step);

/** A step's name, for schedules. */
export function stepName(step: Step): string {
  return NAMES[step] ?? String(step);
}

/** Whether a step touches nothing that another walk can see: it then commutes with every step of every other walk. */
export function isPrivateStep(step: Step, hasPendingTable: boolean): boolean {
  return step === Step.AllocTable || (step === Step.FillTable && hasPendingTable);
}

/** Whether a step takes translations away. */
export function isFlushStep(step: Step): boolean {
  return step === Step.Flush || step === Step.Tlbi;
}

/** Whether a step is a call into the surrounding world and nothing else. */
export function isCallStep(step: Step): boolean {
  return callOf(step) !== undefined;
}
