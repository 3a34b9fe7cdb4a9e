/**
 * Entries of x86 tables: EPT (Intel SDM), and the format that NPT, shadow tables and the guest's own tables share (AMD APM, Intel SDM). Bits that the hardware ignores are named after
 * what KVM keeps in them.
 *
 * Models: Linux arch/x86/kvm/mmu/spte.h.
 */
import { address, field, flag, type DescriptorFormat, type Field } from './field';

/** Memory types of EPT entries. */
const MEMORY_TYPES: Readonly<Record<string, string>> = { 0: 'uncacheable (UC)', 1: 'WC', 4: 'WT', 5: 'WP', 6: 'write back (WB)' };

const eptRights: readonly Field[] = [
  flag(0, 'Read access', 'reads are allowed', 'reads end in an EPT violation'),
  flag(1, 'Write access', 'writes are allowed', 'writes end in an EPT violation'),
  flag(2, 'Execute access', 'instruction fetches are allowed', 'fetches end in an EPT violation'),
];
const eptSoftware: readonly Field[] = [
  flag(11, 'ignored: KVM shadow-present', 'KVM counts the entry as present', 'not one of KVM’s present entries', true),
  field(53, 52, 'ignored: KVM A/D type', value => (value === 0n ? 'A and D bits are the hardware’s' : 'no A/D bits: write protection instead'), true),
];
const eptAccessed = flag(8, 'Accessed', 'software or hardware has used the entry', 'not used since it was cleared');

export const ept: DescriptorFormat = {
  name: 'EPT entry',
  manual: 'Intel SDM volume 3, “EPT translation mechanism”',
  leaf: [
    ...eptRights,
    field(5, 3, 'EPT memory type', value => MEMORY_TYPES[String(value)] ?? 'reserved'),
    flag(6, 'Ignore PAT memory type', 'the type above holds whatever the guest’s PAT says', 'combined with the guest’s PAT'),
    {
      high: 7,
      low: 7,
      name: 'Page size',
      says: (value, level) =>
        level === 1 ? 'ignored in a page-table entry' : value === 1n ? `maps a ${level === 2 ? '2 MiB' : '1 GiB'} page` : 'points to a table',
    },
    eptAccessed,
    flag(9, 'Dirty', 'written since it was cleared', 'not written since it was cleared'),
    flag(10, 'Execute access for user-mode addresses', 'allowed', 'unused: mode-based execute control is off'),
    ...eptSoftware,
    address(51, 12, 'Physical address of the page', 'host address'),
    flag(54, 'ignored: KVM saved R', 'saved while access-tracked', 'nothing saved', true),
    flag(55, 'ignored: KVM saved W', 'saved while access-tracked', 'nothing saved', true),
    flag(56, 'ignored: KVM saved X', 'saved while access-tracked', 'nothing saved', true),
    flag(57, 'ignored: KVM host-writable', 'the host’s own mapping is writable', 'the host’s own mapping is read-only', true),
    flag(58, 'ignored: KVM MMU-writable', 'KVM may give W back without mmu_lock', 'KVM may not give W back on its own', true),
    flag(63, 'Suppress #VE', 'no virtualization exception', 'unused: #VE is off'),
  ],
  table: [
    ...eptRights,
    flag(7, 'Page size', 'maps a page', 'points to a table'),
    eptAccessed,
    ...eptSoftware,
    address(51, 12, 'Physical address of the table', 'not simulated:'),
  ],
  absent: 'Bits 2:0 are clear: any access is an EPT violation.',
};

const pagingRights: readonly Field[] = [
  flag(0, 'P (present)', 'present', 'not present'),
  flag(1, 'R/W', 'writes are allowed', 'read-only'),
  flag(2, 'U/S', 'user mode may access it', 'supervisor only'),
  flag(3, 'PWT', 'write through', 'write back'),
  flag(4, 'PCD', 'cache disabled', 'cached'),
  flag(5, 'A (accessed)', 'the hardware has used it', 'not used since it was cleared'),
];
const noExecute = flag(63, 'XD/NX', 'no instruction fetches', 'instruction fetches are allowed');
const pageSize: Field = {
  high: 7,
  low: 7,
  name: 'PS (in a page-table entry PAT)',
  says: (value, level) => (level === 1 ? 'PAT index bit' : value === 1n ? `maps a ${level === 2 ? '2 MiB' : '1 GiB'} page` : 'points to a table'),
};
const dirty = flag(6, 'D (dirty)', 'written since it was cleared', 'not written since it was cleared');

/** A page-table entry of the host's making, with KVM's bits. */
function kvmPaging(name: string, manual: string): DescriptorFormat {
  return {
    name,
    manual,
    leaf: [
      ...pagingRights,
      dirty,
      pageSize,
      flag(8, 'G (global)', 'survives CR3 writes', 'not global'),
      flag(9, 'AVL: KVM host-writable', 'the host’s own mapping is writable', 'the host’s own mapping is read-only', true),
      flag(10, 'AVL: KVM MMU-writable', 'KVM may give W back without mmu_lock', 'KVM may not give W back on its own', true),
      flag(11, 'AVL: KVM shadow-present', 'KVM counts the entry as present', 'not one of KVM’s present entries', true),
      address(51, 12, 'Physical page-frame address', 'host address'),
      noExecute,
    ],
    table: [
      ...pagingRights,
      flag(11, 'AVL: KVM shadow-present', 'KVM counts the entry as present', 'not one of KVM’s present entries', true),
      address(51, 12, 'Physical address of the table', 'not simulated:'),
      noExecute,
    ],
    absent: 'P is clear: any access faults.',
  };
}

export const npt = kvmPaging('Nested page-table entry', 'AMD APM volume 2, “Nested paging”');
export const shadowPaging = kvmPaging('Shadow page-table entry', 'Intel SDM volume 3, “4-level paging and 5-level paging”');

/** An entry the guest wrote. */
export const guestPaging: DescriptorFormat = {
  name: 'Guest page-table entry',
  manual: 'Intel SDM volume 3, “4-level paging and 5-level paging”',
  leaf: [
    ...pagingRights,
    dirty,
    pageSize,
    flag(8, 'G (global)', 'survives CR3 writes', 'not global'),
    field(11, 9, 'AVL', () => 'ignored by the hardware', true),
    address(51, 12, 'Physical address of the page', 'guest address'),
    noExecute,
  ],
  table: [...pagingRights, pageSize, address(51, 12, 'Physical address of the table', 'guest address'), noExecute],
  absent: 'P is clear: a page fault in the guest.',
};
