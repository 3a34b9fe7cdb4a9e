/**
 * Options of the tests with the flags that set them, for messages: who typed `-x 3` looks for `-x`, who wrote `slots: 3` for `slots`.
 */
import type { OptionValue } from '@mmulab/api';

const flags = new Map<string, Readonly<Record<string, string>>>();

/** Remembers the flags of a test. @param names by option: `{ slots: '-x' }` */
export function rememberFlags(test: string, names: Readonly<Record<string, string>>): void {
  flags.set(test, names);
}

/** `slots (-x)`, `slots=3 (-x)`; the option alone where no flag of the test sets it. */
export function withFlag(test: string, option: string, value?: OptionValue): string {
  const flag = flags.get(test)?.[option];
  const named = value === undefined ? option : `${option}=${String(value)}`;
  return flag === undefined ? named : `${named} (${flag})`;
}
