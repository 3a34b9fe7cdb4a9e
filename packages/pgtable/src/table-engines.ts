/**
 * Where real engines come from: the table engine and the frame maps of this package.
 */
import type { EngineFactory } from './engine';
import { makeEngine } from './make-engine';
import { FrameTree } from './frame-tree';

/** Engines with entries, range walks and memory of blocks. */
export const tableEngines: EngineFactory = {
  makeEngine,
  makeFrameMap: geometry => new FrameTree(geometry),
};
