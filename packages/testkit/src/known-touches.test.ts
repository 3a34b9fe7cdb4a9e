/**
 * Touches by memory of what they do count as touches step by step: the same random life of a VM, whose vCPUs touch pages in bursts and at random while the host logs, ages and
 * takes pages away and registers are written, on the table engine and on the oracle, which remembers nothing.
 */
import { AccessKind, type Counters, type HostOp, type MmuBackend, type OptionSpec, type OptionValues } from '@mmulab/api';
import { type EngineFactory, tableEngines } from '@mmulab/pgtable';
import { BatchedAccesses, Registry, backingHost } from '@mmulab/runner';
import { layOutVm } from './conformance-vm';
import { oracleEngines } from './oracle';

const registry = Registry.load(['@mmulab/x86', '@mmulab/arm64'], __dirname);
const VCPUS = 3;
const NPAGES = 1536;

/** A vector per actor; counts may be held back until they are read. */
class Vectors implements Counters {
  readonly vectors: readonly Float64Array[];
  now: Float64Array;
  private readonly release: (() => void)[] = [];

  constructor(events: number) {
    this.vectors = Array.from({ length: VCPUS + 1 }, () => new Float64Array(events));
    this.now = this.vectors[0];
  }

  select(actor: number): void {
    this.now = this.vectors[actor + 1];
  }

  holdBack(flushCounts: () => void): void {
    this.release.push(flushCounts);
  }

  read(): readonly (readonly number[])[] {
    for (const flushCounts of this.release) flushCounts();
    return this.vectors.map(vector => [...vector]);
  }
}

const defaults = (specs: readonly OptionSpec[]): OptionValues => Object.fromEntries(specs.map(spec => [spec.name, spec.default]));

type Make = new (options: OptionValues, host: OptionValues, counters: Counters, engines: EngineFactory) => MmuBackend;

/** One VM with three vCPUs and memory of three blocks of 2 MiB, the first of them crossed by the slot's edge. */
function vm(name: string, kernel: string, backing: string, engines: EngineFactory, npages = NPAGES) {
  const { definition, implementation } = registry.backendContribution(name);
  const profile = definition.profiles.find(candidate => candidate.name === kernel)?.values ?? {};
  const host = { ...defaults(definition.hostOptions), thp: 'madvise', ...(name === 'x86-tdp' ? { pml: 'N' } : {}) };
  const machine = definition.machine(host);
  const counters = new Vectors(definition.events.length);
  const backend = new (implementation as Make)({ ...defaults(definition.options), ...profile }, host, counters, engines);
  const plan = { backing, npages, shift: 0, congruent: true, readonly: false, populated: false };
  const { layout, regions } = layOutVm({ vcpus: VCPUS, slots: [plan] }, machine, found => registry.backing(found, backingHost(machine, host)));
  backend.create(layout);
  for (let vcpu = 0; vcpu < VCPUS; vcpu++) backend.enter(vcpu);
  return { backend, counters, vfn: regions[0].vfn };
}

