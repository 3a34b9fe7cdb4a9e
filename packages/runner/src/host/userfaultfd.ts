/**
 * Memory that a userfaultfd watches in missing mode: whoever touches a page that is not there waits until a handler thread has copied it in.
 *
 * The handler of the tests answers with one page of the backing. Memory that could be huge takes no huge fault then: the copy fills its small pages one by
 * one, so that the whole block is there after one answer, in small pages. A copied page is writable at once, whatever touched it first.
 *
 * Models: Linux mm/userfaultfd.c mfill_atomic(), mm/huge_memory.c do_huge_pmd_anonymous_page() (userfaultfd_missing); tools/testing/selftests/kvm
 * demand_paging_test.c handle_uffd_page_request().
 */
import { hostFault, type HostBacking, type HostFault } from '@mmulab/api';

/** A backing as a userfaultfd in missing mode lets it be. */
export function copiedIn(backing: HostBacking): HostBacking {
  const state = backing.copied ?? backing.populated;
  const copy = hostFault(state, backing.pageLevel, true);
  const faults = (table: readonly HostFault[]): readonly HostFault[] =>
    table.map((fault, index) => (backing.states[Math.floor(index / 2)]?.present === true ? fault : copy));
  return {
    ...backing,
    populated: state,
    faults: faults(backing.faults),
    ...(backing.edgeFaults === undefined ? {} : { edgeFaults: faults(backing.edgeFaults) }),
  };
}
