/**
 * A patch: what a kernel developer would change of one backend, as a plugin.
 *
 * Backends bind their rules, policy and profiles as services, each under a token. A patch rebinds some of them by inversify's own means, in the container of the runs
 * that name it (`patch: NAME`, `--vary patch=none,NAME`): everything else stays as it is, and so do all other runs.
 */
import type { ContainerModuleLoadOptions } from 'inversify';
import type { ContributionLoad } from './contribution';
import type { OptionValues } from './options';

/** What a patch says of itself. */
export interface PatchDefinition {
  /** As in `--set patch=NAME`. */
  readonly name: string;
  /** One sentence. */
  readonly doc: string;
  /** The backend it changes, or several. */
  readonly of: string | readonly string[];
  /** Values of the backend's options under it: over those of the kernel's profile, below what a config says. Absent: those of the profile. */
  readonly values?: OptionValues;
  /**
   * It changes no count and is there for every run of its backends once its plugin is loaded, named or not: callbacks, observers. Absent: it is for runs that
   * name it.
   */
  readonly always?: boolean;
}

/** What a patch does to the container of a run: `rebindSync`, `onActivation`, `bind` of a container module. */
export type PatchLoad = Pick<ContainerModuleLoadOptions, 'bind' | 'isBound' | 'onActivation' | 'rebindSync' | 'unbindSync'>;

/** Multi-injection token of patches. */
export const PatchContribution = Symbol.for('mmulab.PatchContribution');
export interface PatchContribution {
  readonly definition: PatchDefinition;
  apply(run: PatchLoad): void;
}

/**
 * Registers a patch.
 * @param apply changes the services of a run; the backend's own are bound already, and its class has not been built. Absent: the definition's values are all
 */
export function contributePatch(load: ContributionLoad, definition: PatchDefinition, apply: (run: PatchLoad) => void = () => undefined): void {
  load.bind<PatchContribution>(PatchContribution).toConstantValue({ definition, apply });
}
