/**
 * The arm64 stage-2 backend as a plugin, and its services: what a patch may rebind for a run.
 */
import { RuleAnswers, contributeBackend } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { stage2Definition } from './definition';
import { Stage2PolicyReader, readPolicy } from './policy';
import { stage2RuleAnswers } from './rule-answers';
import { Stage2Mmu } from './stage2-mmu';
import { Stage2Rules, stage2Rules } from './stage2-rules';

export default new ContainerModule(load => {
  contributeBackend(load, stage2Definition, Stage2Mmu);
  load.bind(Stage2PolicyReader).toConstantValue(readPolicy);
  load.bind(Stage2Rules).toConstantValue(stage2Rules);
  load.bind<RuleAnswers>(RuleAnswers).toConstantValue(stage2RuleAnswers);
});
