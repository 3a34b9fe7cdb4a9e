/**
 * The tables of a VM's roots as a key: equal keys, equal tables.
 */
import { Action, EntryKind, makeVerdict } from '@mmulab/api';
import type { Entry, Rule, Verdict } from '@mmulab/api';
import type { Engine, Geometry, RangeOptions } from '@mmulab/pgtable';
import { ContentHash } from '../content-hash';

/** What of a root belongs to the key. */
interface KeyedRoot {
  readonly id: number;
  readonly role: number;
  readonly refs: number;
  readonly valid: boolean;
}

/** Tables of a root beyond which no key of the state is made. */
const MAX_HASHED_TABLES = 512;
const EVERY_ENTRY: RangeOptions<ContentHash> = { minLevel: 1, tables: true, specials: true, uniform: () => false };
/** Shows every entry to a hash and changes none. */
const CONTENT_RULE: Rule<ContentHash> = {
  name: 'content',
  visit(at: Entry, hash: ContentHash): Verdict {
    hash.add(at.gfn);
    hash.add((at.level * 8 + at.kind) * 256 + at.attr);
    hash.add(at.tableAttr);
    return makeVerdict(at.kind === EntryKind.Table ? Action.Descend : Action.Keep);
  },
};

/** All tables of some roots; undefined where there are too many to be worth it. */
export function contentKeyOf(engine: Engine, geometry: Geometry, roots: readonly KeyedRoot[]): string | undefined {
  const parts: string[] = [];
  for (const root of roots) {
    if (engine.tableCount(root.id) > MAX_HASHED_TABLES) return undefined;
    const hash = new ContentHash();
    engine.range(CONTENT_RULE, hash, root.id, 0, geometry.pagesAt(geometry.levels) * 512, EVERY_ENTRY);
    parts.push(`${root.id}/${root.role}/${root.refs}/${root.valid}/${hash.text}`);
  }
  return parts.join(' ');
}
