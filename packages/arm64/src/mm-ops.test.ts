/**
 * The callbacks a table engine is given: an absent one is a duty that world does not have; a user's own are called beside the kernel's.
 */
import { AccessKind, EntryKind } from '@mmulab/api';
import { Geometry, TableEngine } from '@mmulab/pgtable';
import type { MmOps } from '@mmulab/pgtable';
import { Stage2Attrs } from './descriptor';
import { BASE, HOST_OFFSET, Lab, plainBacking } from './fixtures/lab';
import { MapOp, MapRule, MapStep, MakeOp, MakeRule, mapStep } from './map';
import { Stage2Action, stage2Protocols } from './protocols';

/** Maps one page through the map walker's rules in a world with these callbacks. @returns whether it is mapped then */
function mapOnePage(mmOps: MmOps): boolean {
  const attrs = new Stage2Attrs();
  const book = { changed: (): void => undefined };
  const counters = { now: new Float64Array(1), select: (): void => undefined };
  const engine = new TableEngine({
    geometry: new Geometry(512, 3),
    attrs: attrs.table,
    protocols: stage2Protocols,
    book,
    mmOps,
    frameMaps: [],
    counters,
  });
  const root = engine.createRoot();
  const op = new MapOp();
  op.attr = attrs.leaf(true, true, false);
  expect(mapStep(engine.page(new MapRule(attrs, true), op, root, 7, 1))).toBe(MapStep.New);
  const make = new MakeOp();
  make.action = Stage2Action.CleanInvalMake;
  make.attr = op.attr;
  engine.page(new MakeRule(), make, root, 7, 1);
  return engine.lookup(root, 7, 1).kind === EntryKind.Leaf;
}

describe('a table world', () => {
  it('without callbacks maps all the same, and has no duties', () => {
    expect(mapOnePage({})).toBe(true);
  });

  it('with callbacks is asked for two tables, three references, one clean and one invalidation', () => {
    const calls: string[] = [];
    const note =
      (name: string) =>
      (_gfn: number, level: number, count: number): void =>
        void calls.push(`${name} ${level} ${count}`);
    const mapped = mapOnePage({
      zallocPage: note('zalloc_page'),
      getPage: note('get_page'),
      dcacheCleanInvalPoc: note('dcache_clean_inval_poc'),
      icacheInvalPou: note('icache_inval_pou'),
      tlbi: note('tlbi'),
    });
    expect(mapped).toBe(true);
    expect(calls).toEqual([
      'zalloc_page 3 1',
      'get_page 3 1',
      'zalloc_page 2 1',
      'get_page 2 1',
      'dcache_clean_inval_poc 1 1',
      'icache_inval_pou 1 1',
      'get_page 1 1',
    ]);
  });
});

describe('callbacks of a user', () => {
  it('are told what the kernel’s are told, host frames for maintenance', () => {
    const cleaned: (readonly number[])[] = [];
    let exact = 0;
    const references: number[] = [];
    const lab = new Lab({
      kernel: '6.1.176',
      backing: plainBacking(2),
      mmOps: {
        zallocPagesExact: pages => (exact += pages),
        freePagesExact: pages => (exact -= pages),
        pageCount: (_gfn, _level, count) => references.push(count),
        physToVirt: pfn => pfn + 1000,
        dcacheCleanInvalPoc: (hvf, sizeBytes, count) => cleaned.push([hvf, sizeBytes, count]),
      },
    });
    expect(exact).toBe(2);
    cleaned.length = 0;
    lab.touch(5, AccessKind.Write);
    expect(cleaned).toEqual([[BASE + 5 + HOST_OFFSET + 1000, 2 ** 21, 1]]);
    lab.mmu.host({ op: 'destroy_vm' });
    expect(exact).toBe(0);
    // Every table was asked for its references; those that went had one.
    expect(references).toContain(1);
  });

  it('with FWB the callback is called and the routine behind it does nothing', () => {
    let calls = 0;
    const lab = new Lab({ host: { fwb: 'Y' }, mmOps: { dcacheCleanInvalPoc: () => void calls++ } });
    calls = 0;
    lab.touch(0, AccessKind.Write);
    expect([calls, lab.count('mm_ops.dcache_clean_inval_poc'), lab.count('dcache_clean_inval_poc')]).toEqual([1, 1, 0]);
  });
});
