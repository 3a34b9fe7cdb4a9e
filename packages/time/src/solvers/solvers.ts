/**
 * The solvers by name.
 */
import { boundSolver } from './bound';
import { desSolver } from './des';
import { mvaSolver } from './mva';
import type { ContentionSolver } from '@mmulab/api';

/** All solvers; the first is the default. */
export const SOLVERS: readonly ContentionSolver[] = [mvaSolver, boundSolver, desSolver('exponential'), desSolver('constant')];
