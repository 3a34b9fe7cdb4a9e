/**
 * Which kernel a config means: a release number becomes option values (api: kernel-releases.ts), and what is no release number an error.
 */
import { kernelValues, newestProfile, type BackendDefinition, type OptionValues } from '@mmulab/api';
import { unknownKernel } from '../errors';

/** A kernel with the option values it has, and what a reader should know when another release stands in for it. */
export interface ResolvedKernel {
  /** As results name it: `6.6.30`, `8.1 (as 7.3)`. */
  readonly name: string;
  readonly values: OptionValues;
  readonly note?: string;
}

/**
 * Resolves the kernel of a config; none is the newest profile.
 * @param path place in the config, for messages
 * @throws CONFIG_UNKNOWN_KERNEL for what is no release number
 */
export function resolveKernel(definition: BackendDefinition, kernel: string | number | undefined, path: string): ResolvedKernel {
  const found = kernelValues(definition, kernel === undefined ? newestProfile(definition).name : String(kernel));
  if (kernel === undefined && typeof found === 'string') return newestProfile(definition);
  if (typeof found === 'string') throw unknownKernel(path, kernel, definition.name, found);
  const { name, values, countedAs } = found;
  return countedAs === undefined ? { name, values } : { name, values, note: `${path}: ${noteOn(definition, String(kernel), countedAs)}` };
}

function noteOn({ name, switches }: BackendDefinition, kernel: string, countedAs: string): string {
  const known = switches === undefined ? `is no profile of ${name}` : `lies outside the releases that ${name} knows`;
  return `${kernel.replace(/ \(as .*$/, '')} ${known}: counted as ${countedAs}`;
}
