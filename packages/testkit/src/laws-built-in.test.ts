/**
 * The laws over the built-in backends, with everything the host may do: slots that come, go and move, memory that is dropped, protected, shared, freed, bitmaps and dirty rings.
 */
import { AccessKind, type Counters, type MmuBackend, type OptionValues } from '@mmulab/api';
import type { EngineFactory } from '@mmulab/pgtable';
import { Registry } from '@mmulab/runner';
import { Touched, memory, subjects } from './fixtures/touched-vm';
import { describeLaws } from './laws/describe-laws';
import type { LawsOptions } from './laws/describe-laws';
import type { Departure } from './laws/laws';
import type { LawScenario } from './laws/scenario';

const registry = Registry.load(['@mmulab/x86', '@mmulab/arm64'], __dirname);

type Make = new (options: OptionValues, host: OptionValues, counters: Counters, engines?: EngineFactory) => MmuBackend;

function laws(name: string, options: LawsOptions): void {
  const { definition, implementation } = registry.backendContribution(name);
  describeLaws(definition, (values, host, counters, engines) => new (implementation as Make)(values, host, counters, engines), {
    sequences: 8,
    ...options,
  });
}

const example = (profile: string, backing: string, ...steps: LawScenario['steps']): LawScenario => {
  return { profile, vcpus: 1, slots: [{ backing, npages: 1024, shift: 0, congruent: true, readonly: false, populated: false }], steps };
};
const read = { do: 'touch', vcpu: 0, slot: 0, page: 0, kind: 'read', npages: 1, stride: 1 } as const;

const x86: LawsOptions = {
  // A read of a logged slot maps a page writable that the host has writable, and sets its bit.
  readsMayLog: true,
  flushes: { asked: ['remote_tlb_flush_requests'], served: ['tlb_flush', 'tlb_flush.hw'] },
  departures: [
    {
      law: 'tables',
      because: 'counters that name no root that goes, and no memory beside a shadow page',
      example: example('5.10.262', 'anonymous', read),
    },
  ],
};

const freedLater: Departure = {
  law: 'tables',
  because: 'tables that give way to a block, which are freed after a grace period',
  when: ({ deferred_free }) => deferred_free === 'Y',
  example: example('6.2', 'anonymous_hugetlb', { do: 'log', slot: 0, on: true }, read, { do: 'log', slot: 0, on: false }, { ...read, page: 1 }),
};

laws('x86-tdp', x86);
laws('x86-shadow', x86);
laws('arm64-stage2', { flushes: { asked: ['tlbi.ipa', 'tlbi.vmid', 'tlbi.range'] }, departures: [freedLater] });

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
