/**
 * The RISC-V G-stage backend, and the guests that run on it, as a plugin.
 */
import { contributeBackend, contributeGuest } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { definition } from './definition';
import { guest } from './guest';
import { RiscvGstage } from './riscv-gstage';

export default new ContainerModule(load => {
  contributeBackend(load, definition, RiscvGstage);
  contributeGuest(load, guest);
});
