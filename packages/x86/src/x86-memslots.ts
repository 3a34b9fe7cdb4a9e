/**
 * The memslots of an x86 VM: leaves of up to 1 GiB, and the counters of dirty pages.
 */
import type { Counters } from '@mmulab/api';
import { Memslots } from '@mmulab/kvm';
import type { EngineFactory, Geometry } from '@mmulab/pgtable';
import { Ev } from './events';

/** KVM_MAX_HUGEPAGE_LEVEL. */
const MAX_HUGEPAGE_LEVEL = 3;

export function makeMemslots(engines: EngineFactory, geometry: Geometry, counters: Counters): Memslots {
  const { markPageDirty, dirtyBitmapSet, notifierInvalidate, work } = Ev;
  const indices = { markPageDirty, dirtyBitmapSet, notifierInvalidate, work };
  return new Memslots({ engines, geometry, counters, maxLeafLevel: MAX_HUGEPAGE_LEVEL, ...indices });
}
