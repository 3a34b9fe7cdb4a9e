/**
 * What the `x86-tdp` backend says of itself.
 */
import type { BackendDefinition } from '@mmulab/api';
import { backendPair } from '../errors';
import { x86Events } from '../events';
import { checkPhysBits, x86Machine } from '../machine';
import { x86HostOptions, x86Options } from '../options';
import { x86Operations, x86Registers } from '../registers';
import { x86Profiles, x86Switches } from '../switches';

/** Definition for the plugin. */
export const tdpDefinition: BackendDefinition = {
  name: 'x86-tdp',
  arch: 'x86',
  models: 'Linux arch/x86/kvm/mmu/tdp_mmu.c',
  profiles: x86Profiles,
  switches: x86Switches,
  options: x86Options,
  hostOptions: x86HostOptions,
  events: x86Events,
  registers: x86Registers,
  operations: x86Operations,
  countsMemslots: false,
  check: (options, host) => {
    const npt = String(options['npt']);
    const tdpMmu = String(options['tdp_mmu']);
    if (npt !== 'Y' || tdpMmu !== 'Y') throw backendPair('x86-tdp', npt, tdpMmu, 'x86-shadow');
    checkPhysBits(host);
  },
  machine: x86Machine,
};
