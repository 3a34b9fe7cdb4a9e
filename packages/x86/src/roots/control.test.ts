import type { ControlWrite } from '@mmulab/api';
import { RootVm } from '../fixtures/root-vm';
import { GuestCpu } from './guest-state';

const wp = { register: 'cr0', bit: 'wp', value: 'toggle' } as const;
const INTEL = { vendor: 'intel' };

describe('a CR0.WP toggle', () => {
  it.each([
    ['6.1.192', {}, INTEL, 0],
    ['6.4', {}, INTEL, 0],
    ['5.18', {}, INTEL, 1],
    ['6.1.192', {}, {}, 1],
    ['6.1.192', { npt: 'N' }, INTEL, 1],
  ])('under %s %j %j exits %i times from WP=1', (kernel, options, host, exits) => {
    const vm = new RootVm(kernel, options, host);
    vm.write(wp);
    expect(vm.counters.of('exit')).toBe(exits);
  });

  it('exits 1.5 times on average under shadow paging: the read of CR0 exits too while WP is 0', () => {
    const vm = new RootVm('6.1.192', { npt: 'N' });
    for (let i = 0; i < 10; i++) vm.write(wp);
    expect(vm.counters.of('exit')).toBe(15);
  });

  it.each([
    ['5.17', {}, 10],
    ['5.17', { root_reset: 'lookup' }, 1],
    ['5.18', {}, 10],
    ['6.1.192', {}, 0],
  ])('ten times under %s %j loads a TDP root %i times', (kernel, options, loads) => {
    const vm = new RootVm(kernel, options);
    const before = vm.counters.of('mmu.load');
    for (let i = 0; i < 10; i++) vm.write(wp);
    expect(vm.counters.of('mmu.load') - before).toBe(loads);
  });

  it('is a hit at the first previous root from the second time on, under the series as posted', () => {
    const vm = new RootVm('5.17', { root_reset: 'lookup' });
    vm.write(wp);
    const [protectedRoot, other] = vm.slots;
    vm.write(wp);
    expect(vm.slots.slice(0, 2)).toEqual([other, protectedRoot]);
    expect(vm.counters.of('root.cache_hit')).toBe(1);
    expect(vm.counters.of('tlb_flush')).toBe(0);
  });
});

describe('CR3 round robin over K tables under shadow paging', () => {
  it.each([
    [1, 0],
    [2, 0],
    [4, 0],
    [5, 40],
    [6, 40],
  ])('K = %i: %i loads in 40 switches once all were visited', (spaces, loads) => {
    const vm = new RootVm('6.1.192', { npt: 'N' });
    for (let i = 1; i <= 40 + spaces; i++) {
      if (i === spaces + 1) vm.pages.loads = 0;
      vm.write({ register: 'cr3', space: i % spaces });
    }
    expect(vm.pages.loads).toBe(loads);
  });
});

describe('PCIDs', () => {
  it('a flush of the active one drops previous roots of the same PCID', () => {
    const vm = new RootVm('6.1.192', { npt: 'N' });
    vm.write({ register: 'cr4', bit: 'pcide', value: 1 });
    vm.write({ register: 'cr3', space: 1, pcid: 5, noFlush: true });
    vm.write({ register: 'cr3', space: 2, pcid: 5, noFlush: true });
    expect(vm.slots.filter(root => root >= 0)).toHaveLength(3);
    vm.write({ register: 'cr3', space: 2, pcid: 5 });
    expect(vm.slots.filter(root => root >= 0)).toHaveLength(2);
  });

  it('NOFLUSH hits without synchronising or flushing', () => {
    const vm = new RootVm('6.1.192', { npt: 'N' });
    vm.write({ register: 'cr4', bit: 'pcide', value: 1 });
    vm.write({ register: 'cr3', space: 1, pcid: 5, noFlush: true });
    const [syncs, flushes] = [vm.counters.of('mmu.sync_roots'), vm.counters.of('tlb_flush.hw')];
    vm.write({ register: 'cr3', space: 0, pcid: 0, noFlush: true });
    expect([vm.counters.of('mmu.sync_roots'), vm.counters.of('tlb_flush.hw')]).toEqual([syncs, flushes]);
  });
});

