/**
 * A configuration before and after: as users write it, and with every value resolved.
 */
import type { OptionValues } from '@mmulab/api';
import type { Threshold } from './thresholds';

/** Option values as written: to be validated against the option specs. */
export type RawOptions = Readonly<Record<string, unknown>>;

/** Aliases under which options were given, by the options' own names. */
export type GivenNames = Readonly<Record<string, string>>;

/** The backend of a config; a plain string is its name. */
export interface RawBackend {
  readonly name?: string | undefined;
  /** A kernel release. A number only when its spelling does not matter (6.2, not 6.10). */
  readonly kernel?: string | number | undefined;
  readonly options?: RawOptions | undefined;
  /** Patches of plugins, by name: `none`, `a`, `a+b`. */
  readonly patch?: string | undefined;
}

/** The workload of a config; a plain string is a command line of the test program. */
export interface RawWorkload {
  readonly name?: string | undefined;
  /** A command line of the test program, its name first. Values of `options` beat it. */
  readonly command?: string | undefined;
  readonly options?: RawOptions | undefined;
}

/** Dotted path or option name → its values: a list, the text of a range (`1..512 by doubling`), or a list with ranges in it. */
export type AxisLists = Readonly<Record<string, readonly unknown[] | string>>;

/** How many combinations of a matrix are run, and how they are chosen: `lhs` (the default) or `random`. */
export interface RawSample {
  readonly method?: string | undefined;
  readonly n?: number | string | undefined;
}

/** A config as users write it (contracts: mmulab config). Everything but the workload has a default. */
export interface RawConfig {
  readonly $schema?: string | undefined;
  readonly name?: string | undefined;
  /** Configs this one builds on, paths relative to the file; later ones beat earlier ones, the file itself beats all. */
  readonly extends?: string | readonly string[] | undefined;
  readonly plugins?: readonly string[] | undefined;
  readonly backend?: string | RawBackend | undefined;
  readonly host?: RawOptions | undefined;
  readonly vm?: { readonly vcpus?: number | string | undefined } | undefined;
  readonly workload?: string | RawWorkload | undefined;
  readonly time?:
    | {
        readonly model?: string | undefined;
        readonly solver?: string | undefined;
        readonly machine?: string | undefined;
        readonly vcpus?: number | string | undefined;
      }
    | undefined;
  /** Dotted path (or option name) → values: one run per combination. */
  readonly vary?: AxisLists | undefined;
  /** Dotted path (or option name) → values, lists of equal length taken in step. */
  readonly zip?: AxisLists | undefined;
  /** Some of the combinations only. */
  readonly sample?: RawSample | undefined;
  readonly thresholds?: Readonly<Record<string, string | number | readonly (string | number)[]>> | undefined;
  readonly seed?: number | string | undefined;
  /** Y: equal vCPUs with memory of their own are counted from one of them. */
  readonly representative?: boolean | string | undefined;
  /** How many seeds the run is performed with, from `seed` on. */
  readonly seeds?: number | string | undefined;
}

/** One run, every value resolved. Its `config` is itself a config that gives the same run. */
export interface ResolvedRun {
  readonly name: string;
  /** What tells this run from the others of its matrix, `huge_page_fault=zap, vcpus=2`; empty for a single run. */
  readonly variation: string;
  readonly backend: { readonly name: string; readonly kernel: string; readonly options: OptionValues; readonly patch?: string };
  readonly host: OptionValues;
  readonly workload: { readonly name: string; readonly options: OptionValues };
  readonly seed: number;
  /** Equal vCPUs with memory of their own are counted from one of them. */
  readonly representative?: true;
  /** More than one seed. */
  readonly seeds?: number;
  /** The cost model and its solver, when times are wanted; the machine, and the number of equal vCPUs, if they are not those of the run. */
  readonly time?: { readonly model: string; readonly solver: string; readonly machine?: string; readonly vcpus?: number };
  readonly thresholds: readonly Threshold[];
  readonly plugins: readonly string[];
  /** For messages. */
  readonly givenAs?: GivenNames;
  /** What the resolution decided that its reader should know, one sentence each. */
  readonly notes: readonly string[];
}
