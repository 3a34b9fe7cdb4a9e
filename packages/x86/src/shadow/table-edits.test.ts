/**
 * Edits of guest tables in cases derived by hand, and what holds whatever a guest does to its tables.
 */
import { ACCESS_DONE, AccessKind, type GuestTables, type HostBacking, type MmuBackend, type OptionValues } from '@mmulab/api';
import { TestCounters, hostOf, optionsOf } from '../fixtures/root-vm';
import { PLAIN_BACKING, ShadowVm, USED, layoutOf } from '../fixtures/shadow-vm';
import { TdpBackend } from '../tdp/tdp-backend';
import { Gpte } from './guest-memory';
import { ShadowBackend } from './shadow-backend';

const RIGHTS = { writable: true, user: false, executable: true, accessed: true, dirty: true };
/** Frames: four tables of the data behind one directory, the way to a window in another entry of the top table, the data. */
const [TOP, POINTERS, DIRECTORY, LEAVES] = [0x100, 0x101, 0x102, 0x103];
const TABLES = 4;
const DATA_GFN = 0x800;
const WINDOW = 2 ** 27;
const PAGES = TABLES * 512;

/** `TABLES` tables of small pages from page 0 on, and a window on all tables up to the leaves. */
function space(): GuestTables {
  return {
    name: 'edited',
    levels: 4,
    root: TOP,
    runs: [
      { vfn: 0, gfn: DATA_GFN, npages: PAGES, level: 1, ...RIGHTS },
      { vfn: WINDOW, gfn: TOP, npages: LEAVES - TOP + TABLES, level: 1, ...RIGHTS },
    ],
    tables: [
      { level: 3, first: 0, count: 1, gfn: POINTERS },
      { level: 3, first: 1, count: 1, gfn: 0x110 },
      { level: 2, first: 0, count: 1, gfn: DIRECTORY },
      { level: 2, first: 512, count: 1, gfn: 0x111 },
      { level: 1, first: 0, count: TABLES, gfn: LEAVES },
      { level: 1, first: 2 ** 18, count: 1, gfn: 0x112 },
    ],
  };
}

const windowOf = (frame: number): number => WINDOW + (frame - TOP);

describe('a directory entry of a 32-bit guest', () => {
  const directory = 0x100;
  const small: GuestTables = {
    name: 'small',
    levels: 2,
    root: directory,
    runs: [
      { vfn: 0x400, gfn: DATA_GFN, npages: 1024, level: 1, ...RIGHTS },
      { vfn: 0x800, gfn: directory, npages: 3, level: 1, ...RIGHTS },
    ],
    tables: [{ level: 1, first: 1, count: 2, gfn: 0x101 }],
  };

  it('stands for two of ours: a write takes both away with one flush, and both tables are found again', () => {
    const vm = new ShadowVm(layoutOf(small));
    vm.read(0x400, 0x600, 0x800);
    vm.since('mmu_pde_zapped', 'remote_tlb_flush_requests', 'mmu_pte_write', 'root_or_table.hash_hit', 'mmu_cache_miss', 'page_fault');
    vm.store(0x800, 1, USED, 0x101);
    expect(vm.since('mmu_pde_zapped', 'remote_tlb_flush_requests', 'mmu_pte_write')).toEqual({
      mmu_pde_zapped: 2,
      remote_tlb_flush_requests: 1,
      mmu_pte_write: 1,
    });
    vm.read(0x400, 0x600).since('page_fault');
    expect(vm.since('root_or_table.hash_hit', 'mmu_cache_miss')).toEqual({ 'root_or_table.hash_hit': 2, mmu_cache_miss: 0 });
  });

  it('is seen by all four parts of the directory: those that no access leads through are flooded by the third write, and their roots made anew', () => {
    const vm = new ShadowVm(layoutOf(small));
    vm.read(0x400, 0x800);
    vm.since('mmu_flooded', 'mmu_shadow_zapped', 'mmu.load');
    for (let i = 0; i < 3; i++) vm.store(0x800, 1, USED, 0x101);
    expect(vm.since('mmu_flooded', 'mmu_shadow_zapped')).toEqual({ mmu_flooded: 3, mmu_shadow_zapped: 3 + 3 });
    vm.read(0x400);
    expect(vm.since('mmu.load')).toEqual({ 'mmu.load': 1 });
  });
});

