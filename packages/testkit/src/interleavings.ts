/**
 * An architecture's rules and protocols in every order of their atomic steps, as jest tests: what a vCPU's fault does while another vCPU faults, or the host takes the
 * memory away or protects it.
 *
 * The tables are small ones of four entries, which have all there is to get wrong and few enough orders to try them all. After every step the explorer checks that
 * no translation outlives the flush that has to end it, that pages stay mapped that nobody takes away, and that no table is lost.
 */
import { fail, ok } from 'node:assert';
import { Action, EntryKind, makeVerdict } from '@mmulab/api';
import type { Protocol, Rule } from '@mmulab/api';
import { Geometry, PageWalk, RangeWalk, WALK_AGAIN } from '@mmulab/pgtable';
import type { AttrTable } from '@mmulab/pgtable';
import { explore, formatViolation } from './explorer';
import { DONE } from './explorer-agent';
import type { LockMode, Phase } from './explorer-agent';
import { TablesWorld } from './explorer-world';
import type { ExploredTables } from './explorer-world';

declare const describe: (name: string, body: () => void) => void;
declare const it: (name: string, body: () => void, timeoutMs?: number) => void;

/** A walk of the backend's. */
export interface InterleavedWalk<Op = never> {
  readonly rule: Rule<Op>;
  readonly op: Op;
  /** How mmu_lock is held meanwhile. */
  readonly lock: LockMode;
}

/** An architecture as far as its steps can interleave. */
export interface InterleavedTables {
  readonly attrs: AttrTable;
  readonly protocols: readonly Protocol[];
  /** Attribute of entries that a walk has locked. Absent: none ever are. */
  readonly locked?: number;
  /** Attributes of leaves that may be read, and written. */
  readonly leaf: { readonly read: number; readonly write: number };
  /** Whether a leaf allows writing. */
  isWritable(attr: number): boolean;
  /** An entry must be invalid, and its translations gone, before another level maps the page. Absent: it need not. */
  readonly breaksBeforeMaking?: boolean;
  /** The fault path: maps a page with an attribute. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- rules of any operation
  map(attr: number): InterleavedWalk<any>;
  /** The fault path for a write to a small page that is mapped for reading, where it is another one. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- rules of any operation
  fix?(): InterleavedWalk<any>;
  /** What the host does to a range. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- rules of any operation
  readonly host: Readonly<Record<string, InterleavedWalk<any>>>;
}

/** What may be adjusted. */
export interface InterleavingOptions {
  /** Table shape; four entries and three levels by default, in which all orders of two faults take seconds. */
  readonly geometry?: Geometry;
  /** Whether a block above the page wanted can be mapped over: kernels without splitting fail there. Default true. */
  readonly splits?: boolean;
}

const READ = 1;
const WRITE = 2;
const MAPPED = 1;
/** Bits of the attribute that stands for locked entries where there are none. */
const NEVER = 1 << 29;
const LEAVES = { minLevel: 1, tables: false, specials: false };
const TIMEOUT_MS = 120_000;

/** Declares the orders of one architecture's steps as tests. */
export function describeInterleavings(name: string, tables: InterleavedTables, options: InterleavingOptions = {}): void {
  describe(`${name}, every order of the steps of`, () => {
    for (const [title, make] of worldsOf(tables, options)) {
      it(
        title,
        () => {
          const { violation, schedules } = explore(make);
          if (violation !== undefined) fail(formatViolation(violation));
          ok(schedules > 1n, 'there is one order only');
        },
        TIMEOUT_MS,
      );
    }
  });
}

/** The code of what goes wrong first, and where; undefined when nothing does in any order. */
export function findBadOrder(
  tables: InterleavedTables,
  options: InterleavingOptions = {},
): { readonly title: string; readonly code: string } | undefined {
  for (const [title, make] of worldsOf(tables, options)) {
    const { violation } = explore(make);
    if (violation !== undefined) return { title, code: violation.code };
  }
  return undefined;
}

/** What is explored, by title. */
function worldsOf(tables: InterleavedTables, options: InterleavingOptions): readonly (readonly [string, () => TablesWorld])[] {
  const { splits = true } = options;
  const starts = splits ? ['a block that is mapped for reading', 'nothing mapped'] : ['nothing mapped'];
  return starts.flatMap(start => {
    const world = (second: (of: World) => void) => (): TablesWorld => new World(tables, options, start !== 'nothing mapped').with(second);
    return [
      [`two writes to neighbouring pages, with ${start}`, world(of => of.writes('vcpu1', 1))] as const,
      [`two writes to one page, with ${start}`, world(of => of.writes('vcpu1', 0))] as const,
      ...Object.entries(tables.host).map(
        ([what, walk]) => [`a write and the host that would ${what} it, with ${start}`, world(of => of.hostWalks(what, walk))] as const,
      ),
    ];
  });
}

/** Tables of one architecture with agents. */
class World {
  private readonly world: TablesWorld;
  private readonly hardware: Rule<number>;

