/**
 * What the rules of a backend answer, in words: what `mmulab explain PATCH` compares before and after the patch.
 */
import type { OptionValues } from './options';

/** One answer. */
export interface RuleAnswer {
  /** Service and rule, `TdpRules.map`. */
  readonly rule: string;
  /** Which entry the rule is shown, and what for: `write that wants 4K finds a leaf of 2M`. */
  readonly asked: string;
  readonly answer: string;
}

/** The services of a run. */
export interface RuleServices {
  get<T>(token: symbol): T;
  readonly options: OptionValues;
  readonly host: OptionValues;
}

/** Token of what a backend's plugin binds beside its services to have them told of. Absent: patches are told by the services they change alone. */
export const RuleAnswers = Symbol.for('mmulab.RuleAnswers');
/** @param backend name of the backend, where a plugin has several */
export type RuleAnswers = (backend: string, services: RuleServices) => readonly RuleAnswer[];
