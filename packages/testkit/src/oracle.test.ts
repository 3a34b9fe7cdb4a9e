/**
 * The oracle by itself: what it answers for tables small enough to draw on paper.
 */
import { Action, Change, Effect, EntryKind, Step, makeVerdict } from '@mmulab/api';
import type { Entry, Protocol, Rule, Verdict } from '@mmulab/api';
import { AttrTable, Geometry } from '@mmulab/pgtable';
import type { Engine } from '@mmulab/pgtable';
import { oracleEngines } from './oracle';

const protocols: readonly Protocol[] = [
  { name: 'map', change: Change.SetLeaf, steps: [Step.CasLeaf] },
  { name: 'link', change: Change.LinkTable, steps: [Step.AllocTable, Step.CasTable] },
  { name: 'split', change: Change.Split, steps: [Step.AllocTable, Step.FillTable, Step.CasTable] },
  { name: 'zap', change: Change.Zap, steps: [Step.CasFreeze, Step.RemoveSubtree, Step.Flush, Step.WriteEmpty] },
];
const [MAP, LINK, SPLIT, ZAP] = protocols.map((_, i) => Action.FirstProtocol + i) as [number, number, number, number];
const LEAF = 1;

/** An engine over 64 frames, and a log of every call it makes. */
function engineWithLog(): { readonly engine: Engine; readonly root: number; readonly log: string[] } {
  const log: string[] = [];
  const attrs = new AttrTable();
  attrs.intern(1);
  const kinds = ['empty', 'leaf', 'table', 'special'];
  const engine = oracleEngines.makeEngine({
    geometry: new Geometry(4, 3),
    attrs,
    protocols,
    book: {
      changed: (gfn, level, oldKind, _oldAttr, newKind) => log.push(`${gfn}.${level} ${kinds[oldKind]}→${kinds[newKind]}`),
      subtreeRemoved: (gfn, level) => log.push(`${gfn}.${level} subtree goes`),
      track: (gfn, level) => log.push(`${gfn}.${level} tracked`),
    },
    mmOps: { zallocPage: (gfn, level) => log.push(`${gfn}.${level} alloc`), flushRemoteTlbs: gfn => log.push(`${gfn} flush`) },
    frameMaps: [],
    counters: { now: new Float64Array(1), select: () => undefined },
  });
  return { engine, root: engine.createRoot(), log };
}

const rule = (visit: (at: Entry) => Verdict): Rule<undefined> => ({ name: 'test', visit });
const mapAt = rule(at =>
  at.level > at.goal ? makeVerdict(at.kind === EntryKind.Leaf ? SPLIT : LINK, LEAF, 3, Effect.Track) : makeVerdict(MAP, LEAF, 0, Effect.Final, 5),
);

describe('the oracle', () => {
  it('links one table per level on the way to a page and answers with the verdict’s outcome', () => {
    const { engine, root, log } = engineWithLog();
    expect(engine.page(mapAt, undefined, root, 37, 1)).toBe(5);
    expect(log).toEqual(['37.3 alloc', '37.3 empty→table', '37.3 tracked', '37.2 alloc', '37.2 empty→table', '37.2 tracked', '37.1 empty→leaf']);
    expect(engine.tableCount(root)).toBe(3);
    const found = [1, 2, 3].map(goal => engine.lookup(root, 37, goal));
    expect(found.map(at => [at.level, at.gfn, at.kind, at.tableAttr])).toEqual([
      [1, 37, EntryKind.Leaf, 0],
      [2, 36, EntryKind.Table, 3],
      [3, 32, EntryKind.Table, 3],
    ]);
  });

  it('splits a leaf into four and goes into the new table', () => {
    const { engine, root, log } = engineWithLog();
    engine.page(mapAt, undefined, root, 16, 3);
    const split = rule(() => makeVerdict(SPLIT, LEAF));
    engine.range(split, undefined, root, 20, 24, { minLevel: 2, tables: false, specials: false });
    expect(log.filter(line => line.endsWith('→table'))).toEqual(['16.3 leaf→table', '20.2 leaf→table']);
    expect([engine.tableCount(root), engine.lookup(root, 16, 1).level, engine.lookup(root, 23, 1).level]).toEqual([3, 2, 1]);
  });

  it('reports a removed subtree entry by entry, tables before the entry that held them', () => {
    const { engine, root, log } = engineWithLog();
    engine.page(mapAt, undefined, root, 5, 1);
    engine.page(mapAt, undefined, root, 8, 2);
    log.length = 0;
    engine.range(
      rule(at => (at.kind === EntryKind.Table ? makeVerdict(ZAP, 0, 0, Effect.FlushLater) : 0)),
      undefined,
      root,
      0,
      16,
      { minLevel: 2, tables: true, specials: false },
    );
    expect(log).toEqual(['0 flush', '0.3 subtree goes', '5.1 leaf→empty', '4.2 table→empty', '8.2 leaf→empty', '0.3 table→empty']);
    expect(engine.tableCount(root)).toBe(1);
  });

  it('shows tables again after what they hold when asked to', () => {
    const { engine, root } = engineWithLog();
    engine.page(mapAt, undefined, root, 5, 1);
    const visited: string[] = [];
    const watch = rule(at => {
      visited.push(`${at.gfn}.${at.level}`);
      return makeVerdict(Action.Descend);
    });
    engine.range(watch, undefined, root, 0, 64, { minLevel: 1, tables: true, specials: false, post: true });
    expect(visited).toEqual(['0.3', '4.2', '5.1', '4.2', '0.3']);
  });

  it('refuses a frame beyond the root and a root that was given back', () => {
    const { engine, root } = engineWithLog();
    expect(() => engine.lookup(root, 64, 1)).toThrow(RangeError);
    engine.freeRoot(root);
    expect(() => engine.lookup(root, 0, 1)).toThrow('ORACLE_ROOT');
  });
});