const HOST: readonly HostOp[] = [
  { op: 'set_dirty_log', slot: 1, on: true },
  { op: 'set_dirty_log', slot: 1, on: false },
  { op: 'get_dirty_log', slot: 1 },
  { op: 'get_dirty_log', slot: 1 },
  { op: 'age', slot: 1, flush: true, pageByPage: false },
  { op: 'unmap', slot: 1, firstPage: 512, npages: 64 },
  { op: 'unmap', slot: 1 },
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

/** The life of a VM: `turns` turns of a vCPU or the host. */
function live({ backend, vfn }: ReturnType<typeof vm>, seed: number, turns: number, hasRegisters: boolean): void {
  const draw = drawer(seed);
  for (let turn = 0; turn < turns; turn++) {
    const vcpu = draw(VCPUS);
    const what = draw(40);
    if (what === 0) backend.host(HOST[draw(HOST.length)]);
    else if (what === 1) backend.enter(vcpu);
    else if (what === 2 && hasRegisters) backend.control(vcpu, { register: 'cr4', bit: 'pge', value: 'toggle' });
    else if (what === 3 && hasRegisters) backend.control(vcpu, { register: 'cr0', bit: 'wp', value: 'toggle' });
    else burst(backend, vcpu, vfn, draw);
  }
}

const KINDS = [AccessKind.Write, AccessKind.Write, AccessKind.Write, AccessKind.Read, AccessKind.Exec];

/** A few touches: neighbours, pages of one block, or anywhere. */
function burst(backend: MmuBackend, vcpu: number, vfn: number, draw: (n: number) => number): void {
  const first = draw(NPAGES);
  const reach = [1, 512, NPAGES][draw(3)];
  const kind = KINDS[draw(KINDS.length)];
  // In batches, some of them of all vCPUs.
  const batched = [undefined, new BatchedAccesses(backend)][draw(2)];
  const isMixed = draw(3) === 0;
  // Now and then to the block's end and beyond, so that tables fill up and fold.
  for (let i = draw(12) === 0 ? 600 : draw(24); i >= 0; i--) {
    const page = reach === 1 ? first + i : reach === 512 ? first - (first % 512) + draw(512) : draw(NPAGES);
    const who = isMixed ? draw(VCPUS) : vcpu;
    if (batched === undefined) backend.touch(who, vfn + (page % NPAGES), kind);
    else batched.add(who, vfn + (page % NPAGES), isMixed ? KINDS[draw(KINDS.length)] : kind);
  }
  batched?.flush();
}

describe.each([
  ['x86-tdp', '7.3', 'anonymous'],
  ['x86-tdp', '5.10.262', 'shmem'],
  ['arm64-stage2', '7.3', 'shmem'],
])('touches on %s of %s, %s', (name, kernel, backing) => {
  it('count alike by memory and step by step in 150 turns', () => {
    const known = vm(name, kernel, backing, tableEngines);
    const naive = vm(name, kernel, backing, oracleEngines);
    for (const one of [known, naive]) live(one, 0x9e3779b9, 150, name === 'x86-tdp');
    expect(known.counters.read()).toEqual(naive.counters.read());
  });
});

describe('a fault whose outcome is known', () => {
  /** What two worlds count for the same touches. */
  function both(name: string, backing: string, npages: number, work: (one: ReturnType<typeof vm>) => void): readonly unknown[] {
    return [tableEngines, oracleEngines].map(engines => {
      const one = vm(name, '7.3', backing, engines, npages);
      work(one);
      return one.counters.read();
    });
  }

  it('serves the flush first that another vCPU has asked for by a copy on write', () => {
    const [known, naive] = both('x86-tdp', 'anonymous', NPAGES, ({ backend, vfn }) => {
      for (let page = 0; page < 10; page++) backend.touch(1, vfn + page, AccessKind.Write);
      backend.touch(0, vfn + 600, AccessKind.Read);
      backend.touch(0, vfn + 600, AccessKind.Write);
      backend.touch(1, vfn + 10, AccessKind.Write);
    });
    expect(known).toEqual(naive);
  });

  it.each(['x86-tdp', 'arm64-stage2'])('is not taken from a dirty log that is on no longer: %s', name => {
    const [known, naive] = both(name, 'shmem', NPAGES, ({ backend, vfn }) => {
      const write = (from: number, to: number): void => {
        for (let page = from; page < to; page++) backend.touch(1, vfn + page, AccessKind.Write);
      };
      write(0, 40);
      backend.host({ op: 'set_dirty_log', slot: 1, on: true });
      backend.enter(1);
      write(0, 20);
      backend.host({ op: 'set_dirty_log', slot: 1, on: false });
      backend.enter(1);
      write(20, 30);
    });
    expect(known).toEqual(naive);
  });

  it.each(['x86-tdp', 'arm64-stage2'])('is brought about in batches that expand the tables of 40 blocks: %s', name => {
    const npages = 40 * 512;
    const [known, naive] = both(name, 'shmem', npages, ({ backend, vfn }) => {
      const draw = drawer(0x9e3779b9);
      const atRandom = (): void => {
        const batch = new BatchedAccesses(backend);
        for (let i = 0; i < 400; i++) batch.add(draw(VCPUS), vfn + draw(npages), draw(4) === 0 ? AccessKind.Read : AccessKind.Write);
        batch.flush();
      };
      backend.run(0, { vfn, count: npages, stride: 1, kind: AccessKind.Write, writeEvery: 0 });
      backend.host({ op: 'set_dirty_log', slot: 1, on: true });
      for (let vcpu = 0; vcpu < VCPUS; vcpu++) backend.enter(vcpu);
      atRandom();
      backend.host({ op: 'get_dirty_log', slot: 1 });
      for (let vcpu = 0; vcpu < VCPUS; vcpu++) backend.enter(vcpu);
      atRandom();
      backend.host({ op: 'set_dirty_log', slot: 1, on: false });
    });
    expect(known).toEqual(naive);
  });

  it('copies zero pages under a dirty log though it has relaxed others', () => {
    const [known, naive] = both('arm64-stage2', 'anonymous', NPAGES, ({ backend, vfn }) => {
      const touch = (from: number, to: number, kind: AccessKind): void => {
        for (let page = from; page < to; page++) backend.touch(1, vfn + page, kind);
      };
      // Whole blocks: tables of more than two attributes are left to the step engine.
      touch(0, 512, AccessKind.Write);
      touch(512, 1024, AccessKind.Read);
      backend.host({ op: 'set_dirty_log', slot: 1, on: true });
      touch(0, 10, AccessKind.Write);
      touch(512, 522, AccessKind.Write);
    });
    expect(known).toEqual(naive);
  });

  it('tops up a memory cache that tables have emptied, at the fault that finds it so', () => {
    const totals: number[][] = [];
    both('arm64-stage2', 'shmem', 40 * 512, ({ backend, counters, vfn }) => {
      const after = Array.from({ length: 160 }, (_, i) => {
        backend.touch(1, vfn + (i >> 2) * 512 + (i & 3), AccessKind.Write);
        return counters.read().reduce((sum, vector) => sum + vector.reduce((all, count) => all + count, 0), 0);
      });
      totals.push(after);
    });
    expect(totals[0]).toEqual(totals[1]);
  });
});
