/**
 * What the `arm64-stage2` backend says of itself.
 */
import { DIRTY_RING_OPERATION, type BackendDefinition } from '@mmulab/api';
import { CASEMATE } from './casemate/export';
import { stage2Events } from './events';
import { checkOptions, granuleOf, readPolicy } from './policy';
import { contiguousEntries } from './stage2-geometry';
import { stage2HostOptions, stage2Options, stage2Profiles, stage2Switches } from './profiles';

/** Guest physical address bits of a VM of type 0. */
const DEFAULT_IPA_BITS = 40;

/** Definition for the plugin. */
export const stage2Definition: BackendDefinition = {
  name: 'arm64-stage2',
  arch: 'arm64',
  models: 'Linux arch/arm64/kvm (mmu.c, hyp/pgtable.c)',
  profiles: stage2Profiles,
  switches: stage2Switches,
  options: stage2Options,
  hostOptions: stage2HostOptions,
  events: stage2Events,
  operations: [
    { name: 'zap_all', doc: 'Every mapping of the VM goes (kvm_arch_flush_shadow_all).' },
    { name: DIRTY_RING_OPERATION, doc: 'Dirty rings, and a bitmap beside them.' },
  ],
  countsMemslots: true,
  exports: [
    { name: CASEMATE, doc: 'Page-table writes, barriers, TLB invalidations and mmu_lock, as Casemate’s checker of break-before-make reads them.' },
  ],
  check: (options, host) => {
    checkOptions(options, host);
    readPolicy(options, host);
  },
  machine: host => {
    const pageSizeBytes = granuleOf(host);
    return {
      arch: 'arm64',
      pageSizeBytes,
      physBits: DEFAULT_IPA_BITS,
      maxGfn: bits => 2 ** bits / pageSizeBytes - 1,
      contiguous: contiguousEntries(pageSizeBytes),
    };
  },
};
