/**
 * Options as data: from these come validation, defaults, the JSON Schema, `mmulab explain` and docs/configuration.md.
 */

/** A value after validation: flags are `Y` or `N`, sizes are bytes, times are nanoseconds. */
export type OptionValue = string | number | boolean;
export type OptionValues = Readonly<Record<string, OptionValue>>;

interface OptionBase {
  readonly name: string;
  /** One or two sentences for `explain` and the generated documentation. */
  readonly doc: string;
  /** Other names under which a config may give it. */
  readonly aliases?: readonly string[];
  /** A default that holds where the user gave another option of the same owner this value. */
  readonly defaultWhen?: DefaultWhen;
}

/** What the default of an option is while another one was given a value. */
export interface DefaultWhen {
  readonly option: string;
  readonly value: OptionValue;
  readonly default: OptionValue;
}

/** `Y` or `N`, as module parameters print; true and false are read too. */
export interface FlagOption extends OptionBase {
  readonly kind: 'flag';
  readonly default: 'Y' | 'N';
}

/** One of a list of words. Where Y and N are among them, the words of flags are read too. */
export interface ChoiceOption extends OptionBase {
  readonly kind: 'choice';
  readonly choices: readonly string[];
  /** Other spellings, and the choice each stands for. */
  readonly synonyms?: Readonly<Record<string, string>>;
  readonly default: string;
}

/** A plain number within bounds. */
export interface NumberOption extends OptionBase {
  readonly kind: 'number';
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly integer: boolean;
  readonly unit?: string;
  /** What is expected, in words, where least and most do not say all: `a power of two up to 65536, or 0 for none`. */
  readonly expected?: string;
}

/** Bytes, with the usual suffixes. */
export interface SizeOption extends OptionBase {
  readonly kind: 'size';
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/** Free text with its own check: comma lists, patterns. `pattern` is a regular expression source. */
export interface TextOption extends OptionBase {
  readonly kind: 'text';
  readonly default: string;
  readonly pattern: string;
  /** What the pattern accepts, in words, for messages. */
  readonly expected: string;
  /** Why the pattern does not accept a value, in words, with what is expected of the part that is wrong; undefined: `expected` says it. */
  readonly refusal?: (value: string) => string | undefined;
}

/** A boolean switch of a workload, given as true or false. */
export interface SwitchOption extends OptionBase {
  readonly kind: 'switch';
  readonly default: boolean;
}

export type OptionSpec = FlagOption | ChoiceOption | NumberOption | SizeOption | TextOption | SwitchOption;

/** A named set of option values: the behaviour of one kernel release. */
export interface KernelProfile {
  /** For example `6.1.192`. */
  readonly name: string;
  readonly doc: string;
  /** Values that differ from the option specs' defaults or state them again; every key is an option of the backend. */
  readonly values: OptionValues;
}
