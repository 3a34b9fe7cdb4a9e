/**
 * Where real engines come from: the table engine and the frame maps of this package.
 */
import type { EngineFactory } from './engine';
import { FrameTree } from './frame-tree';
import { TableEngine } from './table-engine';

/** Engines with entries, range walks and memory of blocks. */
export const tableEngines: EngineFactory = {
  makeEngine: parts => new TableEngine(parts),
  makeFrameMap: geometry => new FrameTree(geometry),
};
