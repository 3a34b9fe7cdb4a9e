/**
 * Dirty rings on every built-in backend, derived by hand: when a ring is full, what user space finds in it, and what a reset protects again.
 */
import { AccessKind, DIRTY_RING_OPERATION, type MmuBackend, type OptionSpec, type OptionValues } from '@mmulab/api';
import { Registry, RunCounters, run } from '@mmulab/runner';
import { layOutVm, type TestRegion } from './conformance-vm';

const registry = Registry.load(['@mmulab/x86', '@mmulab/arm64'], __dirname);
const plugins = ['@mmulab/x86', '@mmulab/arm64', '@mmulab/workloads'];
const { Write, Read } = AccessKind;

interface Ringed {
  readonly backend: string;
  readonly kernel: string;
  readonly options?: OptionValues;
  readonly host?: OptionValues;
  /** Entries at which a ring of 1024 is soft full. */
  readonly softLimit: number;
}

const subjects: readonly (readonly [string, Ringed])[] = [
  ['the TDP MMU with PML', { backend: 'x86-tdp', kernel: '7.3', softLimit: 1024 - 64 - 512 }],
  ['the TDP MMU without PML', { backend: 'x86-tdp', kernel: '6.1', host: { pml: 'N' }, softLimit: 960 }],
  ['the direct legacy MMU with PML', { backend: 'x86-shadow', kernel: '6.1', options: { npt: 'Y', tdp_mmu: 'N' }, softLimit: 448 }],
  ['shadow paging', { backend: 'x86-shadow', kernel: '6.1', softLimit: 960 }],
  ['stage 2', { backend: 'arm64-stage2', kernel: '6.2', softLimit: 960 }],
];

const defaults = (specs: readonly OptionSpec[]): OptionValues => Object.fromEntries(specs.map(spec => [spec.name, spec.default]));

class RingVm {
  readonly backend: MmuBackend;
  readonly region: TestRegion;
  private readonly counters: RunCounters;
  private readonly names: readonly string[];

  constructor({ backend, kernel, options = {}, host: given = {} }: Ringed, withBitmap: boolean) {
    const { definition, implementation } = registry.backendContribution(backend);
    const host = { ...defaults(definition.hostOptions), ...given };
    const profile = definition.profiles.find(({ name }) => name === kernel)?.values ?? {};
    const slot = { backing: 'anonymous', npages: 2048, shift: 0, congruent: true, readonly: false, populated: true };
    const vm = layOutVm({ vcpus: 2, slots: [slot] }, definition.machine(host), name => registry.backing(name, { pageSizeBytes: 4096, thp: 'never' }));
    const Backend = implementation as new (options: OptionValues, host: OptionValues, counters: RunCounters) => MmuBackend;
    this.counters = new RunCounters(definition.events, 2);
    this.names = definition.events.map(event => event.name);
    this.backend = new Backend({ ...defaults(definition.options), ...profile, ...options }, host, this.counters);
    this.backend.create({ ...vm.layout, dirtyRing: { entries: 1024, withBitmap } });
    [this.region] = vm.regions;
    this.backend.host({ op: 'set_dirty_log', slot: 1, on: true });
  }

  touch(vcpu: number, kind: AccessKind, first: number, count: number, stride = 1): void {
    this.backend.enter(vcpu);
    this.backend.run(vcpu, { vfn: this.region.vfn + first, count, stride, kind, writeEvery: 0 });
    this.backend.leave?.(vcpu);
  }

  /** What user space takes: [memslot, first page, pages] and the number of entries. */
  collect(vcpu?: number): readonly [readonly (readonly number[])[], number] {
    const pages: number[][] = [];
    let entries = -1;
    const op = vcpu === undefined ? ({ op: 'collect_dirty_rings' } as const) : ({ op: 'collect_dirty_rings', vcpu } as const);
    this.backend.host(op, { collected: (...run) => pages.push(run), ringEntries: count => (entries = count) });
    return [pages, entries];
  }

  reset(): number {
    let entries = -1;
    this.backend.host({ op: 'reset_dirty_rings' }, { ringEntries: count => (entries = count) });
    return entries;
  }

  count(name: string): number {
    return this.counters.total()[this.names.indexOf(name)] ?? NaN;
  }

  isWritable(page: number): boolean {
    const translation = this.backend.translate(this.region.gfn + page);
    return translation?.writable === true && translation.dirty;
  }
}

