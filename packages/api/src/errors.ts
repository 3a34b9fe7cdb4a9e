/**
 * What goes wrong, typed. A message names the place, the value, what was expected, and the nearest valid name.
 */

/** What kind of trouble an error is; the command line's exit code follows from it. */
export type ErrorClass = 'usage' | 'failed' | 'internal';

/** Any error mmulab raises on purpose. */
export class MmulabError extends Error {
  /**
   * @param code upper-case, stable: scripts and tests rely on it
   * @param message place, value, expectation, nearest name
   * @param errorClass `usage`: wrong config, command, record or trace (exit 2); `failed`: a check failed (exit 1); `internal`: a bug (exit 3)
   */
  constructor(
    readonly code: string,
    message: string,
    readonly errorClass: ErrorClass = 'usage',
  ) {
    super(`${code}: ${message}`);
    this.name = 'MmulabError';
  }
}

const CLASSES: readonly unknown[] = ['usage', 'failed', 'internal'] satisfies ErrorClass[];

/** Whether somebody raised an error on purpose: told by its shape, since a plugin may have a copy of this package of its own. */
export function isMmulabError(error: unknown): error is MmulabError {
  if (!(error instanceof Error)) return false;
  const { code, errorClass, message } = error as Partial<MmulabError> & Error;
  return typeof code === 'string' && CLASSES.includes(errorClass) && message.startsWith(code);
}

/** Where and how a KVM_RUN failed. */
export interface RunFailurePlace {
  /** Name of the error the kernel returns: `EEXIST`. Absent: the call does not return (the vCPU faults for ever). */
  readonly errno?: string;
  readonly vcpu: number;
  /** Guest frame of the access, where there is one. */
  readonly gfn?: number;
}

/**
 * A KVM_RUN that fails, as it does on the kernel that is modelled: a backend throws it out of an access. The run ends there, is marked as failed in every format, and
 * the command ends with 1.
 */
export class KvmRunFailure extends MmulabError {
  /** @param reason the mechanism, in words */
  constructor(
    readonly place: RunFailurePlace,
    readonly reason: string,
  ) {
    const where = place.gfn === undefined ? '' : `, gfn 0x${place.gfn.toString(16)}`;
    const how = place.errno === undefined ? 'does not come back from the guest' : `fails with ${place.errno}`;
    super('KVM_RUN_FAILED', `KVM_RUN of vCPU ${place.vcpu}${where} ${how}: ${reason}`, 'failed');
    this.name = 'KvmRunFailure';
  }
}

/** A broken invariant of the simulation: always a bug. Names where it broke. */
export class InvariantError extends MmulabError {
  /**
   * @param gfn first frame of the entry
   * @param level level of the entry
   * @param entry the entry or entries involved, dumped
   */
  constructor(
    code: string,
    message: string,
    readonly gfn: number,
    readonly level: number,
    readonly entry: string,
  ) {
    super(code, `${message} (gfn 0x${gfn.toString(16)}, level ${level}, entry ${entry})`, 'internal');
    this.name = 'InvariantError';
  }
}

/** Letters from which on the beginning of a name stands for it. */
const LEAST_BEGINNING = 3;

/**
 * The nearest of `names` to a mistyped `name`: one letter off, or the shortest that begins with it, or by edit distance; undefined when none is near (more than a third of
 * the letters differ, at least two; of three letters and fewer one, and of one letter none).
 */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const typed = name.toLowerCase();
  const near = nearestByDistance(name, names);
  if (name.length < LEAST_BEGINNING || (near !== undefined && editDistance(typed, near.toLowerCase()) <= 1)) return near;
  const longer = names.filter(candidate => candidate.toLowerCase().startsWith(typed));
  return longer.length === 0 ? near : longer.reduce((a, b) => (b.length < a.length ? b : a));
}

function nearestByDistance(name: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  const most = name.length <= LEAST_BEGINNING ? Math.min(1, name.length - 1) : Math.max(2, Math.floor(name.length / 3));
  let bestDistance = most + 1;
  for (const candidate of names) {
    // No shorter than the difference of the lengths, which spares measuring a name of a million letters.
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      bestDistance = distance;
      best = candidate;
    }
  }
  return best;
}

/** Names that a list of what there is shows. */
const MAX_LISTED = 120;

/** The usual tail of a message about an unknown name: ` (did you mean X?)` or a list of what there is, sorted unless `order` says that it is in order. */
export function suggestName(name: string, given: readonly string[], order: 'sorted' | 'given' = 'sorted'): string {
  const near = nearestName(name, given);
  const distinct = [...new Set(given)];
  const names = order === 'sorted' ? distinct.sort() : distinct;
  if (near !== undefined) return ` (did you mean ${near}?)`;
  const more = names.length > MAX_LISTED ? `, and ${names.length - MAX_LISTED} more` : '';
  return names.length === 0 ? '' : ` (known: ${names.slice(0, MAX_LISTED).join(', ')}${more})`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
