/**
 * A config while settings are laid over it: its maps as Maps of our own, so that thousands of settings cost no more than their number.
 */
import { isMap } from '../plain-map';
import type { RawConfig } from './types';

type Section = Map<string, unknown>;

/** A copy of a config that can be changed. */
export class Draft {
  private readonly root: Section;

  constructor(config: RawConfig) {
    this.root = opened(config as Readonly<Record<string, unknown>>);
  }

  /** Sets the value at a path; what is no map on the way is replaced by one. */
  set(path: readonly string[], value: unknown): void {
    const map = path.slice(0, -1).reduce<Section>(sectionAt, this.root);
    map.set(path.at(-1) ?? '', isMap(value) ? opened(value) : value);
  }

  /** Takes away the value at a path, if there is one. */
  delete(path: readonly string[]): void {
    const map = path.slice(0, -1).reduce<unknown>((at, key) => (at instanceof Map ? at.get(key) : undefined), this.root);
    if (map instanceof Map) map.delete(path.at(-1));
  }

  /** Backend and workload, which say whose options there are. */
  owners(): RawConfig {
    return Object.fromEntries(['backend', 'workload'].map(key => [key, closed(this.root.get(key))]));
  }

  /** The config as it is now. */
  config(): RawConfig {
    return closed(this.root) as RawConfig;
  }
}

function sectionAt(at: Section, key: string): Section {
  const known = at.get(key);
  if (known instanceof Map) return known as Section;
  const section: Section = new Map();
  at.set(key, section);
  return section;
}

function opened(map: Readonly<Record<string, unknown>>): Section {
  return new Map(Object.entries(map).map(([key, value]) => [key, isMap(value) ? opened(value) : value]));
}

function closed(value: unknown): unknown {
  return value instanceof Map ? Object.fromEntries([...(value as Section)].map(([key, inner]) => [key, closed(inner)])) : value;
}