describe.each(subjects)('dirty rings of %s', (_, subject) => {
  it('hold what each vCPU has written, until user space has collected and reset them', () => {
    const vm = new RingVm(subject, subject.backend === 'arm64-stage2');
    vm.touch(0, Write, 3, 5);
    vm.touch(1, Write, 100, 3, 20);
    vm.touch(1, Write, 7, 1);
    expect([vm.count('dirty_ring_push'), vm.count('dirty_bitmap.set')]).toEqual([8, 0]);
    expect(vm.collect(1)).toEqual([[100, 120, 140].map(page => [1, page, 1]), 3]);
    expect(vm.collect()).toEqual([[[1, 3, 5]], 5]);
    expect([vm.isWritable(3), vm.isWritable(140)]).toEqual([true, true]);
    expect(vm.reset()).toBe(8);
    // Pages 3 to 7 of one ring; 100, 120 and 140 of the other.
    expect([vm.count('dirty_ring_reset'), vm.count('dirty_ring_reset.group')]).toEqual([2, 2]);
    expect([vm.isWritable(3), vm.isWritable(140)]).toEqual([false, false]);
    vm.touch(0, Write, 120, 1);
    expect([vm.collect(), vm.reset(), vm.reset()]).toEqual([[[[1, 120, 1]], 1], 1, 0]);
  });

  it(`send a vCPU to user space with ${subject.softLimit} of 1024 entries, and no earlier`, () => {
    const vm = new RingVm(subject, false);
    const { softLimit } = subject;
    vm.touch(0, Write, 0, softLimit - 1);
    vm.touch(1, Read, 2000, 1);
    vm.touch(0, Read, 0, 1);
    expect(vm.count('dirty_ring_exit')).toBe(0);
    vm.touch(0, Write, softLimit - 1, 1);
    vm.touch(0, Read, 0, 1);
    expect([vm.count('dirty_ring_exit'), vm.count('dirty_ring_reset')]).toEqual([1, 2]);
    // What was collected then is told by the next answer.
    const [pages, entries] = vm.collect();
    expect(pages[0]).toEqual([1, 0, softLimit]);
    expect(entries).toBeLessThanOrEqual(1);
    expect(vm.isWritable(softLimit >> 1)).toBe(false);
  });

  it('refuse the bitmap where there is none, and keep what no vCPU writes where there is one', () => {
    const codeOf = (act: () => void): unknown => {
      try {
        act();
        return undefined;
      } catch (error) {
        return (error as { readonly code?: string }).code;
      }
    };
    if (subject.backend !== 'arm64-stage2') {
      const vm = new RingVm(subject, false);
      for (const op of ['get_dirty_log', 'clear_dirty_log', 'kvm_write'] as const)
        expect(codeOf(() => vm.backend.host({ op, slot: 1 }))).toBe('DIRTY_RING_NO_BITMAP');
      expect(codeOf(() => new RingVm(subject, true))).toBe('DIRTY_RING_UNSUPPORTED');
      return;
    }
    const vm = new RingVm(subject, true);
    vm.touch(0, Write, 10, 2);
    vm.backend.host({ op: 'kvm_write', slot: 1, firstPage: 11, npages: 3 });
    const told: number[][] = [];
    vm.backend.host({ op: 'get_dirty_log', slot: 1 }, { dirty: (...pages) => told.push(pages) });
    expect([told, vm.collect()]).toEqual([[[11, 3]], [[[1, 10, 2]], 2]]);
  });
});

describe('a plan with dirty rings', () => {
  const codeOf = (backend: object, command: string): unknown => {
    try {
      run({ backend, workload: command }, { plugins, from: __dirname });
      return undefined;
    } catch (error) {
      return (error as { readonly code?: string }).code;
    }
  };
  const [tdp, stage2] = [{ name: 'x86-tdp' }, { name: 'arm64-stage2' }];

  it.each([
    ['a kernel before 5.11', { ...tdp, kernel: '5.10.262' }, '-R 1024 -p w', 'DIRTY_RING_UNSUPPORTED'],
    ['arm64 before 6.2', { ...stage2, kernel: '6.1.176' }, '-R 1024 -p w', 'DIRTY_RING_UNSUPPORTED'],
    ['bitmaps beside rings on x86', tdp, '-R 1024 -B -p w', 'DIRTY_RING_UNSUPPORTED'],
    ['512 entries, fewer than PML needs in reserve', tdp, '-R 512 -p w', 'DIRTY_RING_SIZE'],
    ['128 entries, less than a page', stage2, '-R 128 -p w', 'DIRTY_RING_SIZE'],
    ['1000 entries, no power of two', stage2, '-R 1000 -p w', 'DIRTY_RING_SIZE'],
    ['bitmaps beside no rings', stage2, '-B -p w', 'WORKLOAD_OPTION_CONFLICT'],
    ['a reset of no rings', stage2, '-p w,Qr', 'WORKLOAD_ROUND_INVALID'],
    ['a bitmap read beside rings', stage2, '-R 1024 -p w,D,G', 'WORKLOAD_ROUND_INVALID'],
    ['256 entries without PML', stage2, '-R 256 -p w,D,w,Qc,Qr', undefined],
  ])('is refused for %s, by a typed error', (_, backend, rounds, code) => {
    expect(codeOf(backend, `access_rounds -v 1 -b 2M ${rounds}`)).toBe(code);
  });

  it('is never counted from four vCPUs: one whose ring is full has those of all collected', () => {
    const [result] = run({ backend: tdp, workload: 'access_rounds -v 8 -b 2M -R 1024 -p w,D,w', representative: 'Y' }, { plugins, from: __dirname });
    expect(result?.notes.at(-1)).toMatch(/^representative=Y has no effect here: dirty rings/);
  });

  it('is declared by every built-in backend, by name', () => {
    const declare = registry.backends().map(({ operations = [] }) => operations.some(({ name }) => name === DIRTY_RING_OPERATION));
    expect(declare).toEqual([true, true, true]);
  });
});
