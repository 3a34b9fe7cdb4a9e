/**
 * The arm64 stage-2 backend as a plugin.
 */
import { contributeBackend } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { stage2Definition } from './definition';
import { Stage2Mmu } from './stage2-mmu';

export default new ContainerModule(load => {
  contributeBackend(load, stage2Definition, Stage2Mmu);
});
