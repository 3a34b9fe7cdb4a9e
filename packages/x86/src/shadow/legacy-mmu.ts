/**
 * The parts of one VM's legacy MMU, put together: shadow pages, mapping, synchronisation, roots, host operations.
 */
import type { GuestTables } from '@mmulab/api';
import { hasGptes } from '../roots/role';
import type { VmParts } from '../vm-parts';
import type { GuestMemory } from './guest-memory';
import { PageLookup } from './page-lookup';
import { ShadowLeaves } from './shadow-leaves';
import { ShadowMapper } from './shadow-mapper';
import { ShadowMmu } from './shadow-mmu';
import type { ShadowVm } from './shadow-mmu';
import { NO_PAGE } from './shadow-page';
import { ShadowRoots } from './shadow-roots';
import { RmapOps } from './rmap-ops';
import { ShadowSync } from './sync';
import { WriteTrack } from './write-track';

/** One VM's legacy MMU. */
export class LegacyMmu {
  readonly track = new WriteTrack();
  readonly memory: GuestMemory;
  readonly mmu: ShadowMmu;
  readonly map: ShadowMapper;
  readonly sync: ShadowSync;
  readonly roots: ShadowRoots;
  readonly tables: RmapOps;

  constructor({ world, slots, journal, nxLists, layout, memory }: VmParts, vm: ShadowVm) {
    this.memory = memory;
    this.mmu = new ShadowMmu(world.shadowPolicy, slots, world.counters, journal, nxLists.pages, this.track, this.memory, vm, world.shadowRules);
    const leaves = new ShadowLeaves(this.mmu);
    this.sync = new ShadowSync(this.mmu, leaves);
    const lookup = new PageLookup(this.mmu, this.sync);
    this.map = new ShadowMapper(this.mmu, leaves, this.sync, lookup);
    const spaces = new Map<number, GuestTables>(layout.spaces.map(space => [space.root, space]));
    this.roots = new ShadowRoots(this.mmu, lookup, this.sync, root => spaces.get(root));
    this.tables = new RmapOps(this.mmu, lookup);
  }

  /** Bytes of tables a real machine would hold: a page each, and another for the translations of a page that shadows a guest table. */
  tableBytes(): number {
    const { pages } = this.mmu;
    let bytes = 0;
    for (let page = pages.oldest; page !== NO_PAGE; page = pages.newer(page)) bytes += hasGptes(pages.role[page]) ? 8192 : 4096;
    return bytes;
  }
}
