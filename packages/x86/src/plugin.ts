/**
 * The x86 backends as a plugin.
 */
import { contributeBackend } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { tdpDefinition } from './tdp/definition';
import { TdpBackend } from './tdp/tdp-backend';

export default new ContainerModule(load => {
  contributeBackend(load, tdpDefinition, TdpBackend);
});
