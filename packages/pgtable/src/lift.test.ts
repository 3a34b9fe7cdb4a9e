import { AttrTable } from './attr-table';
import { FrameTree } from './frame-tree';
import { Geometry } from './geometry';
import { RunLifter } from './lift';
import { NOT_LIFTED, type RunProgram } from './run-program';
import { TableTree } from './table-tree';

const VISITS = 0;

/** A tree of 4 mapped blocks of 4 pages, two frame maps, and programs that count their visits and mark pages. */
function lab(geometry = new Geometry(4, 3)) {
  const vectors = [new Float64Array(1), new Float64Array(1)] as const;
  const counters = { now: vectors[0], select: (actor: number): void => void (counters.now = actor === 0 ? vectors[0] : vectors[1]) };
  const attrs = new AttrTable();
  const tree = new TableTree(geometry, attrs);
  const root = tree.createRoot();
  const leaf = attrs.intern(1);
  for (let gfn = 0; gfn < 16; gfn += 4) {
    for (tree.locate(root, gfn, 1); tree.level > 2; tree.locate(root, gfn, 1)) tree.writeTable(0, 0);
    tree.writeTable(leaf, 0);
  }
  const maps = [new FrameTree(geometry), new FrameTree(geometry)] as const;
  const lifter = new RunLifter(tree, maps, counters);
  const blocks: number[] = [];
  const program = (constants: string, change: Partial<RunProgram> = {}): RunProgram => ({
    constants,
    origin: 0,
    period: 1,
    stride: 1,
    frameMaps: [maps[0]],
    journal: undefined,
    isStable: () => false,
    context: () => 0,
    block: (from, to) => {
      blocks.push(from);
      counters.now[VISITS] = (counters.now[VISITS] ?? 0) + to - from;
      maps[0].setRange(from, to - from, 1);
    },
    ...change,
  });
  const run = (one: RunProgram, from = 0, to = 16): void => lifter.run(one, root, from, to);
  return { counters, maps, blocks, program, run, visits: () => vectors[0][VISITS] };
}

describe('a lifted program', () => {
  it('runs the first of four equal blocks, and another block where the constants differ', () => {
    const { maps, blocks, program, run, visits } = lab();
    run(program('mark'));
    expect([blocks, visits(), maps[0].isUniform(0, 16, 1)]).toEqual([[0], 16, true]);
    maps[0].setRange(0, 16, 0);
    run(program('mark'));
    expect([blocks, visits()]).toEqual([[0], 32]);
    run(program('other'));
    // All pages are marked by now: blocks are met that neither program has seen.
    expect([blocks, visits()]).toEqual([[0, 0], 48]);
  });

  it('has an answer of its own for each text of a phase, and none where it says so', () => {
    const { blocks, program, run } = lab();
    run(program('mark', { phase: (base, level) => (level === 2 && base >= 8 ? 'late' : 'early') }));
    expect(blocks).toEqual([0, 8]);
    const { blocks: each, program: other, run: go } = lab();
    go(other('mark', { context: () => NOT_LIFTED }));
    expect(each).toEqual([0, 4, 8, 12]);
  });

  it('is judged by the frame maps it names alone', () => {
    const { maps, blocks, program, run } = lab();
    maps[1].setRange(8, 4, 1);
    run(program('mark'));
    expect(blocks).toEqual([0]);
    const { maps: both, blocks: seen, program: naming, run: go } = lab();
    both[1].setRange(8, 4, 1);
    go(naming('mark', { frameMaps: both }));
    expect(seen).toEqual([0, 8]);
  });

  it('is refused when a block leaves another actor selected', () => {
    const { counters, program, run } = lab();
    expect(() => run(program('mark', { block: () => counters.select(1) }))).toThrow('LIFT_ACTOR');
  });

  it('takes two of three patterned blocks of level 3 from memory, each with entries of its own', () => {
    const { maps, blocks, program, run } = lab();
    const mark = (name: string, offset: number): RunProgram => {
      const block = (from: number, to: number): void => {
        blocks.push(from);
        for (let gfn = from; gfn < to; gfn++) if (gfn % 16 === offset) maps[0].set(gfn, 1);
      };
      return program(name, { period: 16, block });
    };
    run(mark('first', 0), 16, 64);
    run(mark('second', 5), 16, 64);
    blocks.length = 0;
    run(mark('third', 10), 16, 64);
    expect(blocks).toEqual([16, 20, 24, 28]);
    maps[0].set(36, 1);
    blocks.length = 0;
    run(mark('fourth', 15), 16, 64);
    // The block that has become another one is run, the last one is not.
    expect(blocks).toEqual([16, 20, 24, 28, 32, 36, 40, 44]);
    const marked = Array.from({ length: 64 }, (_, gfn) => gfn).filter(gfn => maps[0].get(gfn) === 1);
    expect(marked).toEqual([16, 32, 48].flatMap(base => (base === 32 ? [0, 4, 5, 10, 15] : [0, 5, 10, 15]).map(page => base + page)));
  });

  it('remembers a part of a block by its pages', () => {
    const { blocks, program, run, visits } = lab(new Geometry(512, 3));
    run(program('mark'), 512, 612);
    run(program('mark'), 1024, 1124);
    expect([blocks, visits()]).toEqual([[512], 200]);
    run(program('mark'), 1537, 1637);
    run(program('mark'), 2048, 2149);
    expect([blocks, visits()]).toEqual([[512, 1537, 2048], 401]);
  });
});
