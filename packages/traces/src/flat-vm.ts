/**
 * The VM that a trace is replayed in: no memslots yet, and a guest of whose own tables the trace tells nothing.
 */
import type { VmLayout } from '@mmulab/api';
import { MAX_VCPUS } from './limits';

/** @param physBits guest physical address bits; @param pageBytes size of a page */
export function flatVm(physBits: number, pageBytes: number): VmLayout {
  const npages = 2 ** physBits / pageBytes;
  const rights = { writable: true, user: true, executable: true, accessed: true, dirty: true };
  return {
    vcpus: MAX_VCPUS,
    physBits,
    memslots: [],
    spaces: [{ name: 'physical', levels: 4, root: 0, runs: [{ vfn: 0, gfn: 0, npages, level: 1, ...rights }], tables: [] }],
    cpu: { wp: false, smep: false, smap: false, efernx: true, pge: false, pcide: false },
  };
}
