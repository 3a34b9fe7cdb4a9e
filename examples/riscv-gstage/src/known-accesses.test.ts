/**
 * Accesses by memory count as accesses step by step: the same random life of a VM on the table engine and on the oracle, which remembers nothing.
 */
import 'reflect-metadata';
import { AccessKind, type Counters, type HostBacking, type HostFault, type HostOp, type OptionSpec, type OptionValues } from '@mmulab/api';
import { type EngineFactory, tableEngines } from '@mmulab/pgtable';
import { oracleEngines } from '@mmulab/testkit';
import { definition } from './definition';
import { FaultPath } from './fault-path';
import { RiscvGstage } from './riscv-gstage';

const VCPUS = 3;
const SLOTS = 2;
const NPAGES = 1536;
/** Not a multiple of a block: the slot's edges cross two. */
const FIRST = 2 ** 20 + 100;
const { Read, Write, Exec } = AccessKind;

/** A vector per actor and memslot; counts may be held back until they are read. */
class Vectors implements Counters {
  private readonly vectors = Array.from({ length: (VCPUS + 1) * SLOTS }, () => new Float64Array(definition.events.length));
  now = this.vectors[0];
  private readonly release: (() => void)[] = [];

  select(actor: number, slot = 0): void {
    this.now = this.vectors[(actor + 1) * SLOTS + slot];
  }

  holdBack(flushCounts: () => void): void {
    this.release.push(flushCounts);
  }

  read(): readonly (readonly number[])[] {
    for (const flushCounts of this.release) flushCounts();
    return this.vectors.map(vector => [...vector]);
  }
}

const toOwn: HostFault = { ok: true, state: 1, spanLevel: 1, writable: true, notifications: [] };
const memory: HostBacking = {
  name: 'memory',
  doc: 'Shared memory.',
  pageLevel: 1,
  hugetlb: false,
  states: [
    { name: 'none', present: false, writable: false, level: 1, thp: false },
    { name: 'own', present: true, writable: true, level: 1, thp: false },
  ],
  populated: 1,
  faults: [toOwn, toOwn, toOwn, toOwn],
};

const defaults = (specs: readonly OptionSpec[]): OptionValues => Object.fromEntries(specs.map(spec => [spec.name, spec.default]));

function vm(profile: string, engines: EngineFactory) {
  const counters = new Vectors();
  const { values } = definition.profiles.find(({ name }) => name === profile) ?? { values: {} };
  const host = { ...defaults(definition.hostOptions), gstage_mode: 'sv48x4' };
  const backend = new RiscvGstage({ ...defaults(definition.options), ...values }, host, counters, engines);
  const guest = { level: 1, writable: true, user: true, executable: true, accessed: true, dirty: true };
  backend.create({
    vcpus: VCPUS,
    physBits: 46,
    memslots: [{ id: 1, baseGfn: FIRST, npages: NPAGES, hvf: FIRST, backing: memory, readonly: false, populated: [] }],
    spaces: [{ name: 'identity', levels: 4, root: FIRST, runs: [{ ...guest, vfn: FIRST, gfn: FIRST, npages: NPAGES }], tables: [] }],
    cpu: { wp: true, smep: false, smap: false, efernx: true, pge: true, pcide: false },
  });
  for (let vcpu = 0; vcpu < VCPUS; vcpu++) backend.enter(vcpu);
  return { backend, counters };
}

const HOST: readonly HostOp[] = [
  { op: 'set_dirty_log', slot: 1, on: true },
  { op: 'set_dirty_log', slot: 1, on: false },
  { op: 'get_dirty_log', slot: 1 },
  { op: 'get_dirty_log', slot: 1 },
  { op: 'age', slot: 1, flush: true, pageByPage: false },
  { op: 'unmap', slot: 1, firstPage: 512, npages: 64 },
  { op: 'unmap', slot: 1 },
];

/** @returns whole numbers below `n`, the same for equal seeds */
function drawer(seed: number): (n: number) => number {
  let x = seed;
  return n => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % n;
  };
}

/** vCPUs touch neighbours, pages of a block or any; they leave and enter; the host logs, ages and takes pages away. */
function live({ backend }: ReturnType<typeof vm>, seed: number, turns: number): void {
  const draw = drawer(seed);
  for (let turn = 0; turn < turns; turn++) {
    const vcpu = draw(VCPUS);
    const what = draw(30);
    if (what < 2) backend.host(HOST[draw(HOST.length)]);
    else if (what === 2) backend.leave(vcpu);
    else if (what < 6) for (let one = 0; one < VCPUS; one++) backend.enter(one);
    else burst(backend, vcpu, draw);
  }
}

function burst(backend: RiscvGstage, vcpu: number, draw: (n: number) => number): void {
  const first = draw(NPAGES);
  const reach = [1, 512, NPAGES][draw(3)];
  const kind = [Write, Write, Write, Read, Exec][draw(5)];
  for (let i = draw(12) === 0 ? 600 : draw(24); i >= 0; i--) {
    const page = reach === 1 ? first + i : reach === 512 ? first - (first % 512) + draw(512) : draw(NPAGES);
    backend.touch(vcpu, FIRST + (page % NPAGES), kind);
  }
}

describe('single accesses by memory', () => {
  it.each(['7.2.13', '6.12.117'])('count alike with and without it in 400 turns on %s, for each vCPU', kernel => {
    const [known, naive] = [tableEngines, oracleEngines].map(engines => {
      const one = vm(kernel, engines);
      live(one, 0x9e3779b9, 400);
      return one.counters.read();
    });
    expect(known).toEqual(naive);
  });

  it('take the fault path for fewer than 30 of 1024 writes that get their right back, though each fence goes into three rings', () => {
    const { backend, counters } = vm('7.2.13', tableEngines);
    for (let page = 0; page < NPAGES; page++) backend.touch(page % VCPUS, FIRST + page, Write);
    backend.host(HOST[0]);
    counters.read();
    const access = jest.spyOn(FaultPath.prototype, 'access');
    // The two blocks that lie in the slot whole: tables at its edges hold three kinds of entries.
    for (let page = 412; page < 412 + 1024; page++) backend.touch(page % VCPUS, FIRST + page, Write);
    const steps = access.mock.calls.length;
    access.mockRestore();
    expect(steps).toBeLessThan(30);
    const at = (name: string): number => definition.events.findIndex(event => event.name === name);
    const sums = counters.read().reduce((all, vector) => all.map((count, i) => count + vector[i]));
    // And one request of the host: the fence of the whole slot, which write protection asks for.
    expect(['hfence.gpa.queued', 'hfence.ipi', 'hfence.local.gpa'].map(name => sums[at(name)])).toEqual([1025, 2051, 3075]);
  });
});
