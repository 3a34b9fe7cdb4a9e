import { parseJson } from './json';

describe('parsing JSON', () => {
  it('gives the value', () => {
    expect(parseJson(' {"a": [1, null]} ')).toEqual({ value: { a: [1, null] } });
  });

  it.each<[string, number, number]>([
    ['', 1, 1],
    ['{\n "a": oops }', 2, 7],
    ['{\n "a": 1,\n', 3, 1],
    ['{\n "a": "open', 2, 12],
    ['[1,\n2,\n]', 3, 1],
    ['{ a: 1 }', 1, 3],
    ['[1] 2', 1, 5],
    [`[${'1,\n'.repeat(1000)}x]`, 1001, 1],
    ['nope', 1, 2],
  ])('%j is wrong at line %i, column %i', (text, line, column) => {
    expect(parseJson(text)).toMatchObject({ line, column });
  });

  it('says what is wrong, without the text around it', () => {
    expect(parseJson('{ "a": oops }')).toEqual({ line: 1, column: 8, problem: "Unexpected token 'o'" });
  });

  it.each<[string, number, number, string]>([
    ['{"a": 1, "b": 2,\n "a": 3}', 2, 2, 'a'],
    ['[{"a": {"x": [1, 2], "\\u0078": 2}}]', 1, 22, 'x'],
    ['{"a\\\\": 1, "a\\\\": 2}', 1, 12, 'a\\'],
  ])('%j gives a key twice at line %i, column %i', (text, line, column, key) => {
    expect(parseJson(text)).toEqual({ line, column, problem: `the key ${key} is given twice` });
  });

  it.each(['{"a": {"a": 1}, "b": {"a": 1}}', '[{"a": 1}, {"a": "a"}, ["a", "a"]]', '{"a": "b,", "b,": ":"}'])('%j gives none twice', text => {
    expect(parseJson(text)).toEqual({ value: JSON.parse(text) as unknown });
  });

  it('takes nesting of any depth', () => {
    expect(parseJson(`${'{"a":['.repeat(100_000)}${']}'.repeat(100_000)}`)).toHaveProperty('value');
  });
});
