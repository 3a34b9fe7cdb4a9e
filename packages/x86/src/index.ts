/**
 * x86 backends. Reading order: what an SPTE says (spte), options and releases as switches (options, switches, policy), what a VM has (memslots, vCPU state, journal),
 * then the TDP MMU.
 */
export { Ev, x86Events } from './events';
export { x86HostOptions, x86Options } from './options';
export { x86Profiles, x86Switches } from './switches';
export { Spte, SpteAttrs, TableBit } from './spte';
export { tdpDefinition } from './tdp/definition';
export { TdpBackend } from './tdp/tdp-backend';
export { shadowDefinition } from './shadow/definition';
export { ShadowBackend } from './shadow/shadow-backend';
