/**
 * The solvers by name.
 */
import { suggestName } from '@mmulab/api';
import { unknownSolver } from '../errors';
import { boundSolver } from './bound';
import { desSolver } from './des';
import { mvaSolver } from './mva';
import type { Solver } from './network';

/** All solvers; the first is the default. */
export const SOLVERS: readonly Solver[] = [mvaSolver, boundSolver, desSolver('exponential'), desSolver('constant')];

/** Finds a solver. @throws CONFIG_UNKNOWN_SOLVER with the nearest name */
export function findSolver(name: string): Solver {
  const found = SOLVERS.find(solver => solver.name === name);
  if (found === undefined)
    throw unknownSolver(
      name,
      suggestName(
        name,
        SOLVERS.map(solver => solver.name),
      ),
    );
  return found;
}