describe('on VMX', () => {
  // Reads never exit. EPT leaves CR4.PGE to the guest, and TS is its own in either case.
  it.each([
    ['cr0', 'ts', 'Y', 0],
    ['cr0', 'ts', 'N', 0],
    ['cr0', 'cd', 'Y', 10],
    ['cr0', 'cd', 'N', 10],
    ['cr0', 'wp', 'N', 10],
    ['cr4', 'pge', 'Y', 0],
    ['cr4', 'pge', 'N', 10],
    ['cr4', 'smep', 'Y', 10],
    ['cr4', 'smap', 'N', 10],
    ['efer', 'nx', 'Y', 20],
  ] as const)('ten changes of %s.%s with npt=%s exit %i times, from 5.10 to 6.12', (register, bit, npt, exits) => {
    for (const kernel of ['5.10.262', '6.1.192', '6.12.117']) {
      const vm = new RootVm(kernel, { npt }, INTEL);
      for (let i = 0; i < 10; i++) vm.write({ register, bit, value: 'toggle' } as ControlWrite);
      expect(vm.counters.of('exit')).toBe(exits);
    }
  });

  it.each([['5.10.262'], ['6.1.192']])('CR4.PGE under EPT resets, flushes and loads nothing on %s', kernel => {
    const vm = new RootVm(kernel, {}, INTEL);
    const before = ['tlb_flush', 'tlb_flush.hw', 'mmu.load', 'mmu.reset_context'].map(name => vm.counters.of(name));
    vm.write({ register: 'cr4', bit: 'pge', value: 'toggle' });
    expect(['tlb_flush', 'tlb_flush.hw', 'mmu.load', 'mmu.reset_context'].map(name => vm.counters.of(name))).toEqual(before);
  });

  // Beside the load's own flush: the VMCS met for the first time, and on 6.12 what setting the registers left.
  it.each([
    ['6.1.192', 'Y', 1, 2],
    ['6.1.192', 'N', 1, 2],
    ['6.12.117', 'Y', 2, 3],
  ])('the first entry on %s with npt=%s serves %i requests, in %i hardware flushes', (kernel, npt, served, hardware) => {
    const vm = new RootVm(kernel, { npt }, INTEL);
    expect([vm.counters.of('tlb_flush'), vm.counters.of('tlb_flush.hw')]).toEqual([served, hardware]);
  });

  it('the nested guest’s VMCS asks for one more flush the first time, and never again', () => {
    const vm = new RootVm('6.1.192', {}, INTEL);
    const flushes = (): number => vm.counters.of('tlb_flush');
    const moves = (['vmrun', 'vmexit', 'vmrun', 'vmexit'] as const).map(value => {
      const before = flushes();
      vm.write({ register: 'nested', value });
      return flushes() - before;
    });
    expect(moves).toEqual([2, 1, 1, 1]);
  });

  // Every switch misses, so the flush of the current root finds none; the load makes its own.
  it.each([
    ['npt=N', 'N', 10],
    ['SVM', 'amd', 20],
  ])('CR3 over five roots with %s: %i hardware flushes in ten switches', (_what, vendor, hardware) => {
    const vm = new RootVm('6.1.192', { npt: 'N' }, vendor === 'amd' ? {} : INTEL);
    for (let i = 1; i <= 5; i++) vm.write({ register: 'cr3', space: i % 5 });
    const before = vm.counters.of('tlb_flush.hw');
    for (let i = 1; i <= 10; i++) vm.write({ register: 'cr3', space: i % 5 });
    expect(vm.counters.of('tlb_flush.hw') - before).toBe(hardware);
  });
});

describe('flushes of the hardware', () => {
  it('VMX has no current root to name before the load: SMEP 0→1 makes one flush where SVM makes two', () => {
    const flushes = (host: Readonly<Record<string, string>>): number => {
      const vm = new RootVm('6.1.192', {}, host);
      const before = vm.counters.of('tlb_flush.hw');
      vm.write({ register: 'cr4', bit: 'smep', value: 1 });
      return vm.counters.of('tlb_flush.hw') - before;
    };
    expect(flushes(INTEL)).toBe(1);
    expect(flushes({})).toBe(2);
  });

  it('SVM flushes inside set_cr4 when PGE changes under nested paging', () => {
    const vm = new RootVm('6.1.192', {});
    vm.write({ register: 'cr4', bit: 'pge', value: 'toggle' });
    expect(vm.counters.of('tlb_flush')).toBe(1);
    expect(vm.counters.of('tlb_flush.hw')).toBe(3);
  });

  it('6.12 makes two on the first entry, and serves one request', () => {
    expect(new RootVm('6.12.117', {}).counters.of('tlb_flush.hw')).toBe(2);
    expect(new RootVm('6.12.117', {}).counters.of('tlb_flush')).toBe(1);
    expect(new RootVm('6.1.192', {}).counters.of('tlb_flush.hw')).toBe(1);
  });
});

