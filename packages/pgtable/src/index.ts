/**
 * The radix page-table engine. Reading order: the shape of a table (geometry), what an entry's word says (word), where words live (node arena, leaf
 * tables, table tree, frame maps), what a world provides (mm_ops, bookkeeping), the engine's face and the engine, lifting, and the second driver: walks
 * that stop after each atomic step.
 */
export { Geometry } from './geometry';
export { AttrTable } from './attr-table';
export type { FrameMap } from './frame-map';
export { FrameTree } from './frame-tree';
export { MORE, PageOutcomes } from './page-outcomes';
export type { PageProgram } from './page-outcomes';
export type { PageCache } from './page-cache';
export { MAX_BATCH, PageBatch } from './page-batch';
export type { BlockView } from './block-view';
export { BlockEntries, UNREADABLE } from './block-entries';
export { RunList } from './run-list';
export { callOut, carryEffects } from './mm-ops';
export type { Bookkeeper, MmOps } from './mm-ops';
export { EngineFactory } from './engine';
export { callsOver, leavesAhead } from './engine';
export type { Engine, EngineParts, RangeOptions, WalkCounts } from './engine';
export { TableEngine } from './table-engine';
export { tableEngines } from './table-engines';
export { observedEngines } from './observed-engine';
export { NOT_LIFTED } from './run-program';
export type { Journal, RunProgram } from './run-program';
export { SharedTables } from './interleave-tables';
export type { EntryVisitor, SharedTablesParts } from './interleave-tables';
export { WalkFrame } from './interleave-frame';
export { PageWalk, RangeWalk, WALK_AGAIN } from './interleave';
export type { PageWalkOptions } from './interleave';
export { Version } from './version';
