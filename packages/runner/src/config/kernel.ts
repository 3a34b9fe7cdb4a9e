/**
 * Which kernel profile a release name means.
 *
 * A profile's own name is taken as it is. A series (`6.12`) means its first profile, if it has one. Any other release number means the nearest
 * earlier profile, of its series or of an earlier one. Notes say so. A profile that leaves the point release out (`6.1`) counts as its first one.
 */
import { suggestName, type BackendDefinition, type KernelProfile } from '@mmulab/api';
import { unknownKernel } from '../errors';

/** A profile, and what a reader should know when it is not the one asked for. */
export interface ResolvedKernel {
  readonly profile: KernelProfile;
  readonly note?: string;
}

const RELEASE = /^v?(\d{1,3})\.(\d{1,4})(?:\.(\d{1,5}))?$/;

/** The newest profile, which is the default. */
export function newestProfile(definition: BackendDefinition): KernelProfile {
  const newest = definition.profiles.at(-1);
  return newest ?? { name: 'default', doc: 'The defaults of the backend.', values: {} };
}

/**
 * Finds the profile of a release.
 * @throws CONFIG_UNKNOWN_KERNEL for what is no release number, and for releases before the first profile
 */
export function resolveKernel(definition: BackendDefinition, kernel: string | number | undefined, path: string): ResolvedKernel {
  if (kernel === undefined) return { profile: newestProfile(definition) };
  const wanted = String(kernel).trim();
  const names = definition.profiles.map(profile => profile.name);
  const exact = definition.profiles.find(profile => profile.name === wanted || profile.name === wanted.replace(/^v/, ''));
  if (exact !== undefined) return { profile: exact };
  const release = parseRelease(wanted);
  if (release === undefined) throw unknownKernel(path, kernel, definition.name, suggestName(wanted, names));
  const ofSeries = definition.profiles.find(({ name }) => name.startsWith(`${release[0]}.${release[1]}.`));
  if (wanted.split('.').length === 2 && ofSeries !== undefined) {
    return { profile: ofSeries, note: `${path}: ${wanted} is no profile of ${definition.name}: taken as ${ofSeries.name}, the first of its series` };
  }
  const earlier = nearestEarlier(definition.profiles, release);
  if (earlier === undefined) throw unknownKernel(path, kernel, definition.name, `: older than all of them (known: ${names.join(', ')})`);
  return { profile: earlier, note: `${path}: ${wanted} is no profile of ${definition.name}: taken as ${earlier.name}, the nearest earlier one` };
}

function nearestEarlier(profiles: readonly KernelProfile[], release: readonly number[]): KernelProfile | undefined {
  let best: { readonly profile: KernelProfile; readonly release: readonly number[] } | undefined;
  for (const profile of profiles) {
    const own = parseRelease(profile.name);
    if (own === undefined || compareReleases(own, release) > 0) continue;
    if (best === undefined || compareReleases(own, best.release) >= 0) best = { profile, release: own };
  }
  return best?.profile;
}

function parseRelease(text: string): readonly number[] | undefined {
  const match = RELEASE.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

function compareReleases(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
