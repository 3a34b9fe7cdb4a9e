/**
 * Another architecture's protocols under the explorer, without a change to any walk: a second stage that locks entries, invalidates translations before it makes
 * new ones, and cleans caches on the way. Its rules are cut down to what a map and an unmap need.
 */
import { Action, Change, Effect, EntryKind, Step, makeVerdict } from '@mmulab/api';
import type { Entry, Protocol, Rule, Verdict } from '@mmulab/api';
import { AttrTable, Geometry, PageWalk, RangeWalk, WALK_AGAIN } from '@mmulab/pgtable';
import { explore, formatViolation } from './explorer';
import type { Exploration } from './explorer';
import { DONE } from './explorer-agent';
import type { Phase } from './explorer-agent';
import { TablesWorld } from './explorer-world';
import type { ExploredTables } from './explorer-world';
import { flushTooLate, ignoreLostExchange, neverFlush, skipLockedCheck } from './mutants';

const protocols: readonly Protocol[] = [
  { name: 'map', change: Change.SetLeaf, steps: [Step.CasFreeze, Step.DcacheClean, Step.IcacheInval, Step.GetPage, Step.WriteLeaf] },
  { name: 'table', change: Change.LinkTable, steps: [Step.AllocTable, Step.CasFreeze, Step.GetPage, Step.WriteTable] },
  { name: 'break', change: Change.LinkTable, steps: [Step.AllocTable, Step.CasFreeze, Step.Tlbi, Step.PutPage, Step.GetPage, Step.WriteTable] },
  { name: 'remake', change: Change.SetLeaf, steps: [Step.CasFreeze, Step.Tlbi, Step.PutPage, Step.DcacheClean, Step.GetPage, Step.WriteLeaf] },
  { name: 'unmap', change: Change.Zap, steps: [Step.CasFreeze, Step.RemoveSubtree, Step.Tlbi, Step.PutPage, Step.DeferFree, Step.WriteEmpty] },
];
const Do = { Map: 8, Table: 9, Break: 10, Remake: 11, Unmap: 12 } as const;
const Outcome = { Mapped: 1, Again: 2, Hit: 3, Fault: 4 } as const;

const attrs = new AttrTable();
const LOCKED = attrs.intern(4, true);
const READ = attrs.intern(1);
const WRITE = attrs.intern(3);

/** Maps a page at the goal; a block above it is broken into an empty table. */
class MapRule implements Rule<number> {
  readonly name = 'map';

  visit(at: Entry, attr: number): Verdict {
    if (at.kind === EntryKind.Special) return makeVerdict(Action.Stop, 0, 0, 0, Outcome.Again);
    if (at.level > at.goal) return makeVerdict(at.kind === EntryKind.Leaf ? Do.Break : Do.Table, at.attr);
    if (at.attr === attr) return makeVerdict(Action.Stop, 0, 0, 0, Outcome.Mapped);
    return makeVerdict(at.kind === EntryKind.Leaf ? Do.Remake : Do.Map, attr, 0, Effect.Final, Outcome.Mapped);
  }
}

const hardware: Rule<number> = {
  name: 'hardware',
  visit: (at, attr) =>
    makeVerdict(
      Action.Stop,
      0,
      0,
      0,
      at.kind === EntryKind.Leaf && (attrs.bits[at.attr] & attrs.bits[attr]) === attrs.bits[attr] ? Outcome.Hit : Outcome.Fault,
    ),
};
const unmap: Rule<number> = { name: 'unmap', visit: at => makeVerdict(at.kind === EntryKind.Leaf || at.level === 2 ? Do.Unmap : Action.Descend) };

interface Variant {
  readonly protocols?: readonly Protocol[];
  readonly rule?: Rule<number>;
}

/** A second stage, its references counted as mm_ops tells of them. */
class Stage2 implements ExploredTables {
  readonly geometry = new Geometry(4, 3);
  readonly attrs = attrs;
  readonly locked = LOCKED;
  readonly protocols: readonly Protocol[];
  readonly breaksBeforeMaking = true;
  private leaves = 0;
  private cleaned = 0;
  readonly book = {
    changed: (_gfn: number, _level: number, oldKind: EntryKind, _oldAttr: number, newKind: EntryKind, _newAttr: number, count: number): void => {
      if (oldKind === EntryKind.Leaf) this.leaves -= count;
      if (newKind === EntryKind.Leaf) this.leaves += count;
    },
  };
  readonly mmOps = { dcacheCleanInvalPoc: (): void => void this.cleaned++ };

