/**
 * Marks kept as stretches are those of a list with one mark per page.
 */
import type { PageRange } from '@mmulab/api';
import { PageMarks } from './page-marks';

/** Numbers from 0 on, the same each time. */
function draws(): (below: number) => number {
  let state = 7;
  return below => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >> 8) % below;
  };
}

const pagesOf = ({ firstPage = 0, npages = 0, stride = 1 }: PageRange): number[] =>
  Array.from({ length: Math.ceil(npages / stride) }, (_, i) => firstPage + i * stride);

it('answers 2,400 questions about ranges with and without strides as one mark per page does', () => {
  const draw = draws();
  const wrong: unknown[] = [];
  for (let slot = 0; slot < 200; slot++) {
    const npages = 1 + draw(200);
    const [marks, naive] = [new PageMarks(npages), Array<boolean>(npages).fill(false)];
    for (let step = 0; step < 12; step++) {
      const firstPage = draw(npages);
      const range: PageRange = { firstPage, npages: 1 + draw(npages - firstPage), ...(draw(2) === 1 ? { stride: 1 + draw(9) } : {}) };
      const mark = draw(2) === 1;
      if (marks.isAll(range, mark) !== pagesOf(range).every(page => naive[page] === mark)) wrong.push({ slot, step, range, mark });
      marks.mark(range, mark);
      for (const page of pagesOf(range)) naive[page] = mark;
    }
  }
  expect(wrong).toEqual([]);
});

it('says nothing of pages once there are too many to tell apart, until a whole range is marked', () => {
  const marks = new PageMarks(2 ** 32);
  marks.mark({ stride: 2 }, true);
  expect([true, false].map(mark => marks.isAll({}, mark))).toEqual([false, false]);
  marks.mark({}, true);
  expect([true, false].map(mark => marks.isAll({ stride: 7 }, mark))).toEqual([true, false]);
});
