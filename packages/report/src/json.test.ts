/**
 * JSON in pieces: the text that `JSON.stringify` gives, also where that would be too long for any text.
 */
import fc from 'fast-check';
import { constants } from 'node:buffer';
import { jsonParts } from './json';

const textOf = (document: unknown): string => [...jsonParts(document)].join('');

describe('JSON in pieces', () => {
  it('is the text of JSON.stringify: 500 documents', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), document => {
        const plain = JSON.stringify(document, undefined, 2);
        expect(JSON.parse(textOf(document))).toEqual(JSON.parse(plain));
        // Characters that a terminal obeys are written otherwise.
        if (!/[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(plain)) expect(textOf(document)).toBe(plain);
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('leaves out what JSON leaves out', () => {
    const document = { a: undefined, b: [undefined, { c: undefined }], d: { e: { f: 1 } }, g: [], h: {}, i: [[]], j: [{}], k: null };
    expect(textOf(document)).toBe(JSON.stringify(document, undefined, 2));
  });

  it('takes a list of 100,000 numbers apart', () => {
    const list = Array.from({ length: 100_000 }, (_, i) => i);
    expect([...jsonParts(list)].every(part => part.length < 20)).toBe(true);
    expect(textOf({ list })).toBe(JSON.stringify({ list }, undefined, 2));
  });

  it('writes 600 MiB, which are no string in V8, a piece at a time', () => {
    const piece = { text: 'x'.repeat(2 ** 20) };
    let length = 0;
    for (const part of jsonParts(Array.from({ length: 600 }, () => piece))) length += part.length;
    expect(length).toBeGreaterThan(constants.MAX_STRING_LENGTH);
  });
});
