/**
 * What was varied, and what it makes visible.
 */
import { madeResult, matrix, zapAndSplit } from '../fixtures/results';
import { axesOf, breakEvenOf, measureOf, scalingAxis, scalingOf } from './axes';

const axes = axesOf(matrix);
const faults = measureOf('page_fault');

describe('axes of a matrix', () => {
  it('are the settings that tell runs apart, sizes and counts as numbers in their order', () => {
    expect(axes.map(({ name, values, numbers }) => [name, values, numbers])).toEqual([
      ['huge_page_fault', ['zap', 'split'], undefined],
      ['vcpus', ['1', '2', '4', '8'], [1, 2, 4, 8]],
      ['bytes', ['16M', '1G'], [2 ** 24, 2 ** 30]],
    ]);
  });

  it('leave out what follows from another: the switches of a kernel', () => {
    const of = (kernel: string, mode: string) => madeResult({ p: { f: 1 } }, { kernel, options: { mode } });
    expect(axesOf([of('6.1', 'zap'), of('6.2', 'split')]).map(axis => axis.name)).toEqual(['kernel']);
  });

  it('take kernels for names: 6.12 is no number', () => {
    const of = (kernel: string) => madeResult({ p: { f: 1 } }, { kernel });
    expect(axesOf([of('6.2'), of('6.12')])[0]?.numbers).toBeUndefined();
  });
});

describe('scaling', () => {
  it('is drawn over the longest numeric axis', () => expect(scalingAxis(axes)?.name).toBe('vcpus'));

  it('has a line per combination of the others', () => {
    const axis = scalingAxis(axes);
    if (axis === undefined) throw new Error('there is an axis');
    const { points } = scalingOf(matrix, axes, axis, faults);
    expect(new Set(points.map(point => point.series)).size).toBe(4);
    expect(points.find(point => point.series === 'huge_page_fault=zap, bytes=16M' && point.at === 3)?.value).toBe(64);
  });

  it('says from where on the other policy has less', () => {
    const small = matrix.filter(run => (run.config['workload'] as { options: { bytes: number } }).options.bytes === 2 ** 24);
    const few = axesOf(small);
    const axis = scalingAxis(few);
    if (axis === undefined) throw new Error('there is an axis');
    expect(scalingOf(small, few, axis, faults).crossings).toEqual(['From vcpus=4 on, huge_page_fault=split has less.']);
  });

  it('needs three values of something that is no number', () => {
    const of = (kernel: string) => madeResult({ p: { f: 1 } }, { kernel });
    expect(scalingAxis(axesOf([of('6.1'), of('6.2')]))).toBeUndefined();
    expect(scalingAxis(axesOf([of('6.1'), of('6.2'), of('6.4')]))?.name).toBe('kernel');
  });
});

describe('break-even', () => {
  it('has a cell per pair of values, with what both policies count', () => {
    const even = breakEvenOf(matrix, axes, faults);
    expect([even?.policy.name, even?.across.name, even?.down.name]).toEqual(['huge_page_fault', 'vcpus', 'bytes']);
    expect(even?.cells).toHaveLength(8);
    expect(even?.cells.find(cell => cell.across === 0 && cell.down === 1)).toEqual({ across: 0, down: 1, before: 1, after: 5 });
    expect(even?.cells.find(cell => cell.across === 3 && cell.down === 0)).toEqual({ across: 3, down: 0, before: 64, after: 24 });
  });

  it('needs two axes beside the policy', () => expect(breakEvenOf(zapAndSplit, axesOf(zapAndSplit), faults)).toBeUndefined());
});

describe('a measure', () => {
  it('is a total, or the sum of predicted times', () => {
    const run = madeResult({ a: { f: 3 }, b: { f: 4 } }, { timeNs: 1500 });
    expect([measureOf('f')(run), measureOf('time')(run), measureOf('g')(run)]).toEqual([7, 3000, undefined]);
    expect(measureOf('time')(madeResult({ a: { f: 1 } }))).toBeUndefined();
  });
});