describe('an entry that maps no memory', () => {
  it('is a mark of ours while it does, and goes when the guest has written another frame and flushed', () => {
    const vm = new ShadowVm(layoutOf(space()));
    vm.read(0);
    vm.store(windowOf(LEAVES), 9, USED, 0x8000).read(9).read(9);
    expect(vm.since('pf_mmio_spte_created', 'pf_emulate')).toEqual({ pf_mmio_spte_created: 1, pf_emulate: 1 });
    vm.store(windowOf(LEAVES), 9, USED, DATA_GFN + 9);
    vm.backend.control(0, { register: 'cr3', space: 0 });
    vm.since('page_fault', 'pf_mmio_spte_created');
    vm.read(9);
    expect(vm.since('page_fault', 'pf_mmio_spte_created')).toEqual({ page_fault: 1, pf_mmio_spte_created: 0 });
  });
});

describe('a large page of the guest that holds the tables it is reached by', () => {
  const HUGE: HostBacking = {
    ...PLAIN_BACKING,
    pageLevel: 2,
    states: PLAIN_BACKING.states.map(state => ({ ...state, level: 2 })),
    faults: PLAIN_BACKING.faults.map(fault => ({ ...fault, spanLevel: 2 })),
  };
  // The whole first GiB at 512 GiB; the tables lie in its first 2 MiB, the access goes elsewhere.
  it.each([
    ['6.1.192', [1, 0]],
    ['6.2', [1, 0]],
    ['6.3', [0, 1]],
    ['6.12.117', [0, 1]],
  ])('on %s is mapped by %j small and 2 MiB pages', (kernel, pages) => {
    const large = { vfn: WINDOW, gfn: 0, npages: 2 ** 18, level: 3, ...RIGHTS };
    const one = space();
    const memslot = { id: 0, baseGfn: 0, npages: 8192, hvf: 2 ** 20, backing: HUGE, readonly: false, populated: [{ gfn: 0, npages: 8192 }] };
    const self = { ...one, runs: one.runs.map(run => (run.vfn === WINDOW ? large : run)), tables: one.tables.filter(({ gfn }) => gfn < 0x111) };
    const vm = new ShadowVm(layoutOf(self, { memslots: [memslot] }), kernel);
    vm.write(WINDOW + 4096);
    const { pages_4k: small, pages_2m: huge } = vm.since('pages_4k', 'pages_2m');
    // A small one comes with its seven neighbours.
    expect([(small ?? 0) / 8, huge]).toEqual(pages);
  });
});

describe('KVM_SET_NR_MMU_PAGES', () => {
  it('zaps what is too much at once, the oldest first, roots aside', () => {
    const tables = [
      { level: 3, first: 0, count: 1, gfn: 1 },
      { level: 2, first: 0, count: 1, gfn: 2 },
      { level: 1, first: 0, count: 100, gfn: 100 },
    ];
    const runs = Array.from({ length: 100 }, (_, i) => ({ vfn: i * 512, gfn: 1000 + i * 8, npages: 1, level: 1, ...RIGHTS }));
    const vm = new ShadowVm(layoutOf({ name: 'wide', levels: 4, root: 0, runs, tables }));
    for (let i = 0; i < 70; i++) vm.write(i * 512);
    vm.backend.host({ op: 'x86.set_nr_mmu_pages', value: 64 });
    // Root, two tables, 70 last-level ones: 73.
    expect(vm.since('mmu_recycled', 'remote_tlb_flush_requests')).toMatchObject({ mmu_recycled: 9 });
    expect(() => vm.backend.host({ op: 'x86.set_nr_mmu_pages', value: 63 })).toThrow(/^SHADOW_PAGE_LIMIT/);
  });

  it('fails KVM_RUN with ENOSPC once all pages are roots in use: 16 vCPUs with four each', () => {
    const spaces = Array.from({ length: 4 * 17 }, (_, i) => ({ name: `space ${i}`, levels: 4, root: 0x100 + i, runs: [], tables: [] }));
    const vm = new ShadowVm(layoutOf(spaces[0] ?? space(), { vcpus: 17, spaces }));
    vm.backend.host({ op: 'x86.set_nr_mmu_pages', value: 64 });
    const load = (vcpu: number): void => {
      vm.backend.enter(vcpu);
      for (let i = 0; i < 4; i++) vm.backend.control(vcpu, { register: 'cr3', space: vcpu * 4 + i });
    };
    for (let vcpu = 0; vcpu < 15; vcpu++) load(vcpu);
    expect(() => {
      load(15);
      load(16);
    }).toThrow(/^KVM_RUN_FAILED: KVM_RUN of vCPU 1[56] fails with ENOSPC/);
  });
});