  constructor(
    private readonly of: InterleavedTables,
    { geometry = new Geometry(4, 3) }: InterleavingOptions,
    hasBlock: boolean,
  ) {
    const { attrs, protocols, leaf, breaksBeforeMaking = false } = of;
    const locked = of.locked ?? attrs.intern(NEVER, true);
    const grants = (attr: number): number => (attr === locked || attr === 0 ? 0 : of.isWritable(attr) ? READ | WRITE : READ);
    const book = { changed: (): void => undefined };
    const subject: ExploredTables = { geometry, attrs, protocols, locked, book, mmOps: {}, grants, breaksBeforeMaking };
    this.world = new TablesWorld(subject);
    this.hardware = {
      name: 'hardware',
      visit: (at, wanted) => makeVerdict(Action.Stop, 0, 0, 0, at.kind === EntryKind.Leaf && (grants(at.attr) & wanted) !== 0 ? MAPPED : 0),
    };
    if (hasBlock) this.mapBlock(leaf.read);
    this.writes('vcpu0', 0);
  }

  with(second: (of: World) => void): TablesWorld {
    second(this);
    return this.world;
  }

  /** A vCPU writes a page: the hardware's walk, the fault, and again. */
  writes(name: string, gfn: number): void {
    const { world, of, hardware } = this;
    const { tables, root } = world;
    const map = of.map(of.leaf.write);
    const fix = of.fix?.();
    const walkOf =
      ({ rule, op }: InterleavedWalk<unknown>) =>
      (): PageWalk<unknown> =>
        new PageWalk(tables, rule, op, root, gfn, { goal: 1, lost: WALK_AGAIN });
    const isSmall = (): boolean => {
      tables.tree.locate(root, gfn, 1);
      return tables.tree.kind === EntryKind.Leaf && tables.tree.level === 1;
    };
    const phases: Phase[] = [
      {
        name: 'hardware',
        walk: () => new PageWalk(tables, hardware, WRITE, root, gfn, { goal: 1, lost: WALK_AGAIN, reader: false }),
        next: (outcome, walk) => {
          if (outcome !== MAPPED) return fix !== undefined && isSmall() ? 2 : 1;
          if (walk instanceof PageWalk) world.cache(name, walk.level, gfn, walk.leafAttr);
          return DONE;
        },
      },
      { name: 'map', lock: map.lock, walk: walkOf(map), next: () => 0 },
    ];
    if (fix !== undefined) phases.push({ name: 'fix', lock: fix.lock, walk: walkOf(fix), next: () => 0 });
    world.add(name, phases);
  }

  /** The host walks over the block the pages lie in. */
  hostWalks(name: string, { rule, op, lock }: InterleavedWalk<unknown>): void {
    const { tables, root } = this.world;
    const end = tables.parts.geometry.pagesAt(2);
    this.world.add('host', [{ name, lock, walk: () => new RangeWalk(tables, rule, op, root, 0, end, LEAVES), next: () => DONE }]);
  }

  /** A block that a vCPU has read. */
  private mapBlock(attr: number): void {
    const { tables, root } = this.world;
    const map: InterleavedWalk<unknown> = this.of.map(attr);
    const walk = new PageWalk(tables, map.rule, map.op, root, 0, { goal: 2, lost: WALK_AGAIN });
    while (!walk.isDone) walk.step();
    this.world.cache('vcpu0', 2, 0, attr);
  }
}