  constructor(variant: Variant) {
    this.protocols = variant.protocols ?? protocols;
  }

  grants(attr: number): number {
    return attrs.bits[attr];
  }

  complaint(leaves: readonly number[], _tables: unknown, atEnd: boolean): string | undefined {
    const mapped = leaves.reduce((sum, count) => sum + count, 0);
    if (mapped !== this.leaves) return `${this.leaves} leaves by the bookkeeper, ${mapped} mapped`;
    return atEnd && this.cleaned === 0 ? 'no cache maintenance' : undefined;
  }
}

const map = new MapRule();

/** An access and its faults, until the hardware lets it through. */
function vcpu(world: TablesWorld, name: string, gfn: number, attr: number, rule: Rule<number> = map): Phase[] {
  const { tables, root } = world;
  return [
    {
      name: 'hardware',
      walk: () => new PageWalk(tables, hardware, attr, root, gfn, { goal: 1, lost: WALK_AGAIN, reader: false }),
      next: (outcome, walk) => {
        if (outcome !== Outcome.Hit) return 1;
        if (walk instanceof PageWalk) world.cache(name, walk.level, gfn, walk.leafAttr);
        return DONE;
      },
    },
    { name: 'map', lock: 'read', walk: () => new PageWalk(tables, rule, attr, root, gfn, { goal: 1, lost: Outcome.Again }), next: () => 0 },
  ];
}

/** A block that one vCPU has read and both now write, page by page, while the host may take a range away. */
const worldOf =
  (variant: Variant, withUnmap: boolean): (() => TablesWorld) =>
  () => {
    const world = new TablesWorld(new Stage2(variant));
    const block = new PageWalk(world.tables, map, READ, world.root, 0, { goal: 2, lost: Outcome.Again });
    while (!block.isDone) block.step();
    world.cache('vcpu0', 2, 0, READ);
    world.add('vcpu0', vcpu(world, 'vcpu0', 0, WRITE, variant.rule));
    if (!withUnmap) world.add('vcpu1', vcpu(world, 'vcpu1', 1, WRITE, variant.rule));
    else
      world.add('unmap', [
        {
          name: 'unmap',
          lock: 'read',
          walk: () => new RangeWalk(world.tables, unmap, 0, world.root, 0, 16, { minLevel: 1, tables: true, specials: false }),
          next: () => DONE,
        },
      ]);
    return world;
  };

/** What x86 does: the table with the block's parts takes its place at once. */
const splitInPlace = protocols.map(protocol =>
  protocol.name === 'break' ? { ...protocol, change: Change.Split, steps: [Step.AllocTable, Step.FillTable, Step.CasTable] } : protocol,
);

/** Exchanges become stores, and entries are not locked. */
const plainStores = ignoreLostExchange(protocols).map(({ steps, ...rest }) => ({ ...rest, steps: steps.filter(step => step !== Step.CasFreeze) }));

const messageOf = ({ violation }: Exploration): string => (violation === undefined ? '' : formatViolation(violation));

describe('a second stage that breaks before it makes', () => {
  it.each([
    ['two writes to one block', false],
    ['a write against an unmap', true],
  ])('keeps every invariant in all orders of %s', (_name, withUnmap) => {
    const found = explore(worldOf({}, withUnmap));
    expect(messageOf(found)).toBe('');
    expect(found.schedules).toBeGreaterThan(1_000_000n);
  });

  it.each([
    ['splits a block in place, as x86 may', { protocols: splitInPlace }, false, 'TRANSLATION_CONFLICT', 8],
    ['makes before it invalidates', { protocols: flushTooLate(protocols) }, false, 'TRANSLATION_STALE', 10],
    ['never invalidates', { protocols: neverFlush(protocols) }, true, 'TRANSLATION_STALE', 8],
    ['takes a locked entry for an empty one', { rule: skipLockedCheck(map, LOCKED) }, false, 'TRANSLATION_STALE', 16],
    ['overwrites what another has made', { protocols: plainStores }, false, 'COUNTERS_DIFFER', 20],
  ])('is caught when it %s', (_what, variant, withUnmap, code, steps) => {
    const { violation } = explore(worldOf(variant, withUnmap));
    expect([violation?.code, violation?.steps.length]).toEqual([code, steps]);
  });
});
