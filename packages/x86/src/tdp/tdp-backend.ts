/**
 * The `x86-tdp` backend, as the container makes it. What its VM is made of stands in tdp-vm.ts.
 */
import { BackendOptions, CountersToken, HostOptions, TransitionObserver } from '@mmulab/api';
import type { AccessBatch, AccessKind, Counters, FaultMemory, OptionValues, ReplayPort, StageDef, Vfn, VmLayout } from '@mmulab/api';
import { EngineFactory, observedEngines, tableEngines } from '@mmulab/pgtable';
import { inject, injectable, optional } from 'inversify';
import { X86PolicyReader, readPolicy } from '../policy';
import { ShadowRules, shadowRules } from '../shadow/shadow-rules';
import { X86Backend } from '../x86-backend';
import { tdpStagesOf } from './fault-stages';
import { TdpRules, tdpRules } from './tdp-rules';
import { TdpVm } from './tdp-vm';

@injectable()
export class TdpBackend extends X86Backend<TdpVm> {
  readonly stages: readonly StageDef[];

  constructor(
    @inject(BackendOptions) options: OptionValues,
    @inject(HostOptions) host: OptionValues,
    @inject(CountersToken) counters: Counters,
    @inject(EngineFactory) @optional() engines: EngineFactory = tableEngines,
    @inject(TransitionObserver) @optional() observer?: TransitionObserver,
    @inject(X86PolicyReader) @optional() policyOf: X86PolicyReader = readPolicy,
    @inject(TdpRules) @optional() private readonly rules: TdpRules = tdpRules,
    @inject(ShadowRules) @optional() nestedRules: ShadowRules = shadowRules,
  ) {
    super(options, host, counters, observer === undefined ? engines : observedEngines(observer), policyOf, nestedRules);
    this.stages = tdpStagesOf(this.world.policy);
  }

  touchAll(batch: AccessBatch): void {
    this.vm.touchAll(batch);
  }

  get losses(): number {
    return this.vm.losses;
  }

  hitsAhead(vcpu: number, vfn: Vfn, kind: AccessKind, stride: number, count: number): number {
    return this.vm.hitsAhead(vcpu, vfn, kind, stride, count);
  }

  faultMemory(): FaultMemory | undefined {
    return this.vm.faultMemory();
  }

  replayPort(): ReplayPort {
    return this.vm.replayPort();
  }

  protected make(layout: VmLayout): TdpVm {
    return new TdpVm(this.worldOf(layout), layout, this.rules);
  }
}
