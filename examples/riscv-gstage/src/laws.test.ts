/**
 * The laws every second-stage MMU keeps, and those that these kernels break.
 */
import 'reflect-metadata';
import { describeLaws, findBrokenLaw } from '@mmulab/testkit';
import type { CreateBackend, Departure, LawScenario, LawsOptions } from '@mmulab/testkit';
import { definition } from './definition';
import { RiscvGstage } from './riscv-gstage';

const create: CreateBackend = (options, host, counters, engines) => new RiscvGstage(options, host, counters, engines);

const slotOf = (backing: string): LawScenario['slots'][number] => {
  return { backing, npages: 1024, shift: 0, congruent: true, readonly: false, populated: false };
};

const departures: readonly Departure[] = [
  {
    law: 'nothing_left',
    because: 'tables, which are never freed',
    example: {
      profile: '7.2.13',
      vcpus: 1,
      slots: [slotOf('anonymous')],
      steps: [{ do: 'touch', vcpu: 0, slot: 0, page: 0, kind: 'read', npages: 1, stride: 1 }],
    },
  },
  {
    law: 'gets_through',
    because: 'stores to logged blocks before 7.2, which end in EEXIST',
    when: options => options['in_place'] === 'N',
    example: {
      profile: '6.12.117',
      vcpus: 1,
      slots: [slotOf('anonymous_hugetlb')],
      steps: [
        { do: 'touch', vcpu: 0, slot: 0, page: 0, kind: 'read', npages: 1, stride: 1 },
        { do: 'log', slot: 0, on: true },
        { do: 'touch', vcpu: 0, slot: 0, page: 0, kind: 'write', npages: 1, stride: 1 },
      ],
    },
  },
  {
    law: 'gets_through',
    because: 'small pages mapped under dirty logging in transparent huge pages of 7.2, which leave the rest of the block to fault for ever',
    when: ({ in_place, thp_blocks, thp_gpa }) => in_place === 'Y' && thp_blocks === 'Y' && thp_gpa === 'Y',
    example: {
      profile: '7.2.13',
      vcpus: 1,
      slots: [slotOf('anonymous_thp')],
      steps: [
        { do: 'log', slot: 0, on: true },
        { do: 'touch', vcpu: 0, slot: 0, page: 0, kind: 'read', npages: 1, stride: 1 },
        { do: 'log', slot: 0, on: false },
        { do: 'touch', vcpu: 0, slot: 0, page: 1, kind: 'read', npages: 1, stride: 1 },
      ],
    },
  },
  {
    law: 'gone',
    because: 'ranges before 7.2 that begin inside a hole, from whose middle the walk goes on to the middle of the next table',
    when: options => options['realign'] === 'N',
    example: {
      profile: '6.12.117',
      vcpus: 1,
      slots: [slotOf('anonymous')],
      steps: [
        { do: 'touch', vcpu: 0, slot: 0, page: 513, kind: 'read', npages: 1, stride: 1 },
        { do: 'unmap', slot: 0, page: 64, npages: 512 },
      ],
    },
  },
];

const options: LawsOptions = {
  departures,
  flushes: { asked: ['hfence.gpa', 'hfence.all'], served: ['hfence.local.gpa', 'tlb_flush'] },
};

describeLaws(definition, create, options);

it('find the endless fault loop of 7.2.13 by themselves', () => {
  const others = departures.filter(({ because }) => !because.includes('for ever'));
  const found = findBrokenLaw(definition, create, { ...options, departures: others, seed: 1, sequences: 300 }, false);
  expect(found?.law).toBe('gets_through');
  expect(found?.message).toContain('endless fault loop');
});
