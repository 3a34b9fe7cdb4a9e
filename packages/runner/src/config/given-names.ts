/**
 * Options by the names the user gave them: where that is an alias (`ept` for `npt`), messages of backends and workloads speak of the option by it.
 */
import { isMmulabError, type OptionSpec } from '@mmulab/api';
import { findOption } from './option-values';
import type { GivenNames, RawOptions } from './types';

/** The aliases among the names of values. @returns undefined where there is none */
export function givenNames(owners: readonly (readonly [specs: readonly OptionSpec[], user: RawOptions])[]): GivenNames | undefined {
  const names = owners.flatMap(([specs, user]) =>
    Object.keys(user).flatMap(key => {
      const name = findOption(specs, key)?.name;
      return name === undefined || name === key ? [] : [[name, key] as const];
    }),
  );
  return names.length === 0 ? undefined : Object.fromEntries(names);
}

/** Runs something whose errors may name options. @throws what it throws, options named as they were given */
export function inGivenNames<T>(names: GivenNames | undefined, act: () => T): T {
  if (names === undefined) return act();
  try {
    return act();
  } catch (error) {
    if (isMmulabError(error) && error.errorClass !== 'internal') error.message = renamed(error.message, names);
    throw error;
  }
}

/** `npt=N` and `backend.options.npt: …` by the given name. */
function renamed(message: string, names: GivenNames): string {
  return Object.entries(names).reduce((text, [name, given]) => text.replace(new RegExp(`(?<![\\w-])${name}(?=[=:])`, 'g'), () => given), message);
}
