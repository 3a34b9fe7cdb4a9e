/**
 * What the `x86-tdp` backend says of itself.
 */
import type { BackendDefinition, Machine, OptionValues } from '@mmulab/api';
import { backendPair, physBits } from '../errors';
import { x86Events } from '../events';
import { physBitsOf, tdpLevels } from '../policy';
import { x86HostOptions, x86Options } from '../options';
import { x86Profiles, x86Switches } from '../switches';

/** Pages of the range below the top of AMD's physical memory that no guest can use (HyperTransport, 12 GiB). */
const HYPERTRANSPORT_PAGES = 12 * 2 ** 18;

/** Where guest memory ends. */
export function x86Machine(host: OptionValues): Machine {
  const amd = host['vendor'] === 'amd';
  return {
    arch: 'x86',
    pageSizeBytes: 4096,
    physBits: physBitsOf(host),
    maxGfn: bits => {
      const last = 2 ** (bits - 12) - 1;
      return amd && bits >= 40 ? last - HYPERTRANSPORT_PAGES - 1 : last;
    },
  };
}

/** Refuses an address width the tables cannot map. */
export function checkPhysBits(host: OptionValues): void {
  const levels = tdpLevels(host);
  const limit = levels === 5 ? 52 : 48;
  const bits = physBitsOf(host);
  if (bits < 32 || bits > limit) throw physBits(bits, levels, limit);
}

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
  countsMemslots: false,
  check: (options, host) => {
    const npt = String(options['npt']);
    const tdpMmu = String(options['tdp_mmu']);
    if (npt !== 'Y' || tdpMmu !== 'Y') throw backendPair('x86-tdp', npt, tdpMmu, 'x86-shadow');
    checkPhysBits(host);
  },
  machine: x86Machine,
};
