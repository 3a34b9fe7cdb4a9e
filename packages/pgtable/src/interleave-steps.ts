/**
 * What the stepwise walks know of single protocol steps: their names, which of them nobody else can see, which are calls into the surrounding world.
 */
import { Step } from '@mmulab/api';
import type { MmOps } from './mm-ops';

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

/** Does a step that is a call into the surrounding world. @returns false when it is none */
export function callOut(step: Step, mmOps: MmOps, gfn: number, level: number): boolean {
  switch (step) {
    case Step.Flush:
      mmOps.flushRemoteTlbs?.(gfn, level, 1);
      return true;
    case Step.Tlbi:
      mmOps.tlbi?.(gfn, level, 1);
      return true;
    case Step.DcacheClean:
      mmOps.dcacheCleanInvalPoc?.(gfn, level, 1);
      return true;
    case Step.IcacheInval:
      mmOps.icacheInvalPou?.(gfn, level, 1);
      return true;
    case Step.GetPage:
      mmOps.getPage?.(gfn, level, 1);
      return true;
    case Step.PutPage:
      mmOps.putPage?.(gfn, level, 1);
      return true;
    default:
      return false;
  }
}
