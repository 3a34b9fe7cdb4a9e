/**
 * What the `x86-shadow` backend says of itself.
 */
import type { BackendDefinition, FlagOption, OptionSpec } from '@mmulab/api';
import { backendPair } from '../errors';
import { x86Events } from '../events';
import { x86HostOptions, x86Options } from '../options';
import { x86Operations, x86Registers } from '../registers';
import { x86Profiles, x86Switches } from '../switches';
import { checkPhysBits, x86Machine } from '../machine';

/** Shadow paging unless asked otherwise; with `npt: Y` direct tables, so the TDP MMU is off. Who only turns the TDP MMU off keeps two-dimensional paging. */
const shadowOptions: readonly OptionSpec[] = x86Options.map(option => (option.name === 'npt' ? nptOf(option as FlagOption) : option));

function nptOf(option: FlagOption): FlagOption {
  const doc = `${option.doc} Where tdp_mmu=N is given and nothing else, Y.`;
  return { ...option, default: 'N', doc, defaultWhen: { option: 'tdp_mmu', value: 'N', default: 'Y' } };
}

/** Definition for the plugin. */
export const shadowDefinition: BackendDefinition = {
  name: 'x86-shadow',
  arch: 'x86',
  models: 'Linux arch/x86/kvm/mmu/mmu.c, paging_tmpl.h',
  profiles: x86Profiles,
  switches: x86Switches,
  options: shadowOptions,
  hostOptions: x86HostOptions,
  events: x86Events,
  registers: x86Registers,
  operations: x86Operations,
  countsMemslots: false,
  check: (options, host) => {
    const npt = String(options['npt']);
    const tdpMmu = String(options['tdp_mmu']);
    if (npt === 'Y' && tdpMmu === 'Y') throw backendPair('x86-shadow', npt, tdpMmu, 'x86-tdp');
    checkPhysBits(host);
  },
  machine: x86Machine,
};
