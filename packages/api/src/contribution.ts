/**
 * What a plugin's module is loaded into, as far as contributions need it.
 */
import type { ServiceIdentifier } from 'inversify';

/** The part of inversify's module load options the contributions need. */
export interface ContributionLoad {
  bind<T>(identifier: ServiceIdentifier<T>): { toConstantValue(value: T): unknown };
}
