/**
 * A value that components watch.
 */
import { useEffect, useState } from 'preact/hooks';

/** A value; `use` renders the component anew when it changes. */
export interface Signal<T> {
  readonly get: () => T;
  readonly set: (value: T) => void;
  readonly use: () => T;
}

/** @param initial the value until it is set */
export function signal<T>(initial: T): Signal<T> {
  const watchers = new Set<(value: T) => void>();
  let value = initial;
  return {
    get: () => value,
    set: next => {
      value = next;
      for (const watcher of watchers) watcher(next);
    },
    use: () => {
      const [seen, see] = useState(value);
      useEffect(() => {
        watchers.add(see);
        return () => void watchers.delete(see);
      }, []);
      return seen;
    },
  };
}
