/**
 * What clearing a dirty log does word by word where one bit of a word is set: not to be had from a workload, whose bitmaps are full when pages are
 * still huge.
 */
import 'reflect-metadata';
import { AccessKind } from '@mmulab/api';
import type { Counters, HostBacking, HostFault, OptionValues, VmLayout } from '@mmulab/api';
import { x86Events } from '../events';
import { x86HostOptions, x86Options, x86Profiles } from '../profiles';
import { TdpBackend } from './tdp-backend';

const writable: HostFault = { ok: true, state: 1, spanLevel: 2, writable: true, notifications: [] };
const small: HostFault = { ...writable, spanLevel: 1 };

function backingOf(name: string, level: number, fault: HostFault): HostBacking {
  const none = { name: 'none', present: false, writable: false, level, thp: false };
  return {
    name,
    doc: 'Memory of a test.',
    pageLevel: level,
    hugetlb: level > 1,
    states: [none, { ...none, name: 'own', present: true, writable: true }],
    populated: 1,
    faults: [fault, fault, fault, fault],
  };
}

/** Guest tables in slot 0 (frames 1 to 4), one block of 2 MiB in slot 1 at frame 0x200. */
const layout: VmLayout = {
  vcpus: 1,
  physBits: 46,
  memslots: [
    { id: 0, baseGfn: 0, npages: 8, hvf: 0x10000, backing: backingOf('small', 1, small), readonly: false, populated: [] },
    { id: 1, baseGfn: 0x200, npages: 512, hvf: 0x20000, backing: backingOf('huge', 2, writable), readonly: false, populated: [] },
  ],
  spaces: [
    {
      name: 'guest',
      levels: 4,
      root: 1,
      runs: [{ vfn: 0x200, gfn: 0x200, npages: 512, level: 1, writable: true, user: false, executable: true, accessed: false, dirty: false }],
      tables: [
        { level: 3, first: 0, count: 1, gfn: 2 },
        { level: 2, first: 0, count: 1, gfn: 3 },
        { level: 1, first: 1, count: 1, gfn: 4 },
      ],
    },
  ],
  cpu: { wp: false, smep: false, smap: false, efernx: true, pge: false, pcide: false },
};

/** A VM whose 2 MiB are mapped by one leaf and logged, the bitmap full (initially set) and read. */
function loggedVm(kernel: string, options: OptionValues = {}): { readonly backend: TdpBackend; counted(): Record<string, number> } {
  const counters: Counters = { now: new Float64Array(x86Events.length), select: () => undefined };
  const defaults = (specs: typeof x86Options): OptionValues => Object.fromEntries(specs.map(spec => [spec.name, spec.default]));
  const profile = x86Profiles.find(({ name }) => name === kernel)?.values ?? {};
  const backend = new TdpBackend({ ...defaults(x86Options), ...profile, ...options }, defaults(x86HostOptions), counters);
  backend.create(layout);
  backend.host({ op: 'manual_protect', initiallySet: true });
  backend.enter(0);
  backend.touch(0, 0x200, AccessKind.Write);
  backend.host({ op: 'set_dirty_log', slot: 1, on: true });
  backend.host({ op: 'get_dirty_log', slot: 1 });
  counters.now.fill(0);
  const counted = (): Record<string, number> => {
    const events = x86Events.flatMap(({ name, gauge }, i) => (gauge || counters.now[i] === 0 ? [] : [[name, counters.now[i]] as const]));
    counters.now.fill(0);
    return Object.fromEntries(events);
  };
  return { backend, counted };
}

const clear = (firstPage: number, npages: number) => ({ op: 'clear_dirty_log', slot: 1, firstPage, npages }) as const;

describe('clearing one bit of a word under a huge leaf, initially set', () => {
  // 6.1 splits [first, last): nothing when they are the same page. The leaf then loses W and MMU-writable: one change, no 4 KiB leaf to clear.
  it('splits nothing on 6.1 and write-protects the huge leaf', () => {
    const { backend, counted } = loggedVm('6.1.192');
    backend.host(clear(0, 1));
    expect(counted()).toEqual({ 'spte.update.2m': 1, remote_tlb_flush_requests: 1 });
    expect(backend.translate(0x200)).toMatchObject({ level: 2, writable: false });
  });

  // 6.12 splits [first, last + 1): the block becomes 512 leaves, of which one loses D.
  it('splits the block on 6.12 and clears D of the one page', () => {
    const { backend, counted } = loggedVm('6.12.117');
    backend.host(clear(0, 1));
    expect(counted()).toEqual({ 'spte.split.2m': 1, 'huge_split.2m': 1, 'table.alloc': 1, 'spte.update.4k': 1, remote_tlb_flush_requests: 1 });
    expect(backend.translate(0x200)).toMatchObject({ level: 1, writable: true, dirty: false });
    expect(backend.translate(0x201)).toMatchObject({ level: 1, writable: true, dirty: true });
  });

  it('of two bits splits the block on 6.1, too', () => {
    const { backend, counted } = loggedVm('6.1.192');
    backend.host(clear(0, 2));
    expect(counted()).toEqual({ 'spte.split.2m': 1, 'huge_split.2m': 1, 'table.alloc': 1, 'spte.update.4k': 2, remote_tlb_flush_requests: 1 });
  });

  // The huge leaf is W=0 and not MMU-writable; its parts inherit that, so the lockless path cannot help the next write.
  it('leads to a slow fault on 6.1: attempted without a lock, split, FIXED', () => {
    const { backend, counted } = loggedVm('6.1.192', { huge_page_fault: 'split' });
    backend.host(clear(0, 1));
    counted();
    backend.enter(0);
    counted();
    backend.touch(0, 0x200, AccessKind.Write);
    expect(counted()).toEqual({
      page_fault: 1,
      'page_fault.write': 1,
      'page_fault.present': 1,
      pf_taken: 1,
      pf_fixed: 1,
      fast_page_fault: 1,
      'spte.split.2m': 1,
      'huge_split.2m': 1,
      'table.alloc': 1,
      'spte.update.4k': 1,
      mark_page_dirty: 1,
      'dirty_bitmap.set': 1,
      exit: 1,
    });
  });

  it('asks for no flush when the bit was clear already', () => {
    const { backend, counted } = loggedVm('6.12.117');
    backend.host(clear(0, 1));
    counted();
    backend.host(clear(0, 1));
    expect(counted()).toEqual({});
  });
});
