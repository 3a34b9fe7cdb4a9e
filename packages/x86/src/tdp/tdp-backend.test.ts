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

/** Found by random sequences, kept as they were found. */
const regressions: Readonly<Record<string, Scenario>> = {
  // Blocks of a run were taken from memory although copy-on-write unmaps their pages in the other root, too.
  'when copy-on-write takes pages out of another vCPU’s root': {
    profile: tdpDefinition.profiles.findIndex(profile => profile.name === '5.10.262'),
    overrides: [],
    host: [],
    vm: { vcpus: 2, slots: [{ backing: 'anonymous', npages: 1536, shift: 0, congruent: true, readonly: false, populated: false }] },
    operations: [
      { do: 'control', vcpu: 0, which: 0 },
      { ...touch, vcpu: 1, kind: AccessKind.Read },
      { ...touch, vcpu: 0, kind: AccessKind.Read, writeEvery: 2 },
      { do: 'control', vcpu: 0, which: 0 },
      { ...touch, vcpu: 0, kind: AccessKind.Read },
    ],
  },
};

describeConformance(tdpDefinition, (options, host, counters, world) => new TdpBackend(options, host, counters, world), { controls, regressions });