describe('second-stage tables of a nested guest that L1 writes', () => {
  const L2 = 2 ** 18;
  /** L1 reaches its NPT12 or EPT12, whose leaves are small pages for L2's first 2 MiB, through its window. */
  const nested: GuestTables = {
    name: 'nested',
    levels: 4,
    root: 0x104,
    runs: [{ vfn: 0, gfn: 0, npages: 1024, level: 1, ...RIGHTS, user: true }],
    tables: [
      { level: 3, first: 0, count: 1, gfn: 0x105 },
      { level: 2, first: 0, count: 1, gfn: 0x106 },
      { level: 1, first: 0, count: 2, gfn: 0x107 },
    ],
  };
  const l1: GuestTables = {
    name: 'l1',
    levels: 4,
    root: TOP,
    runs: [
      { vfn: 0, gfn: 0x200, npages: 256, level: 1, ...RIGHTS },
      { vfn: L2, gfn: TOP, npages: 16, level: 1, ...RIGHTS },
    ],
    tables: [
      { level: 3, first: 0, count: 1, gfn: POINTERS },
      { level: 2, first: 0, count: 2, gfn: DIRECTORY },
      { level: 1, first: 0, count: 1, gfn: 0x110 },
      { level: 1, first: 512, count: 1, gfn: 0x111 },
    ],
  };

  class NestedEdits {
    readonly counters = new TestCounters();
    readonly backend: MmuBackend;

    constructor(options: OptionValues, host: OptionValues) {
      const values = optionsOf('6.1.192', options);
      this.backend = new (values['tdp_mmu'] === 'Y' ? TdpBackend : ShadowBackend)(values, hostOf(host), this.counters);
      this.backend.create(layoutOf(l1, { nested }));
      this.backend.enter(0);
      this.move('vmrun');
      this.backend.touch(0, 5, AccessKind.Write);
      this.move('vmexit');
    }

    move(value: 'vmrun' | 'vmexit'): void {
      this.backend.control(0, { register: 'nested', value });
    }

    /** L1 stores an entry of a table of L2's. */
    store(frame: number, index: number, bits: number, gfn: number): void {
      this.backend.writeTables?.(0, { vfn: L2 + (frame - TOP), first: index, count: 1, stride: 1, change: { kind: 'store', gfn, step: 0, bits } });
    }

    delta(name: string, act: () => void): number {
      const before = this.counters.of(name);
      act();
      return this.counters.of(name) - before;
    }
  }

  const SMALL = USED | Gpte.User;
  const MACHINES: readonly (readonly [string, OptionValues, OptionValues])[] = [
    ['SVM, TDP MMU', {}, { vendor: 'amd' }],
    ['SVM, legacy MMU', { tdp_mmu: 'N' }, { vendor: 'amd' }],
    ['VMX, TDP MMU', {}, { vendor: 'intel' }],
    ['VMX, legacy MMU', { tdp_mmu: 'N' }, { vendor: 'intel' }],
  ];

  it.each(MACHINES)('%s: a leaf falls out of step at the first write, and L2 sees the change where L1 may expect it to', (_what, options, host) => {
    const vm = new NestedEdits(options, host);
    // L2's page 5 lies at L1's 0x205, behind the second leaf table.
    const read = (): number => vm.delta('pf_guest', () => vm.backend.touch(0, 5, AccessKind.Read));
    expect(vm.delta('mmu_unsync', () => vm.store(0x108, 5, 0, 0))).toBe(1);
    if (host['vendor'] === 'intel') {
      // On VMX entering alone brings nothing in line: INVEPT does, by the load that follows.
      vm.move('vmrun');
      expect(read()).toBe(0);
      vm.move('vmexit');
      vm.backend.control(0, { register: 'invept', type: 'context' });
    }
    expect(vm.delta('mmu_unsync', () => vm.move('vmrun'))).toBe(-1);
    expect(read()).toBe(1);
  });

  it.each(MACHINES)('%s: writes to the directory are emulated, without the lockless path, and the third floods it', (_what, options, host) => {
    const vm = new NestedEdits(options, host);
    // What is not mapped yet is mapped first; from then on it is known for a table.
    vm.store(0x106, 300, 0, 0);
    const attempts = vm.counters.of('fast_page_fault');
    expect(vm.delta('mmu_pte_write', () => vm.store(0x106, 1, SMALL, 0x108))).toBe(1);
    expect(vm.delta('mmu_flooded', () => vm.store(0x106, 301, 0, 0))).toBe(1);
    expect(vm.counters.of('fast_page_fault')).toBe(attempts);
    expect(vm.delta('pf_emulate', () => vm.store(0x106, 302, 0, 0))).toBe(0);
    vm.move('vmrun');
    expect(vm.delta('pf_fixed', () => vm.backend.touch(0, 5, AccessKind.Read))).toBeGreaterThan(0);
  });

  it('INVEPT is for L1 on VMX', () => {
    const vm = new NestedEdits({}, { vendor: 'amd' });
    expect(() => vm.backend.control(0, { register: 'invept', type: 'global' })).toThrow(/^GUEST_NESTED/);
  });
});

