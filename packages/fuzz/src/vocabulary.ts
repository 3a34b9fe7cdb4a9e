/**
 * The words that fuzzed cases are made of: what the built-in plugins declare, and values that are right for it and small.
 */
import type { OptionSpec, WorkloadDefinition } from '@mmulab/api';
import type { Registry } from '@mmulab/runner';

/** A flag of a test: its letter, and whether it takes a value. */
export interface TestFlag {
  readonly letter: string;
  readonly takesValue: boolean;
}

/** Options by name, with values that are right for each. */
export type GoodValues = Readonly<Record<string, readonly (string | number | boolean)[]>>;

/** A backend as cases name it. */
export interface BackendWords {
  readonly name: string;
  readonly kernels: readonly string[];
  readonly options: GoodValues;
  readonly host: GoodValues;
}

/** A workload as cases name it. */
export interface WorkloadWords {
  readonly name: string;
  readonly options: GoodValues;
  readonly flags: readonly TestFlag[];
}

/** All words. */
export interface Vocabulary {
  readonly backends: readonly BackendWords[];
  readonly workloads: readonly WorkloadWords[];
  readonly counters: readonly string[];
  /** Names of options, of whatever they are options. */
  readonly optionNames: readonly string[];
}

/** Sizes of memory that take milliseconds. */
export const SMALL_SIZES: readonly string[] = ['4K', '64K', '128K', '1M', '2M'];
/** Backings that such memory can have on some host. */
export const BACKINGS: readonly string[] = [
  'anonymous',
  'anonymous_thp',
  'anonymous_hugetlb_2mb',
  'shmem',
  'anonymous_hugetlb_1gb',
  'shared_hugetlb_2mb',
];
/** Rounds of access_rounds. */
export const ROUNDS: readonly string[] = ['w,r', 'w,A,D', 'w,D,w2,G,U', 'D,w,K', 'x,Z,w', 'r512,N', 'G', 'w,,r', 'q'];
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  backing: BACKINGS,
  rounds: ROUNDS,
  guest_mode: ['', 'P40V48_4K', 'P48V48_4K', '0', '3'],
};

/** The words of what a registry holds. */
export function vocabularyOf(registry: Registry): Vocabulary {
  const backends = registry.backends().map(backend => ({
    name: backend.name,
    kernels: backend.profiles.map(profile => profile.name),
    options: goodValues(backend.options),
    host: goodValues(backend.hostOptions),
  }));
  const workloads = registry.workloads().map(workload => ({ name: workload.name, options: goodValues(workload.options), flags: flagsOf(workload) }));
  const names = [...backends.flatMap(({ options, host }) => [options, host]), ...workloads.map(({ options }) => options)].flatMap(Object.keys);
  const counters = registry.backends().flatMap(backend => backend.events.map(event => event.name));
  return { backends, workloads, counters: [...new Set(counters)], optionNames: [...new Set(names)] };
}

function goodValues(specs: readonly OptionSpec[]): GoodValues {
  return Object.fromEntries(specs.map(spec => [spec.name, valuesOf(spec)]));
}

function valuesOf(spec: OptionSpec): readonly (string | number | boolean)[] {
  switch (spec.kind) {
    case 'flag':
      return ['Y', 'N', true];
    case 'choice':
      return spec.choices;
    case 'number':
      return [spec.min, spec.default, 1, 2, 3, 4].filter(value => value >= spec.min && value <= 8);
    case 'size':
      return SMALL_SIZES;
    case 'switch':
      return [true, false];
    case 'text':
      return TEXTS[spec.name] ?? [spec.default];
  }
}

/** The flags that a usage text lists, one a line, -h apart. */
function flagsOf({ usage }: WorkloadDefinition): readonly TestFlag[] {
  return [...usage.matchAll(/^ -([^\Wh])(?: (\S+))? {2,}/gm)].map(([, letter, argument]) => ({ letter, takesValue: argument !== undefined }));
}

/** A number and its unit, not in a name or a release. */
const NUMBER = /(?<![\w.])(\d+)([kKmMgGtT]?)[bB]?(?![\w.])/g;
/** Numbers that `NUMBER` does not read. */
const OTHER_NUMBER = /\d[eE][+\d]|\b0x|\d\.\d+[kKmMgGtT]|\d_\d/;
const LIMITS: Readonly<Record<string, number>> = { '': 64, k: 2048, m: 2 };

/** Whether what a text says can be run in milliseconds: no number above 64, and no size above 2M. Digits of names and releases do not count. */
export function isSmall(text: string): boolean {
  if (OTHER_NUMBER.test(text)) return false;
  return [...text.matchAll(NUMBER)].every(([, digits, unit]) => Number(digits) <= (LIMITS[unit.toLowerCase()] ?? 0));
}
