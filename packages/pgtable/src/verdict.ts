/**
 * How a packed verdict is taken apart: the functions of `@mmulab/api`, as constants of this package. A name that another package re-exports is a call of a
 * getter each time it is used. Hot path.
 */
import { verdictAction, verdictAttr, verdictEffects, verdictOutcome, verdictTableAttr } from '@mmulab/api';

export const actionOf = verdictAction;
export const attrOf = verdictAttr;
export const tableAttrOf = verdictTableAttr;
export const effectsOf = verdictEffects;
export const outcomeOf = verdictOutcome;
