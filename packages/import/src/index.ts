/**
 * Formats people already have: module parameters, configurations of virtual machines, lists of tests, counts of a real kernel. Reading order: what a file says,
 * then what becomes of it.
 */
export { FORMATS, readImport } from './read';
export type { Imported, ImportedCommand, ImportedCounts, ImportedMemory, ImportedSetting, LeftOut } from './imported';
export { configOf, configText, leftOutNotes, underlayImport } from './as-config';
export type { ImportedConfig } from './as-config';
export { recordOf, resultOf } from './as-record';
export type { CountedRun } from './as-record';
