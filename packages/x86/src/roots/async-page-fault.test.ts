import type { OptionValues } from '@mmulab/api';
import { hostOf, optionsOf } from '../fixtures/root-vm';
import { readPolicy } from '../policy';
import { afterPagingChange, isStillWanted, outcomeOf, type AsyncFaultState } from './async-page-fault';
import { Cr0, GuestCpu } from './guest-state';
import { readRootPolicy, type RootPolicy } from './root-policy';

const OPTED_IN: AsyncFaultState = {
  enabled: true,
  userOnly: false,
  cpl: 3,
  nestedOptIn: false,
  irqchip: true,
  exceptionPending: false,
  interruptible: true,
  hltInGuest: false,
};

function policyOf(kernel: string, options: OptionValues = {}): RootPolicy {
  const values = optionsOf(kernel, options);
  return readRootPolicy(values, hostOf(), readPolicy(values, hostOf()));
}

function guest(paging: boolean): GuestCpu {
  const cpu = new GuestCpu({ wp: true, smep: false, smap: false, efernx: true, pge: false, pcide: false }, 4, false);
  if (!paging) cpu.setCr0(cpu.cr0 & ~Cr0.Pg);
  return cpu;
}

describe('an asynchronous page fault', () => {
  it.each([
    ['5.17', {}, 'notify'],
    ['5.17', { root_reset: 'lookup' }, 'halt'],
    ['5.18', {}, 'halt'],
    ['6.12.117', {}, 'halt'],
  ])('of a guest without paging under %s %j: %s', (kernel, options, outcome) => {
    expect(outcomeOf(guest(false), OPTED_IN, policyOf(kernel, options))).toBe(outcome);
    expect(outcomeOf(guest(true), OPTED_IN, policyOf(kernel, options))).toBe('notify');
  });

  it.each([
    [{ enabled: false }, 'halt'],
    [{ enabled: false, hltInGuest: true }, 'synchronous'],
    [{ userOnly: true, cpl: 0 }, 'halt'],
    [{ userOnly: true, cpl: 3 }, 'notify'],
    [{ irqchip: false }, 'synchronous'],
    [{ exceptionPending: true }, 'synchronous'],
    [{ interruptible: false }, 'synchronous'],
  ])('with %j: %s', (over, outcome) => {
    expect(outcomeOf(guest(true), { ...OPTED_IN, ...over }, policyOf('6.1.192'))).toBe(outcome);
  });

  it('of a nested guest is for L1 to ask for', () => {
    const cpu = guest(true);
    cpu.guestMode = true;
    expect(outcomeOf(cpu, OPTED_IN, policyOf('6.1.192'))).toBe('halt');
    expect(outcomeOf(cpu, { ...OPTED_IN, nestedOptIn: true }, policyOf('6.1.192'))).toBe('notify');
  });

  it.each([
    ['5.17', true, 'cleared'],
    ['6.1.192', true, 'ready'],
    ['6.1.192', false, 'nothing'],
  ])('is, under %s after paging became %s, %s', (kernel, paging, effect) => {
    expect(afterPagingChange(guest(paging), OPTED_IN, policyOf(kernel))).toBe(effect);
  });

  it('that completes is dropped when the tables are other ones by then', () => {
    expect(isStillWanted({ direct: true, pgd: 1 }, { direct: true, pgd: 2 })).toBe(true);
    expect(isStillWanted({ direct: false, pgd: 1 }, { direct: false, pgd: 2 })).toBe(false);
    expect(isStillWanted({ direct: true, pgd: 1 }, { direct: false, pgd: 1 })).toBe(false);
  });
});
