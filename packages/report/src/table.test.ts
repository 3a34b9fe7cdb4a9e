import fc from 'fast-check';
import { padRow, wrapRow, type ColumnPlace } from './table';

describe('a row of a table', () => {
  const place = fc.record({ width: fc.integer({ min: 1, max: 12 }), align: fc.constantFrom('left' as const, 'right' as const) });
  const text = fc.oneof(fc.stringMatching(/^[a-z ,.0-9─-]{0,8}$/), fc.constantFrom('', '  in front', 'long words break', 'über', '表'));
  const tone = fc.constantFrom(String, (some: string) => `\u001b[2m${some}\u001b[22m`);
  const column = fc.tuple(place, text, tone);

  it('is padded to what cli-table3 makes of it, where its cells are plain and fit: 300 rows', () => {
    let padded = 0;
    fc.assert(
      fc.property(fc.array(column, { minLength: 1, maxLength: 5 }), columns => {
        const places: readonly ColumnPlace[] = columns.map(([one]) => one);
        const cells = columns.map(([, one, paint]) => ({ text: one, painted: one === '' ? '' : paint(one) }));
        const row = padRow(cells, places);
        const isPlain = columns.every(([{ width }, one]) => one.length <= width && !/[ü表]| $/.test(one));
        expect(row === undefined).toBe(!isPlain);
        if (row === undefined) return;
        padded++;
        expect(row).toBe(wrapRow(cells, places));
      }),
      { numRuns: 300, seed: 5 },
    );
    expect(padded).toBeGreaterThan(50);
  });
});
