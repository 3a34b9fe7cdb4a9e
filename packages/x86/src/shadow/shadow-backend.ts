/**
 * The `x86-shadow` backend, as the container makes it. What its VM is made of stands in legacy-vm.ts.
 */
import { BackendOptions, CountersToken, HostOptions } from '@mmulab/api';
import type { Counters, OptionValues, VmLayout } from '@mmulab/api';
import { EngineFactory, tableEngines } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { X86PolicyReader, readPolicy } from '../policy';
import { X86Backend } from '../x86-backend';
import { LegacyVm } from './legacy-vm';
import { shadowStages } from './shadow-fault';
import { ShadowRules, shadowRules } from './shadow-rules';

@injectable()
export class ShadowBackend extends X86Backend<LegacyVm> {
  readonly stages = shadowStages;

  constructor(
    @inject(BackendOptions) options: OptionValues,
    @inject(HostOptions) host: OptionValues,
    @inject(CountersToken) counters: Counters,
    @inject(EngineFactory) @optional() engines: EngineFactory = tableEngines,
    @inject(X86PolicyReader) @optional() policyOf: X86PolicyReader = readPolicy,
    @inject(ShadowRules) @optional() rules: ShadowRules = shadowRules,
  ) {
    super(options, host, counters, engines, policyOf, rules);
  }

  protected make(layout: VmLayout): LegacyVm {
    return new LegacyVm(this.worldOf(layout), layout);
  }
}
