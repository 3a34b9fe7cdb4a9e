/**
 * The world of real engines: the table engine and page planes of this package.
 */
import type { EngineWorld } from './engine';
import { makeEngine } from './make-engine';
import { PagePlane } from './page-plane';

/** Engines with slots, range walks and memory of blocks. */
export const tableWorld: EngineWorld = {
  makeEngine,
  makePlane: geometry => new PagePlane(geometry),
};
