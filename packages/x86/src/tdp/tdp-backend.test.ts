import 'reflect-metadata';
import { AccessKind } from '@mmulab/api';
import type { ControlWrite } from '@mmulab/api';
import { describeConformance } from '@mmulab/testkit';
import type { Scenario } from '@mmulab/testkit';
import { tdpDefinition } from './definition';
import { TdpBackend } from './tdp-backend';

/** Registers whose change may concern the roots. */
const controls: readonly ControlWrite[] = [
  { register: 'cr0', bit: 'wp', value: 'toggle' },
  { register: 'cr0', bit: 'wp', value: 'toggle' },
  { register: 'cr0', bit: 'cd', value: 'toggle' },
  { register: 'cr4', bit: 'pge', value: 'toggle' },
  { register: 'cr4', bit: 'smep', value: 'toggle' },
  { register: 'cr4', bit: 'smap', value: 'toggle' },
  { register: 'efer', bit: 'nx', value: 'toggle' },
  { register: 'cr3', space: 0 },
  { register: 'cr3', space: 1 },
  { register: 'smm', value: 1 },
  { register: 'smm', value: 0 },
  { register: 'invlpg', vfn: 0xc0000 },
];

const touch = { do: 'run', slot: 0, from: 0, pages: 2200, stride: 1, writeEvery: 0 } as const;

const profileNumber = (kernel: string): number => tdpDefinition.profiles.findIndex(profile => profile.name === kernel);
const slot = { shift: 0, congruent: true, readonly: false, populated: false } as const;

const scenarios: Readonly<Record<string, Scenario>> = {
  // Found by random sequences. Blocks of a run were taken from memory although copy-on-write unmaps their pages in the other root, too.
  'when copy-on-write takes pages out of another vCPU’s root': {
    profile: profileNumber('5.10.262'),
    overrides: [],
    host: [],
    vm: { vcpus: 2, slots: [{ ...slot, backing: 'anonymous', npages: 1536 }] },
    operations: [
      { do: 'control', vcpu: 0, which: 0 },
      { ...touch, vcpu: 1, kind: AccessKind.Read },
      { ...touch, vcpu: 0, kind: AccessKind.Read, writeEvery: 2 },
      { do: 'control', vcpu: 0, which: 0 },
      { ...touch, vcpu: 0, kind: AccessKind.Read },
    ],
  },
  // The log holds one entry of the block before when the third block adds its 512.
  'when a page-modification log fills after a block with faults': {
    profile: profileNumber('6.4'),
    overrides: [],
    host: [],
    options: { eager_page_split: 'N' },
    vm: { vcpus: 1, slots: [{ ...slot, backing: 'anonymous_hugetlb', npages: 1536 }] },
    operations: [
      { ...touch, vcpu: 0, kind: AccessKind.Write },
      { do: 'log', slot: 0, on: true },
      { ...touch, vcpu: 0, kind: AccessKind.Write, from: 1024 },
      { do: 'get', slot: 0 },
      { ...touch, vcpu: 0, kind: AccessKind.Write },
    ],
  },
  // The second block is taken from memory whole; the other vCPU has its flush to serve all the same.
  'when a block taken from memory owes the other vCPU a flush': {
    profile: profileNumber('6.1.192'),
    overrides: [],
    host: [],
    options: { eager_page_split: 'N' },
    vm: { vcpus: 2, slots: [{ ...slot, backing: 'anonymous_hugetlb', npages: 1024 }] },
    operations: [
      { ...touch, vcpu: 0, kind: AccessKind.Write },
      { ...touch, vcpu: 1, kind: AccessKind.Read, pages: 1 },
      { do: 'log', slot: 0, on: true },
      { ...touch, vcpu: 0, kind: AccessKind.Write, pages: 512 },
      { ...touch, vcpu: 1, kind: AccessKind.Read, pages: 1 },
      { ...touch, vcpu: 0, kind: AccessKind.Write, from: 512, pages: 512 },
      { ...touch, vcpu: 1, kind: AccessKind.Read, pages: 1 },
    ],
  },
};

describeConformance(tdpDefinition, (options, host, counters, engines) => new TdpBackend(options, host, counters, engines), {
  controls,
  scenarios,
  mappedPages: counters => counters['pages_4k'] + 512 * counters['pages_2m'] + 512 ** 2 * counters['pages_1g'],
});