/** What a random guest runs on. */
interface EditedVm {
  readonly backend: MmuBackend;
  readonly counters: TestCounters;
}

/** On the TDP MMU, one vCPU in the guest. */
function tdpVm(kernel: string): EditedVm {
  const counters = new TestCounters();
  const backend = new TdpBackend(optionsOf(kernel), hostOf({ vendor: 'amd' }), counters);
  backend.create(layoutOf(space()));
  backend.enter(0);
  return { backend, counters };
}

/** One guest that does things to its tables, and what its tables say by now. */
class RandomGuest {
  private state: number;
  /** Frame and bits of each leaf; which tables the directory leads to. */
  private readonly gfns = Float64Array.from({ length: PAGES }, (_, i) => DATA_GFN + i);
  private readonly bits = new Uint8Array(PAGES).fill(USED);
  private readonly isLinked = new Uint8Array(TABLES).fill(1);

  constructor(
    seed: number,
    readonly vm: EditedVm,
    private readonly manner: 'run' | 'touch' | 'stages',
  ) {
    this.state = seed;
  }

  /** Does something. @returns pages whose old translations must be gone now */
  act(): readonly number[] {
    const page = this.draw(PAGES);
    switch (this.draw(10)) {
      case 0:
      case 1:
        this.edit(page, 0, 0);
        return [];
      case 2:
        this.edit(page, DATA_GFN + this.draw(PAGES), USED & ~(this.draw(2) * Gpte.Writable) & ~(this.draw(4) === 0 ? Gpte.Accessed : 0));
        return [];
      case 3:
        this.link(this.draw(TABLES));
        return [];
      case 4:
        this.vm.backend.control(0, { register: 'invlpg', vfn: page });
        return [page];
      case 5:
        this.vm.backend.control(0, { register: 'cr3', space: 0 });
        return Array.from({ length: PAGES }, (_, i) => i);
      case 6:
        this.vm.backend.host({ op: 'unmap', slot: 0, firstPage: DATA_GFN + page, npages: 64 });
        return [];
      default:
        this.access(page & ~(this.draw(2) * 255), 1 + this.draw(300), this.draw(3) as AccessKind);
        return [];
    }
  }

