import { Geometry, tableEngines } from '@mmulab/pgtable';
import { BitmapWords, type WordTaker } from './bitmap-words';
import { WorkCounts } from './work-counts';

/** Words that cross the ends of blocks: the slot begins 16 pages before one. */
const ORIGIN = 512 * 3 - 16;
const END = ORIGIN + 2000;

/** Takes a bitmap of which 2 blocks are full, one is half full and the rest is empty. @returns what was counted, and the pages taken */
function take(at: 'pages' | 'words' | 'blocks'): { readonly counted: readonly number[]; readonly pages: readonly number[] } {
  const geometry = new Geometry(512, 4);
  const [dirty, read] = [tableEngines.makeFrameMap(geometry), tableEngines.makeFrameMap(geometry)];
  for (const map of [dirty, read]) map.setRange(ORIGIN, 1300, 1);
  const now = new Float64Array(32);
  const pages: number[] = [];
  const page = (gfn: number): void => void pages.push(gfn);
  const whole = (start: number, end: number): void => {
    for (let gfn = start; gfn < end; gfn++) page(gfn);
  };
  const taker: WordTaker = { word: () => undefined, page, ...(at === 'pages' ? {} : { pages: whole }), needsWords: at !== 'blocks' };
  const words = new BitmapWords(() => '', ORIGIN, dirty, read, taker, new WorkCounts({ now, select: () => undefined }, 0), 512);
  words.block(ORIGIN, END);
  expect([words.any, dirty.countNonZero(ORIGIN, END - ORIGIN)]).toEqual([true, 0]);
  return { counted: [...now], pages };
}

describe('words of a bitmap', () => {
  it.each(['words', 'blocks'] as const)('taken in whole %s take 1,300 pages and count the words that they count page by page', at => {
    const taken = take(at);
    expect(taken).toEqual(take('pages'));
    expect(taken.pages).toHaveLength(1300);
    expect(taken.counted).toContain(1300);
  });
});
