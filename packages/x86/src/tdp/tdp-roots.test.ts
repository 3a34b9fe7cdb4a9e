/**
 * TDP roots under role changes: what each release's policy makes of a guest that toggles CR0.WP. The formulas are those measured on real kernels
 * (roots reference §11); the guest is a small one: four tables on the way, p data pages.
 */
import { AccessKind, type OptionValues } from '@mmulab/api';
import { TestCounters, hostOf, optionsOf } from '../fixtures/root-vm';
import { DATA, layoutOf, windowedSpace } from '../fixtures/shadow-vm';
import { TdpBackend } from './tdp-backend';

const WP = { register: 'cr0', bit: 'wp', value: 'toggle' } as const;
/** Guest tables on the way to the data, and second-stage tables below the root: two, and one per 2 MiB of guest memory. */
const GUEST_TABLES = 4;
const TABLES_BELOW = 4;

/** A VM whose vCPUs have all touched the data. */
class ToggleVm {
  readonly counters = new TestCounters();
  readonly backend: TdpBackend;

  constructor(
    kernel: string,
    options: OptionValues,
    private readonly pages: number,
    vcpus = 1,
  ) {
    this.backend = new TdpBackend(optionsOf(kernel, options), hostOf(), this.counters);
    this.backend.create(layoutOf(windowedSpace(512), { vcpus }));
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      this.backend.enter(vcpu);
      this.touch(vcpu);
    }
  }

  touch(vcpu = 0): void {
    this.backend.run(vcpu, { vfn: DATA, count: this.pages, stride: 1, kind: AccessKind.Write, writeEvery: 0 });
  }

  /** Toggles, each followed by the touches. @returns what was counted per toggle, after two that warm up */
  perToggle(names: readonly string[], vcpu = 0): number[] {
    const turn = (): void => {
      this.backend.control(vcpu, WP);
      this.touch(vcpu);
    };
    turn();
    turn();
    const before = names.map(name => this.counters.of(name));
    for (let i = 0; i < 8; i++) turn();
    return names.map((name, i) => (this.counters.of(name) - (before[i] ?? 0)) / 8);
  }
}

const COUNTED = ['mmu.load', 'page_fault', 'table.alloc', 'remote_tlb_flush_requests', 'tlb_flush.hw'];

describe('a CR0.WP toggle with p = 16 pages touched after it', () => {
  it.each([
    // T tables freed and linked again, each with a flush request of its own; one flush for all of them and one by the load.
    ['5.10.262', {}, [1, 16 + GUEST_TABLES, TABLES_BELOW, TABLES_BELOW, 2]],
    // The root's own allocation counts; removed tables ask for no flush.
    ['5.17', {}, [1, 16 + GUEST_TABLES, TABLES_BELOW + 1, 0, 1]],
    ['5.17', { root_reset: 'lookup' }, [0, 0, 0, 0, 0]],
    ['5.18', {}, [1, 16 + GUEST_TABLES, TABLES_BELOW + 1, 0, 1]],
    // Roots die with their vCPU here too, but the role no longer names WP.
    ['6.2', {}, [1, 16 + GUEST_TABLES, TABLES_BELOW + 1, 0, 1]],
    ['6.1.192', { wp_shortcut: 'N' }, [1, 0, 0, 0, 1]],
    ['6.1.192', { wp_shortcut: 'N', root_reset: 'lookup' }, [0, 0, 0, 0, 0]],
    ['6.1.192', {}, [0, 0, 0, 0, 0]],
    ['6.12.117', {}, [0, 0, 0, 0, 0]],
  ])('under %s %j: loads, faults, tables, requests, hardware flushes %j', (kernel, options, expected) => {
    expect(new ToggleVm(kernel, options, 16).perToggle(COUNTED)).toEqual(expected);
  });

  it('grows with p where the tree is rebuilt', () => {
    expect(new ToggleVm('5.10.262', {}, 64).perToggle(['page_fault'])).toEqual([64 + GUEST_TABLES]);
  });
});

describe('roots shared by two vCPUs', () => {
  it('outlive a toggling vCPU: the other one holds the tree of WP=1, so only every second toggle rebuilds', () => {
    const vm = new ToggleVm('5.10.262', {}, 16, 2);
    expect(vm.perToggle(['mmu.load', 'page_fault', 'table.alloc'])).toEqual([1, (16 + GUEST_TABLES) / 2, TABLES_BELOW / 2]);
  });

  it('are zapped by the vCPU that lets go last (5.10), or by a worker that counts for the host (5.18)', () => {
    for (const [kernel, zapped] of [
      ['5.10.262', TABLES_BELOW],
      ['5.18', TABLES_BELOW],
    ] as const) {
      const vm = new ToggleVm(kernel, {}, 16);
      expect(vm.perToggle(['table.zap'])).toEqual([zapped]);
    }
  });
});

describe('roots of different roles', () => {
  it('are walked apart: a block one vCPU has walked the guest tables of is new to the other, whose root maps none of them', () => {
    const vm = new ToggleVm('5.17', {}, 16, 2);
    // From here on vCPU 1 has the root of WP=0, with nothing in it, and no root is loaded any more.
    vm.backend.control(1, WP);
    vm.backend.enter(1);
    const faults = (vcpu: number, vfn: number): number[] => {
      const before = [vm.counters.of('page_fault'), vm.counters.of('page_fault.guest_table')];
      vm.backend.touch(vcpu, vfn, AccessKind.Write);
      return [vm.counters.of('page_fault') - (before[0] ?? 0), vm.counters.of('page_fault.guest_table') - (before[1] ?? 0)];
    };
    expect(faults(0, DATA + 20)).toEqual([1, 0]);
    expect(faults(1, DATA + 20)).toEqual([1 + GUEST_TABLES, GUEST_TABLES]);
    // Each goes on where it was: nothing seen under one root is forgotten to no purpose, and nothing of the other's is taken for its own.
    expect([faults(0, DATA + 21), faults(1, DATA + 21)]).toEqual([
      [1, 0],
      [1, 0],
    ]);
  });
});

describe('invalidation', () => {
  it('empties the tree at once; the vCPU lets go of its root at the next entry and loads another', () => {
    for (const kernel of ['5.17', '6.12.117']) {
      const vm = new ToggleVm(kernel, {}, 16);
      const [loads, zaps] = [vm.counters.of('mmu.load'), vm.counters.of('table.zap')];
      vm.backend.host({ op: 'zap_all' });
      expect(vm.counters.of('table.zap') - zaps).toBe(TABLES_BELOW);
      expect(vm.counters.of('mmu.load')).toBe(loads);
      vm.backend.enter(0);
      expect(vm.counters.of('mmu.load')).toBe(loads + 1);
      vm.touch();
      expect(vm.counters.of('pages_4k')).toBe(16 + GUEST_TABLES);
    }
  });
});

describe('a guest without paging', () => {
  it('touches frames themselves, and no tables on the way', () => {
    const vm = new ToggleVm('6.1.192', {}, 1);
    const before = vm.counters.of('page_fault.guest_table');
    vm.backend.control(0, { register: 'cr0', bit: 'pg', value: 0 });
    vm.backend.touch(0, 0x900, AccessKind.Write);
    expect(vm.counters.of('page_fault.guest_table')).toBe(before);
    expect(vm.backend.translate(0x900)?.writable).toBe(true);
  });
});
