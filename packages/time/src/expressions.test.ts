import { PLAIN, TIME, Vocabulary, plainName, readQuantity } from './expressions';

const words = (): Vocabulary =>
  new Vocabulary(
    new Map([
      ['faults', PLAIN],
      [plainName('fast_page_fault.fixed'), PLAIN],
      ['t_exit', TIME],
    ]),
  );

describe('expressions', () => {
  it('evaluate 3 faults less 1 fixed at 2 us to 4 us', () => {
    const expression = words().compile('(faults - fast_page_fault.fixed) * t_exit', 'here', TIME);
    const scope = new Map([
      ['faults', 3],
      ['fast_page_fault__fixed', 1],
      ['t_exit', 2e-6],
    ]);
    expect(expression.evaluate(scope)).toBeCloseTo(4e-6, 12);
    expect([...expression.needs]).toEqual(['faults', 'fast_page_fault__fixed', 't_exit']);
  });

  it('know 0.3 us as 3e-7 seconds, 2 as plain, and no kilograms', () => {
    expect(readQuantity('0.3 us')).toEqual({ value: expect.closeTo(3e-7, 15) as number, dimension: TIME });
    expect(readQuantity(2)).toEqual({ value: 2, dimension: PLAIN });
    expect(readQuantity('3 kg')).toBeUndefined();
    expect(readQuantity(Number.NaN)).toBeUndefined();
  });

  it('refuse wrong units in either branch of a condition, with the place', () => {
    expect(() => words().compile('faults > 2 ? t_exit : faults', 'm.yaml: let.x')).toThrow(
      'MODEL_UNIT: m.yaml: let.x: faults > 2 ? t_exit : faults: a time beside a plain number; expected the same unit on both sides',
    );
    expect(() => words().compile('faults', 'm.yaml: delays.x', TIME)).toThrow('MODEL_UNIT');
    expect(() => words().compile('faults ^ t_exit', 'x')).toThrow('MODEL_UNIT');
  });

  it('name the nearest counter for an unknown one, and refuse what mathjs knows and models do not', () => {
    expect(() => words().compile('fast_page_fault.fixd * t_exit', 'x')).toThrow('(did you mean fast_page_fault.fixed?)');
    expect(() => words().compile('faults * pi', 'x')).toThrow('MODEL_UNKNOWN_NAME');
    expect(() => words().compile('import(faults)', 'x')).toThrow('MODEL_EXPRESSION');
    expect(() => words().compile('faults *', 'x')).toThrow('MODEL_EXPRESSION');
  });

  it('refuse a circle of named expressions and name it', () => {
    const vocabulary = words();
    vocabulary.define('a', 'b + 1', 'm.yaml: let.a');
    vocabulary.define('b', 'a * 2', 'm.yaml: let.b');
    expect(() => vocabulary.order()).toThrow('MODEL_CYCLE: m.yaml: let.a: a -> b -> a');
  });
});
