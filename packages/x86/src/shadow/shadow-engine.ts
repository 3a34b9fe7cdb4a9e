/**
 * The parts of one VM's legacy MMU, put together: shadow pages, mapping, synchronisation, roots, host operations.
 */
import type { Counters, GuestTables, VmLayout } from '@mmulab/api';
import type { Memslots } from '@mmulab/kvm';
import { hasGptes } from '../roots/role';
import type { VmJournal } from '../vm-journal';
import { GuestMemory } from './guest-memory';
import { ShadowMap } from './shadow-map';
import { ShadowMmu } from './shadow-mmu';
import type { ShadowVm } from './shadow-mmu';
import type { ShadowPolicy } from './shadow-policy';
import { NO_PAGE } from './shadow-page';
import { ShadowRoots } from './shadow-roots';
import { ShadowTables } from './shadow-tables';
import { ShadowSync } from './sync';
import { WriteTrack } from './write-track';

/** One VM's legacy MMU. */
export class ShadowEngine {
  readonly track = new WriteTrack();
  readonly memory = new GuestMemory();
  readonly mmu: ShadowMmu;
  readonly map: ShadowMap;
  readonly sync: ShadowSync;
  readonly roots: ShadowRoots;
  readonly tables: ShadowTables;

  constructor(policy: ShadowPolicy, slots: Memslots, counters: Counters, journal: VmJournal, vm: VmLayout, world: ShadowVm) {
    this.mmu = new ShadowMmu(policy, slots, counters, journal, this.track, this.memory, world);
    this.map = new ShadowMap(this.mmu);
    this.sync = new ShadowSync(this.mmu, this.map);
    this.map.syncLinked = page => this.sync.syncChildren(page, this.mmu.pages.role[page]);
    const spaces = new Map<number, GuestTables>(vm.spaces.map(space => [space.root, space]));
    this.roots = new ShadowRoots(this.mmu, this.sync, root => spaces.get(root));
    this.tables = new ShadowTables(this.mmu);
  }

  /** Bytes of tables a real machine would hold: a page each, and another for the translations of a page that shadows a guest table. */
  tableBytes(): number {
    const { pages } = this.mmu;
    let bytes = 0;
    for (let page = pages.oldest; page !== NO_PAGE; page = pages.newer(page)) bytes += hasGptes(pages.role[page]) ? 8192 : 4096;
    return bytes;
  }
}
