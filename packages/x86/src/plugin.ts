/**
 * The x86 backends as a plugin, and their services: what a patch may rebind for a run.
 */
import { RuleAnswers, contributeBackend } from '@mmulab/api';
import { ContainerModule } from 'inversify';
import { X86PolicyReader, readPolicy } from './policy';
import { x86RuleAnswers } from './rule-answers';
import { shadowDefinition } from './shadow/definition';
import { ShadowBackend } from './shadow/shadow-backend';
import { ShadowRules, shadowRules } from './shadow/shadow-rules';
import { tdpDefinition } from './tdp/definition';
import { TdpBackend } from './tdp/tdp-backend';
import { TdpRules, tdpRules } from './tdp/tdp-rules';

export default new ContainerModule(load => {
  contributeBackend(load, tdpDefinition, TdpBackend);
  contributeBackend(load, shadowDefinition, ShadowBackend);
  load.bind(X86PolicyReader).toConstantValue(readPolicy);
  load.bind(TdpRules).toConstantValue(tdpRules);
  load.bind(ShadowRules).toConstantValue(shadowRules);
  load.bind<RuleAnswers>(RuleAnswers).toConstantValue(x86RuleAnswers);
});
