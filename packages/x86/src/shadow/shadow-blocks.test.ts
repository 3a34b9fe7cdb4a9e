/**
 * Stretches of accesses from memory: VMs that are offered runs count, and end up, as VMs that are touched page by page.
 */
import { AccessKind, type AccessRun, type GuestTables, type HostBacking, type HostOp, type VmLayout } from '@mmulab/api';
import { TestCounters, hostOf, optionsOf } from '../fixtures/root-vm';
import { TABLE_FRAMES } from '../fixtures/shadow-vm';
import { BlockMemory } from './block-memory';
import { ShadowBackend } from './shadow-backend';

/** Data from here on, behind six tables; the window on all tables behind the seventh. */
const DATA = 0x400;
const PAGES = 5 * 512 + 100;
const WINDOW = DATA + 6 * 512;
/** Behind the tables' frames, one past a block's beginning, as in the tests of the kernel. */
const DATA_GFN = 0x401;

/** Small pages: nothing, the zero page that a read finds, a page. Taking the zero page's place calls the notifier. */
const ANONYMOUS: HostBacking = {
  name: 'small',
  doc: 'Small pages with a zero page.',
  pageLevel: 1,
  hugetlb: false,
  states: [
    { name: 'none', present: false, writable: false, level: 1, thp: false },
    { name: 'zero', present: true, writable: false, level: 1, thp: false },
    { name: 'own', present: true, writable: true, level: 1, thp: false },
  ],
  populated: 2,
  faults: [
    { ok: true, state: 1, spanLevel: 1, writable: false, notifications: [] },
    { ok: true, state: 2, spanLevel: 1, writable: true, notifications: [] },
    { ok: true, state: 1, spanLevel: 1, writable: false, notifications: [] },
    { ok: true, state: 2, spanLevel: 1, writable: true, notifications: [{ level: 1, state: 2, changePte: false }] },
    { ok: true, state: 2, spanLevel: 1, writable: true, notifications: [] },
    { ok: true, state: 2, spanLevel: 1, writable: true, notifications: [] },
  ],
};

function spaceOf(used: boolean): GuestTables {
  const rights = { writable: true, user: false, executable: true, accessed: used, dirty: used };
  return {
    name: 'wide',
    levels: 4,
    root: TABLE_FRAMES.top,
    runs: [
      { vfn: DATA, gfn: DATA_GFN, npages: PAGES, level: 1, ...rights },
      { vfn: WINDOW, gfn: TABLE_FRAMES.top, npages: 10, level: 1, ...rights },
    ],
    tables: [
      { level: 3, first: 0, count: 1, gfn: TABLE_FRAMES.pointers },
      { level: 2, first: 0, count: 1, gfn: TABLE_FRAMES.directory },
      { level: 1, first: 2, count: 7, gfn: TABLE_FRAMES.data },
    ],
  };
}

function layoutOf(used: boolean): VmLayout {
  const slot = { hvf: 2 ** 20, backing: ANONYMOUS, readonly: false };
  return {
    vcpus: 2,
    physBits: 40,
    memslots: [
      { id: 0, baseGfn: 0, npages: DATA_GFN, ...slot, populated: [{ gfn: 0, npages: DATA_GFN }] },
      { id: 1, baseGfn: DATA_GFN, npages: 8192, ...slot, hvf: 2 ** 21, populated: [] },
    ],
    spaces: [spaceOf(used)],
    cpu: { wp: true, smep: false, smap: false, efernx: true, pge: false, pcide: false },
  };
}

const TABLE_WINDOW = { vfn: WINDOW + (TABLE_FRAMES.data - TABLE_FRAMES.top), first: 0, count: PAGES, stride: 1 };
const all = { vfn: DATA, count: PAGES, stride: 1, writeEvery: 0 };

/** Runs over the data. */
const RUNS: Readonly<Record<string, AccessRun>> = {
  w: { ...all, kind: AccessKind.Write },
  r: { ...all, kind: AccessKind.Read },
  x: { ...all, kind: AccessKind.Exec },
  m: { ...all, kind: AccessKind.Read, writeEvery: 16 },
  s: { ...all, kind: AccessKind.Write, stride: 3, count: Math.floor(PAGES / 3) },
  o: { ...all, kind: AccessKind.Write, vfn: DATA + 100, count: PAGES - 200 },
};

