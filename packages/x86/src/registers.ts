/**
 * What x86 guests may write, and what KVM on x86 can be asked beyond what every KVM can.
 */
import { DIRTY_RING_OPERATION, type OperationDef, type RegisterDef } from '@mmulab/api';
import { x86Capabilities } from './capabilities';

const BIT = [0, 1, 'toggle'] as const;

/** Registers, with the bits and values of `ControlWrite`. */
export const x86Registers: readonly RegisterDef[] = [
  { name: 'cr0', doc: 'A bit of CR0.', fields: { bit: ['wp', 'pg', 'pe', 'ts', 'cd', 'am'], value: BIT } },
  { name: 'cr4', doc: 'A bit of CR4.', fields: { bit: ['pge', 'pse', 'pae', 'smep', 'smap', 'pke', 'la57', 'pcide'], value: BIT } },
  { name: 'efer', doc: 'A bit of EFER.', fields: { bit: ['nx', 'lme'], value: BIT } },
  {
    name: 'cr3',
    doc: 'Another address space, by number; noFlush is bit 63 with PCIDE.',
    fields: { space: 'number', pcid: 'number', noFlush: [true, false] },
    optional: ['pcid', 'noFlush'],
  },
  { name: 'invlpg', doc: 'INVLPG of a page.', fields: { vfn: 'number' } },
  {
    name: 'invpcid',
    doc: 'INVPCID.',
    fields: { type: ['address', 'context', 'all', 'all-non-global'], pcid: 'number', vfn: 'number' },
    optional: ['pcid', 'vfn'],
  },
  { name: 'invept', doc: 'INVEPT by L1.', fields: { type: ['context', 'global'] } },
  { name: 'smm', doc: 'Into system management mode (1), or out of it.', fields: { value: [0, 1] } },
  { name: 'nested', doc: 'L1 enters or leaves its nested guest.', fields: { value: ['vmrun', 'vmexit'] } },
];

/** Limits the shadow pages of a VM; `value` says to how many. */
export const SET_NR_MMU_PAGES = 'x86.set_nr_mmu_pages';

/** Host operations. */
export const x86Operations: readonly OperationDef[] = [
  { name: 'nx_recovery', doc: 'One pass of the worker that takes back pages which execution has split.' },
  { name: 'zap_all', doc: 'Everything that invalidates all roots at once: the NX switch toggled, the MMIO generation wrapped.' },
  { name: 'set_nx_huge_pages', doc: 'The module parameter nx_huge_pages is written while VMs run: every mapping of them goes if it changes.' },
  {
    name: 'pre_fault',
    doc: 'KVM_PRE_FAULT_MEMORY: pages are mapped before the guest touches them, as a read would, in direct tables only.',
    needs: { option: 'pre_fault_memory', value: 'Y', from: '6.11' },
  },
  { name: 'nested', doc: 'L1 may run a guest of its own (svm, vmx).' },
  { name: 'guest_table_writes', doc: 'Guests may write their own page tables while they run.' },
  { name: SET_NR_MMU_PAGES, doc: 'KVM_SET_NR_MMU_PAGES: limit on the shadow pages of a VM, as `value`, from 64 on.' },
  { name: DIRTY_RING_OPERATION, doc: 'Dirty rings instead of bitmaps.' },
  ...x86Capabilities,
];
