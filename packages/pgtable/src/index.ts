/**
 * The radix page-table engine. Reading order: the shape of a table (geometry), what an entry's word says (slot), where words live (node arena, leaf
 * tables, table tree, page planes), what a world provides (mm_ops, bookkeeping), the engine's face and the engine, lifting.
 */
export { Geometry } from './geometry';
export { AttrTable } from './attr-table';
export { PagePlane } from './page-plane';
export { RunList } from './run-list';
export type { Bookkeeper, MmOps } from './mm-ops';
export { EngineWorld } from './engine';
export type { Engine, EngineClass, EngineParts, Plane, RangeOptions } from './engine';
export { makeEngine } from './make-engine';
export { tableWorld } from './table-world';
export type { Journal, RunProgram } from './lift';
