/**
 * The x86 backends as a plugin.
 */
import { contributeBackend } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { shadowDefinition } from './shadow/definition';
import { ShadowBackend } from './shadow/shadow-backend';
import { tdpDefinition } from './tdp/definition';
import { TdpBackend } from './tdp/tdp-backend';

export default new ContainerModule(load => {
  contributeBackend(load, tdpDefinition, TdpBackend);
  contributeBackend(load, shadowDefinition, ShadowBackend);
});
