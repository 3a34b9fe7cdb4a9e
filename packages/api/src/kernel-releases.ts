/**
 * Kernel releases as a table of switches: what a release number means for the options of a backend.
 *
 * A switch names an option, its value before every known change, and the releases in which that value changed: mainline numbers, and the point
 * releases of stable series that took the change over. A release between two profiles takes each switch at its own release. A release of a
 * series older than the first profile, or newer than the last, is counted as that profile, and its name says so: `5.4 (as 5.10.262)`.
 *
 * A backend that states its profiles whole, without switches, knows nothing between them: there a release counts as the nearest earlier
 * profile (a series as its first one), and its name says that.
 */
import { suggestName } from './errors';
import type { KernelProfile, OptionValue, OptionValues } from './options';

/** A value that a switch takes. */
export interface SwitchChange {
  readonly value: OptionValue;
  /** Mainline release that has it first, `6.2`; absent: only the stable releases below have it. */
  readonly since?: string;
  /** Point releases from which on their stable series have it too: `6.1.192`. */
  readonly backports?: readonly string[];
  /** How the release is known: measured on kernels around it, read in the reference, or judged from what lies near. */
  readonly basis: 'measured' | 'reference' | 'judgement';
}

/** An option whose value hangs on the kernel's release. */
export interface KernelSwitch {
  /** An option of the backend. */
  readonly option: string;
  /** Before all changes. */
  readonly first: OptionValue;
  /** In order of release; of several that a release has, the last one counts. */
  readonly changes: readonly SwitchChange[];
}

/** What is needed of a backend to know its kernels. */
export interface KernelTable {
  readonly profiles: readonly KernelProfile[];
  readonly switches?: readonly KernelSwitch[];
}

/** A release as results name it, and the option values it has. */
export interface KernelValues {
  /** `6.6.30`; `8.1 (as 7.3)` where another release stands in. */
  readonly name: string;
  readonly values: OptionValues;
  /** The profile or release that stands in, if one does. */
  readonly countedAs?: string;
}

type Release = readonly [major: number, minor: number, point: number];

const RELEASE = /^v?(\d{1,3})\.(\d{1,4})(?:\.(\d{1,5}))?$/;
/** The last minor numbers of majors that are over. */
const LAST_MINORS: ReadonlyMap<number, number> = new Map([
  [3, 19],
  [4, 20],
  [5, 19],
  [6, 19],
]);
const STANDS_IN = /^(\S+) \(as \S+\)$/;
const DEFAULT_PROFILE: KernelProfile = { name: 'default', doc: 'The defaults of the backend.', values: {} };

/** The newest profile, which is the default. */
export function newestProfile({ profiles }: KernelTable): KernelProfile {
  return profiles.at(-1) ?? DEFAULT_PROFILE;
}

/** Profiles of releases whose values the switches tell. */
export function profilesOf(switches: readonly KernelSwitch[], releases: readonly Omit<KernelProfile, 'values'>[]): readonly KernelProfile[] {
  return releases.map(({ name, doc }) => ({ name, doc, values: switchValues(switches, parseRelease(name) ?? [0, 0, 0]) }));
}

/**
 * What a release means for a backend.
 * @param kernel release number (`6.6.30`, `v6.6`), a profile's name, or a name that this function gave before
 * @returns the values, or the reason in words, with the nearest name, when it is no release number
 */
export function kernelValues(table: KernelTable, kernel: string): KernelValues | string {
  const { profiles, switches } = table;
  const wanted = (STANDS_IN.exec(kernel.trim())?.[1] ?? kernel.trim()).replace(/^v(?=\d)/, '');
  const exact = profiles.find(profile => profile.name === wanted);
  if (exact !== undefined) return { name: exact.name, values: exact.values };
  const release = parseRelease(wanted);
  if (release === undefined) {
    const inOrder = [...profiles].sort((a, b) => compareReleases(releaseOf(a), releaseOf(b)));
    return suggestName(
      wanted,
      inOrder.map(profile => profile.name),
      'given',
    );
  }
  const standIn = switches === undefined ? nearestEarlier(profiles, release) : outside(profiles, release);
  const lastMinor = LAST_MINORS.get(release[0]);
  if (standIn === undefined && lastMinor !== undefined && release[1] > lastMinor) {
    const last = `${release[0]}.${lastMinor}`;
    return { name: `${wanted} (as ${last})`, values: switchValues(switches ?? [], [release[0], lastMinor, 0]), countedAs: last };
  }
  if (standIn !== undefined) return { name: `${wanted} (as ${standIn.name})`, values: standIn.values, countedAs: standIn.name };
  return { name: wanted, values: switchValues(switches ?? [], release) };
}

/** The profile that stands in for releases of a series before the first one or after the last one. */
function outside(profiles: readonly KernelProfile[], release: Release): KernelProfile | undefined {
  const [first, last] = [profiles[0], profiles.at(-1)];
  if (first !== undefined && compareSeries(release, releaseOf(first)) < 0) return first;
  return last !== undefined && compareSeries(release, releaseOf(last)) > 0 ? last : undefined;
}

function nearestEarlier(profiles: readonly KernelProfile[], release: Release): KernelProfile {
  const ofSeries = profiles.find(profile => compareSeries(releaseOf(profile), release) === 0);
  if (release[2] === 0 && ofSeries !== undefined) return ofSeries;
  const earlier = profiles.filter(profile => compareReleases(releaseOf(profile), release) <= 0);
  const latest = (a: KernelProfile, b: KernelProfile): KernelProfile => (compareReleases(releaseOf(b), releaseOf(a)) >= 0 ? b : a);
  return earlier.length === 0 ? (ofSeries ?? profiles[0] ?? DEFAULT_PROFILE) : earlier.reduce(latest);
}

function switchValues(switches: readonly KernelSwitch[], release: Release): OptionValues {
  return Object.fromEntries(
    switches.map(({ option, first, changes }) => [option, changes.filter(change => has(change, release)).at(-1)?.value ?? first]),
  );
}

/** Whether a release has a change: by its own number, or because its stable series took it over. */
function has({ since, backports = [] }: SwitchChange, release: Release): boolean {
  if (since !== undefined && compareReleases(release, parseRelease(since) ?? release) >= 0) return true;
  return backports.some(backport => {
    const from = parseRelease(backport);
    return from !== undefined && compareSeries(release, from) === 0 && release[2] >= from[2];
  });
}

function releaseOf({ name }: KernelProfile): Release {
  return parseRelease(name) ?? [0, 0, 0];
}

/** Major, minor and point number of a release, or undefined when the text is none. */
export function parseRelease(text: string): Release | undefined {
  const match = RELEASE.exec(text.trim());
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

/** Negative, zero or positive, as `a` is older than `b`, the same, or newer. */
export function compareReleases(a: Release, b: Release): number {
  return compareSeries(a, b) || a[2] - b[2];
}

function compareSeries(a: Release, b: Release): number {
  return a[0] - b[0] || a[1] - b[1];
}
