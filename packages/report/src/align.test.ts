/**
 * Aligning phases: what belongs beside what.
 */
import { alignPhases } from './align';

const rows = (...runs: readonly string[][]): readonly string[] =>
  alignPhases(runs).map(({ name, names }) => `${name}: ${names.map(one => one ?? '-').join(' ')}`);

describe('phases of two runs', () => {
  it('stand beside each other by what they do where D in front moves w from 1 to 2', () => {
    expect(rows(['noop', '1_w', '2_r', 'destroy_vm'], ['noop', '1_D', '2_w', '3_r', 'destroy_vm'])).toEqual([
      'noop: noop noop',
      '1_D: - 1_D',
      '1_w / 2_w: 1_w 2_w',
      '2_r / 3_r: 2_r 3_r',
      'destroy_vm: destroy_vm destroy_vm',
    ]);
  });

  it('keep equal letters in order: of w,w against w,D,w the second w meets the third round', () => {
    expect(rows(['1_w', '2_w'], ['1_w', '2_D', '3_w'])).toEqual(['1_w: 1_w 1_w', '2_D: - 2_D', '2_w / 3_w: 2_w 3_w']);
  });

  it('tell strides apart: x512 is not x', () => {
    expect(rows(['1_x512'], ['1_x'])).toEqual(['1_x512: 1_x512 -', '1_x: - 1_x']);
  });

  it('are matched by iteration where the number counts iterations: dirty_2 has no partner in a run of one', () => {
    expect(rows(['populate', 'dirty_1', 'disable_log'], ['populate', 'dirty_1', 'dirty_2', 'disable_log'])).toEqual([
      'populate: populate populate',
      'dirty_1: dirty_1 dirty_1',
      'dirty_2: - dirty_2',
      'disable_log: disable_log disable_log',
    ]);
  });

  it('get unique names where the same one stands in two places', () => {
    const names = alignPhases([
      ['1_w', '2_r'],
      ['1_r', '2_w'],
    ]).map(({ name }) => name);
    expect(names).toHaveLength(3);
    expect(new Set(names).size).toBe(3);
  });

  it('all appear, once per run, in the order of their run', () => {
    const runs = [
      ['1_w', '2_r', '3_w', '4_D', '5_x', '6_r'],
      ['1_D', '2_r', '3_w', '4_w', '5_G', '6_x'],
      ['1_x', '2_D', '3_w'],
    ];
    const aligned = alignPhases(runs);
    runs.forEach((phases, run) => expect(aligned.flatMap(({ names }) => names[run] ?? [])).toEqual(phases));
  });
});

describe('phases of three runs', () => {
  it('meet in one row each: w of w, of D,w and of D,G,w', () => {
    expect(rows(['1_w'], ['1_D', '2_w'], ['1_D', '2_G', '3_w'])).toEqual(['1_D: - 1_D 1_D', '2_G: - - 2_G', '1_w / 2_w / 3_w: 1_w 2_w 3_w']);
  });
});