describe('a nested guest', () => {
  it('costs one look-up, two synchronisations, one load and two flushes on SVM, then hits on the way back', () => {
    const vm = new RootVm('6.1.192', {});
    const before = ['mmu.new_pgd', 'mmu.sync_roots', 'mmu.load', 'tlb_flush.hw'].map(name => vm.counters.of(name));
    vm.write({ register: 'nested', value: 'vmrun' });
    expect(['mmu.new_pgd', 'mmu.sync_roots', 'mmu.load', 'tlb_flush.hw'].map((name, i) => vm.counters.of(name) - (before[i] ?? 0))).toEqual([
      1, 2, 1, 2,
    ]);
    const loads = vm.counters.of('mmu.load');
    vm.write({ register: 'nested', value: 'vmexit' });
    vm.write({ register: 'nested', value: 'vmrun' });
    expect(vm.counters.of('mmu.load')).toBe(loads);
  });

  it.each([
    ['twice', {}, ['vmrun', 'vmrun']],
    ['left without being entered', {}, ['vmexit']],
    ['without two-dimensional paging below', { npt: 'N' }, ['vmrun']],
  ] as const)('entered %s is refused', (_what, options, moves) => {
    const vm = new RootVm('6.1.192', options);
    expect(() => moves.forEach(value => vm.write({ register: 'nested', value }))).toThrow(/^GUEST_NESTED/);
  });
});

describe('values the hardware refuses', () => {
  it.each([
    ['PE cleared under paging', [{ register: 'cr0', bit: 'pe', value: 0 }]],
    ['LA57 in long mode', [{ register: 'cr4', bit: 'la57', value: 1 }]],
    ['PAE cleared in long mode', [{ register: 'cr4', bit: 'pae', value: 0 }]],
    ['LME changed under paging', [{ register: 'efer', bit: 'lme', value: 0 }]],
    ['no-flush without PCIDE', [{ register: 'cr3', space: 0, noFlush: true }]],
    ['INVPCID of a PCID without PCIDE', [{ register: 'invpcid', type: 'context', pcid: 3 }]],
    [
      'paging off with PCIDE',
      [
        { register: 'cr4', bit: 'pcide', value: 1 },
        { register: 'cr0', bit: 'pg', value: 0 },
      ],
    ],
    [
      'long mode without PAE',
      [
        { register: 'cr0', bit: 'pg', value: 0 },
        { register: 'cr4', bit: 'pae', value: 0 },
        { register: 'cr0', bit: 'pg', value: 1 },
      ],
    ],
    [
      'paging without protection',
      [
        { register: 'cr0', bit: 'pg', value: 0 },
        { register: 'cr0', bit: 'pe', value: 0 },
        { register: 'cr0', bit: 'pg', value: 1 },
      ],
    ],
  ] as const)('%s: #GP, and nothing changes', (_what, writes) => {
    const vm = new RootVm('6.1.192', { npt: 'N' });
    const last = writes.length - 1;
    writes.slice(0, last).forEach(write => vm.write(write));
    const state = (): unknown => [vm.cpu.cr0, vm.cpu.cr4, vm.cpu.efer, vm.slots];
    const before = state();
    vm.write(writes[last]);
    expect(vm.counters.of('inject.gp')).toBe(1);
    expect(state()).toEqual(before);
  });

  it.each([
    [{ register: 'cr3', space: 99 }],
    [{ register: 'cr3', space: -1 }],
    [{ register: 'cr3', space: 0, pcid: 4096 }],
    [{ register: 'invpcid', type: 'context', pcid: -1 }],
  ] as const)('%j names what cannot be: a config error', write => {
    expect(() => new RootVm('6.1.192', { npt: 'N' }).write(write)).toThrow(/^GUEST_REGISTER_VALUE/);
  });

  it('LA57 needs a CPU that has it', () => {
    const start = { wp: true, smep: false, smap: false, efernx: true, pge: false, pcide: false };
    const cpu = new GuestCpu(start, 3, false);
    cpu.setCr0(cpu.cr0 & ~4);
    expect(cpu.cr4After({ register: 'cr4', bit: 'la57', value: 1 })).toBe(-1);
  });
});
