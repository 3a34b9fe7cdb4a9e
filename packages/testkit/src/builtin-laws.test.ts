/**
 * The built-in backends keep the laws, with bitmaps and with dirty rings.
 */
import { AccessKind, type BackendDefinition, type Counters, type MmuBackend, type OptionValues } from '@mmulab/api';
import { Registry } from '@mmulab/runner';
import { Touched, memory, subjects } from './fixtures/touched-vm';
import { findBrokenLaw } from './laws/describe-laws';

const registry = Registry.load(['@mmulab/x86', '@mmulab/arm64'], __dirname);

type Make = new (options: OptionValues, host: OptionValues, counters: Counters) => MmuBackend;

const contributionOf = (name: string): readonly [BackendDefinition, Make] => {
  const { definition, implementation } = registry.backendContribution(name);
  return [definition, implementation];
};

// A new root ends all translations of the old one. x86 reads map pages writable under dirty logging, and say so.
const x86 = { flushes: { asked: ['remote_tlb_flush_requests'], served: ['tlb_flush', 'mmu.load'] }, readsMayLog: true };
const arm64 = { flushes: { asked: ['tlbi.vmid', 'tlbi.range', 'tlbi.ipa'] } };

it.each([
  ['x86-tdp', x86],
  ['x86-shadow', x86],
  ['arm64-stage2', arm64],
] as const)('%s breaks no law in 30 scenarios of 1 to 25 steps', (name, options) => {
  const [definition, Backend] = contributionOf(name);
  const create = (...given: ConstructorParameters<Make>): MmuBackend => new Backend(...given);
  expect(findBrokenLaw(definition, create, { ...options, tablesHeld: 'untold', seed: 5, sequences: 30, steps: 25 })).toBeUndefined();
});

describe.each(subjects)('on %s', (_name, subject) => {
  it.each(memory.slice(0, 2))('leaves of memory of %s are young once', (backing, npages) => {
    const vm = new Touched(subject, backing, npages);
    const age = (): number | undefined => {
      let young: number | undefined;
      vm.backend.host({ op: 'age', slot: 1, pageByPage: true, flush: true }, { young: leaves => (young = leaves) });
      return young;
    };
    const first = age();
    expect(first).toBeGreaterThan(0);
    expect(age()).toBe(0);
    vm.backend.enter(0);
    vm.backend.touch(0, vm.region.vfn, AccessKind.Read);
    expect(age()).toBe(1);
  });
});
