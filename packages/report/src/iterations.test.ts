/**
 * Which iterations are folded into one column, and which are not.
 */
import { foldIterations } from './iterations';

const always = (): boolean => true;
const names = (folds: ReturnType<typeof foldIterations>): string[] => folds.map(fold => fold.name);

/** populate, then dirty_k and get_log_k for k = 1..n, then disable_log. */
const phases = (n: number): string[] => [
  'populate',
  ...Array.from({ length: n }, (_, k) => [`dirty_${k + 1}`, `get_log_${k + 1}`]).flat(),
  'disable_log',
];

describe('folding iterations', () => {
  it('leaves two equal iterations as they are', () => {
    expect(names(foldIterations(phases(2), always))).toEqual(phases(2));
  });

  it('folds 20 equal iterations into one column per phase of them', () => {
    const folds = foldIterations(phases(20), always);
    expect(names(folds)).toEqual(['populate', 'dirty_1..20', 'get_log_1..20', 'disable_log']);
    expect(folds[1]).toEqual({ name: 'dirty_1..20', first: 'dirty_1', count: 20 });
  });

  it('keeps apart the iteration that differs in one of its phases', () => {
    const areEqual = (a: string, b: string): boolean => (a === 'get_log_1') === (b === 'get_log_1') && (a === 'get_log_6') === (b === 'get_log_6');
    expect(names(foldIterations(phases(9), areEqual))).toEqual([
      'populate',
      ...['dirty_1', 'get_log_1'],
      ...['dirty_2..5', 'get_log_2..5'],
      ...['dirty_6', 'get_log_6'],
      ...['dirty_7..9', 'get_log_7..9'],
      'disable_log',
    ]);
  });

  it('does not fold iterations that consist of other phases', () => {
    const odd = ['dirty_1', 'dirty_2', 'get_log_2', 'dirty_3'];
    expect(names(foldIterations(odd, always))).toEqual(odd);
  });

  it('does not take the rounds of access_rounds for iterations', () => {
    const rounds = ['noop', '1_w', '2_x', '3_r', '4_w'];
    expect(names(foldIterations(rounds, always))).toEqual(rounds);
  });
});
