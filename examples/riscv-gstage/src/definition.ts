/**
 * What the `riscv-gstage` backend says of itself, and its options as the fields its code branches on.
 */
import { DIRTY_RING_OPERATION, type BackendDefinition, type OptionSpec, type OptionValues } from '@mmulab/api';
import { events } from './events';

const flag = (name: string, value: 'Y' | 'N', doc: string): OptionSpec => ({ kind: 'flag', name, default: value, doc });

const options: readonly OptionSpec[] = [
  flag('in_place', 'Y', 'A fault looks for a leaf first: one above the wanted level is split, one at or below it gets its rights changed in place.'),
  flag('range_fence', 'Y', 'Unmapping and write-protecting end in one fence of the whole range, instead of one per leaf met.'),
  flag('realign', 'Y', 'Walks over a range go on at the next entry after a hole, instead of in the middle of it.'),
  flag('thp_blocks', 'Y', 'Transparent huge pages of the host are mapped in blocks of 2M.'),
  flag('thp_gpa', 'Y', 'A fault in such a block looks for the leaf of the block’s first page (a defect of 7.2) instead of its own.'),
  flag('hugetlb_fits', 'Y', 'Blocks of hugetlb memory are mapped only where memslot and host address fit them.'),
  flag('fast_fault', 'Y', 'A store to a logged page that is mapped gets its right back without resolving the host page.'),
  flag('svvptc_aware', 'Y', 'New leaves need no fence where the CPU has Svvptc.'),
  flag('initially_set', 'Y', 'KVM_DIRTY_LOG_INITIALLY_SET is offered.'),
  flag('inject_fetch', 'Y', 'A fetch from no memslot is the guest’s own access fault, instead of an error of KVM_RUN.'),
  flag('rwlock', 'Y', 'mmu_lock may be held by several readers.'),
  flag('dirty_ring', 'Y', 'User space may have dirty pages in a ring per vCPU instead of bitmaps (6.17).'),
];

const OF_6_12: OptionValues = Object.fromEntries(options.filter(option => option.kind === 'flag').map(option => [option.name, 'N']));

/** G-stage modes: levels below the wide root included, and guest physical address bits. */
const MODES: Readonly<Record<string, { readonly levels: number; readonly bits: number; readonly guestBits: number }>> = {
  sv39x4: { levels: 3, bits: 41, guestBits: 41 },
  sv48x4: { levels: 4, bits: 50, guestBits: 50 },
  sv57x4: { levels: 5, bits: 59, guestBits: 56 },
};

/** Definition for the plugin. */
export const definition: BackendDefinition = {
  name: 'riscv-gstage',
  arch: 'riscv',
  models: 'Linux arch/riscv/kvm (mmu.c, gstage.c, tlb.c)',
  profiles: [
    {
      name: '6.12.117',
      doc: 'Stable 6.12: no transparent huge pages, a fence per leaf, no splitting: a store to a logged block fails.',
      values: OF_6_12,
    },
    {
      name: '7.2.13',
      doc: 'Stable 7.2: blocks of 2M from transparent huge pages, splitting, range fences, the fast path of dirty logging.',
      values: {},
    },
  ],
  options,
  hostOptions: [
    {
      kind: 'choice',
      name: 'gstage_mode',
      choices: Object.keys(MODES),
      default: 'sv57x4',
      doc: 'The G-stage mode: the deepest that hgatp accepts, or since 7.2 a shallower one that the VM asked for (KVM_CAP_VM_GPA_BITS).',
    },
    flag('svvptc', 'Y', 'The CPU shows new page-table entries in bounded time, without a fence.'),
    flag('svinval', 'Y', 'The CPU has fine-grained invalidation; counts do not depend on it.'),
    { kind: 'number', name: 'vmid_bits', default: 14, min: 0, max: 14, integer: true, doc: 'Bits of a VMID; counts do not depend on it.' },
    {
      kind: 'text',
      name: 'cpu',
      default: 'max',
      pattern: '.*',
      expected: 'the name of a CPU',
      doc: 'The CPU, for the record; counts do not depend on it.',
    },
  ],
  events,
  operations: [{ name: DIRTY_RING_OPERATION, doc: 'Dirty rings instead of bitmaps.' }],
  countsMemslots: true,
  check: () => undefined,
  machine: host => ({ arch: 'riscv', pageSizeBytes: 4096, physBits: modeOf(host).guestBits, maxGfn: bits => 2 ** (bits - 12) - 1 }),
};

/** Options and host as the code reads them. */
export interface Policy {
  readonly inPlace: boolean;
  readonly rangeFence: boolean;
  readonly realign: boolean;
  readonly thpBlocks: boolean;
  readonly thpGpa: boolean;
  readonly hugetlbFits: boolean;
  readonly fastFault: boolean;
  /** Whether a new leaf needs no fence. */
  readonly quietInstall: boolean;
  readonly initiallySet: boolean;
  readonly injectFetch: boolean;
  readonly rwlock: boolean;
  readonly dirtyRing: boolean;
  /** Levels of the tables, the root included. */
  readonly levels: number;
  /** Guest physical address bits. */
  readonly gpaBits: number;
}

/** Reads options and host facts. */
export function readPolicy(values: OptionValues, host: OptionValues): Policy {
  const is = (name: string): boolean => values[name] === 'Y';
  const { levels, bits } = modeOf(host);
  return {
    inPlace: is('in_place'),
    rangeFence: is('range_fence'),
    realign: is('realign'),
    thpBlocks: is('thp_blocks'),
    thpGpa: is('thp_gpa'),
    hugetlbFits: is('hugetlb_fits'),
    fastFault: is('fast_fault'),
    quietInstall: is('svvptc_aware') && host['svvptc'] === 'Y',
    initiallySet: is('initially_set'),
    injectFetch: is('inject_fetch'),
    rwlock: is('rwlock'),
    dirtyRing: is('dirty_ring'),
    levels,
    gpaBits: bits,
  };
}

function modeOf(host: OptionValues): (typeof MODES)[string] {
  return MODES[String(host['gstage_mode'])] ?? MODES['sv57x4'];
}