/** What the host does. */
const HOST: Readonly<Record<string, HostOp>> = {
  L: { op: 'set_dirty_log', slot: 1, on: true },
  l: { op: 'set_dirty_log', slot: 1, on: false },
  T: { op: 'set_dirty_log', slot: 0, on: true },
  t: { op: 'set_dirty_log', slot: 0, on: false },
  g: { op: 'get_dirty_log', slot: 1 },
  h: { op: 'get_dirty_log', slot: 0 },
  A: { op: 'age', slot: 1, pageByPage: false, flush: true },
  U: { op: 'unmap', slot: 1 },
  u: { op: 'unmap', slot: 1, firstPage: 0, npages: PAGES, stride: 7 },
};

/** What the guest does beside: clears D, A or W in its entries, or sets W; lets one lead elsewhere; writes registers. */
const GUEST: Readonly<Record<string, (backend: ShadowBackend) => void>> = {
  d: backend => backend.writeTables(0, { ...TABLE_WINDOW, change: { kind: 'modify', set: 0, clear: 32 } }),
  a: backend => backend.writeTables(0, { ...TABLE_WINDOW, change: { kind: 'modify', set: 0, clear: 48 } }),
  p: backend => backend.writeTables(0, { ...TABLE_WINDOW, change: { kind: 'modify', set: 0, clear: 2 } }),
  P: backend => backend.writeTables(0, { ...TABLE_WINDOW, change: { kind: 'modify', set: 2, clear: 0 } }),
  e: backend => backend.writeTables(0, { ...TABLE_WINDOW, first: 700, count: 1, change: { kind: 'store', gfn: DATA_GFN + 5, step: 0, bits: 63 } }),
  c: backend => backend.control(0, { register: 'cr3', space: 0 }),
  W: backend => backend.control(0, { register: 'cr0', bit: 'wp', value: 'toggle' }),
};

/** Two VMs go through the same, and one is offered whole runs. @param acts a letter each; 1: the other vCPU; @returns how often a stretch came from memory */
function compareVms(kernel: string, acts: string, used: boolean): number {
  const found = jest.spyOn(BlockMemory.prototype, 'find');
  const vms = [0, 1].map(() => {
    const counters = new TestCounters();
    const backend = new ShadowBackend(optionsOf(kernel, { npt: 'N' }), hostOf(), counters);
    backend.create(layoutOf(used));
    for (const vcpu of [1, 0]) backend.enter(vcpu);
    return { backend, counters };
  });
  let vcpu = 0;
  [...acts].forEach((act, at) => {
    if (act === '1') vcpu = 1 - vcpu;
    const states = vms.map(({ backend, counters }, number) => {
      const [op, run] = [HOST[act], RUNS[act]];
      if (op !== undefined) backend.host(op);
      GUEST[act]?.(backend);
      backend.enter(vcpu);
      if (run !== undefined) perform(backend, vcpu, run, number === 0);
      return `${acts.slice(0, at + 1)}: ${String(counters.now)} ${String(backend.stateKey())}`;
    });
    expect(states[0]).toBe(states[1]);
  });
  const times = found.mock.results.filter(({ value }) => value !== undefined).length;
  found.mockRestore();
  return times;
}

function perform(backend: ShadowBackend, vcpu: number, run: AccessRun, isWhole: boolean): void {
  if (isWhole) return backend.run(vcpu, run);
  for (let i = 0; i < run.count; i++) {
    const isWrite = run.writeEvery > 0 && i % run.writeEvery === 0;
    backend.touch(vcpu, run.vfn + i * run.stride, isWrite ? AccessKind.Write : run.kind);
  }
}

/** Acts at random. */
function drawn(seed: number): string {
  const letters = [...Object.keys(RUNS), ...Object.keys(RUNS), ...Object.keys(HOST), ...Object.keys(GUEST), '1'];
  let state = seed;
  return Array.from({ length: 14 }, () => {
    state = (state * 48271) % 2147483647;
    return letters[state % letters.length];
  }).join('');
}

describe('a run under shadow paging, most of it from memory', () => {
  it.each([
    ['5.10.262', 'wLwgmg1wgo', true],
    ['6.1.192', 'rwUxwdcrwLgmTdchrmw', false],
    ['7.3', 'waTcrmWwpcwWwPcwLswgow', true],
    ['7.3', 'wewurwLuwgw', true],
  ])('counts on %s what 2,660 single accesses each do: %s', (kernel, acts, used) => {
    expect(compareVms(kernel, acts, used)).toBeGreaterThan(8);
  });

  it('does so whatever 2 seeds draw', () => {
    for (const seed of [11, 3333]) compareVms('6.12.117', `w${drawn(seed)}`, seed < 300);
  });
});
