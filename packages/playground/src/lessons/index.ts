/**
 * The lessons, in the order of the documents they are about.
 */
import { cacheMaintenance } from './cache-maintenance';
import { dirtyLogging } from './dirty-logging';
import { execute } from './execute';
import type { Lesson } from './lesson';
import { nested } from './nested';
import { roots } from './roots';

export const LESSONS: readonly Lesson[] = [execute, dirtyLogging, cacheMaintenance, roots, nested];