  /** Whether what KVM has mapped for a page, if anything, is what the guest's tables say. */
  isCurrent(page: number): boolean {
    const found = this.vm.backend.translate(DATA_GFN + page);
    if (found === undefined) return true;
    const bits = this.isLinked[page >> 9] === 1 ? (this.bits[page] ?? 0) : 0;
    const gfn = Number((BigInt(`0x${found.descriptor}`) >> 12n) & 0xffffffn);
    return (bits & Gpte.Present) !== 0 && gfn === this.gfns[page] && (!found.writable || (bits & Gpte.Writable) !== 0);
  }

  private edit(page: number, gfn: number, bits: number): void {
    this.gfns[page] = gfn;
    this.bits[page] = bits;
    this.store(windowOf(LEAVES + (page >> 9)), page & 511, bits, gfn);
  }

  private link(table: number): void {
    const linked = 1 - (this.isLinked[table] ?? 0);
    this.isLinked[table] = linked;
    this.store(windowOf(DIRECTORY), table, linked === 1 ? USED : 0, linked === 1 ? LEAVES + table : 0);
  }

  private store(vfn: number, index: number, bits: number, gfn: number): void {
    this.vm.backend.writeTables?.(0, { vfn, first: index, count: 1, stride: 1, change: { kind: 'store', gfn, step: 0, bits } });
  }

  private access(page: number, wanted: number, kind: AccessKind): void {
    const count = Math.min(wanted, PAGES - page);
    const { backend } = this.vm;
    if (this.manner === 'run') return backend.run(0, { vfn: page, count, stride: 1, kind, writeEvery: 0 });
    for (let i = 0; i < count; i++) {
      if (this.manner === 'touch') backend.touch(0, page + i, kind);
      else for (let stage = backend.begin(0, page + i, kind); stage !== ACCESS_DONE; stage = backend.advance(0));
    }
  }

  private draw(below: number): number {
    this.state = (Math.imul(this.state, 1103515245) + 12345) & 0x7fffffff;
    return (this.state >> 8) % below;
  }
}

describe('whatever a guest does to its tables', () => {
  const KERNELS = ['5.10.262', '6.1.192', '6.12.117', '7.3'];

  it.each(KERNELS)(
    '%s: after INVLPG, and after CR3 is loaded again, no translation is an old one; tables taken are those freed and those held',
    kernel => {
      const wrong: string[] = [];
      for (const seed of [2, 3, 6]) {
        const guest = new RandomGuest(seed, new ShadowVm(layoutOf(space()), kernel), 'touch');
        const { backend, counters } = guest.vm;
        for (let step = 0; step < 120; step++) {
          for (const page of guest.act()) if (!guest.isCurrent(page)) wrong.push(`seed ${seed}, step ${step}: page ${page}`);
          const held = backend.memory().tableBytesReal / 8192;
          if (counters.of('table.alloc') - counters.of('table.zap') !== held) wrong.push(`seed ${seed}, step ${step}: ${held} tables held`);
          if (counters.of('mmu_unsync') > TABLES) wrong.push(`seed ${seed}, step ${step}: ${counters.of('mmu_unsync')} out of step`);
        }
        backend.host({ op: 'destroy_vm' });
        const left = [backend.memory().tableBytesReal, counters.of('pages_4k'), counters.of('mmu_unsync')];
        if (left.some(count => count !== 0)) wrong.push(`seed ${seed}: left ${left.join()}`);
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each([
    ['shadow paging, 6.1.192', () => new ShadowVm(layoutOf(space()))],
    ['shadow paging, 7.3', () => new ShadowVm(layoutOf(space()), '7.3')],
    ['the TDP MMU, 6.12.117', () => tdpVm('6.12.117')],
  ])('runs, single accesses and stages count the same under %s', (_what, make) => {
    const [run, touch, stages] = (['run', 'touch', 'stages'] as const).map(manner => {
      const guest = new RandomGuest(42, make(), manner);
      for (let step = 0; step < 150; step++) guest.act();
      return guest.vm.counters.now.slice();
    });
    expect(touch).toEqual(run);
    expect(stages).toEqual(run);
  });
});
