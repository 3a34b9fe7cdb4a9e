/**
 * The simplest case that still fails, by trying simpler ones one after the other; and cases as code to paste, a step to a line.
 */

/** Cases tried before the simplest one so far has to do. */
const MOST_TRIES = 600;

/**
 * Takes a failing case to the simplest that fails, too.
 * @param simpler cases that are simpler by one thing, the boldest first
 * @param fails whether a case fails; it is asked of one case at most `tries` times in all
 */
export function simplest<Case>(failing: Case, simpler: (one: Case) => Iterable<Case>, fails: (one: Case) => boolean, tries = MOST_TRIES): Case {
  let best = failing;
  let left = tries;
  const better = (): Case | undefined => {
    for (const candidate of simpler(best)) {
      if (left-- <= 0) return undefined;
      if (fails(candidate)) return candidate;
    }
    return undefined;
  };
  for (let found = better(); found !== undefined; found = better()) best = found;
  return best;
}

/** Lists with fewer elements: without one half, a quarter and so on down to a single one. */
export function* shorterLists<Element>(list: readonly Element[]): Iterable<readonly Element[]> {
  for (let length = Math.ceil(list.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2)) {
    for (let at = list.length - length; at >= 0; at -= length) yield [...list.slice(0, at), ...list.slice(at + length)];
    if (list.length % length !== 0) yield list.slice(list.length % length);
  }
}

/** The list with one element after the other replaced by simpler ones. */
export function* simplerElements<Element>(
  list: readonly Element[],
  simpler: (one: Element) => Iterable<readonly Element[]>,
): Iterable<readonly Element[]> {
  for (const [i, element] of list.entries()) for (const others of simpler(element)) yield [...list.slice(0, i), ...others, ...list.slice(i + 1)];
}

/** The map with one value at a time as it is simplest. Names that it has not are left out. */
export function* plainerFields<Fields extends object>(fields: Fields, plain: Readonly<Record<string, unknown>>): Iterable<Fields> {
  for (const [name, value] of Object.entries(plain)) {
    const known = (fields as Readonly<Record<string, unknown>>)[name];
    if (known !== undefined && known !== value) yield { ...fields, [name]: value };
  }
}

/** A value as code, on one line. */
export function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value === 'string') return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  return fields.length === 0
    ? '{}'
    : `{ ${fields.map(([name, field]) => `${/^[A-Za-z_]\w*$/.test(name) ? name : literal(name)}: ${literal(field)}`).join(', ')} }`;
}

/** A list as code, an element to a line. @param indent of the line it begins on */
export function literalList(name: string, list: readonly unknown[], indent: string): readonly string[] {
  return [`${indent}${name}: [`, ...list.map(element => `${indent}  ${literal(element)},`), `${indent}],`];
}
