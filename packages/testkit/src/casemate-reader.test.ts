/**
 * The trace language, record by record: what the reader takes, and what it refuses with line and reason.
 */
import { checkCasemateTrace } from './casemate-checker';
import { readCasemateTrace } from './casemate-reader';

describe('the reader', () => {
  const good = '(mem-write (id 7) (tid 1) (mem-order release) (address 0x1000) (value 7ff) (src "map:3"))';

  it('reads numbers in hexadecimal with and without 0x, ids and threads in decimal', () => {
    expect(readCasemateTrace(`${good}\n`)).toEqual([
      { kind: 'mem-write', line: 1, tid: 1, src: 'map:3', release: true, address: 0x1000, value: 0x7ffn },
    ]);
  });

  it.each([
    '(sysreg-write (id 0) (tid 0) (sysreg tcr_el2) (value 10) (src "a:1"))',
    '(sysreg-write (id 0) (tid 0) (sysreg ttbr0_el2) (value 23f000) (src "a:1"))',
    '(sysreg-write (id 0) (tid 0) (sysreg mair_el2) (value 0) (src "a:1"))',
    '(sysreg-write (id 0) (tid 0) (sysreg sctlr_el2) (value 0) (src "a:1"))',
    '(mem-read (id 0) (tid 0) (address 1000) (value DEAD003) (src "a:1"))',
    '(mem-set (id 0) (tid 0) (address 1000) (size 1000) (value ff) (src "a:1"))',
    '(trylock (id 0) (tid 0) (address 0xffff800012345678) (src "a:1"))',
    '(hint (id 0) (tid 0) (kind set_pte_thread_owner) (location 1008) (value 2) (src "a:1"))',
    '(tlbi (id 0) (tid 0) vale2is (value 300000000000) (src "a:1"))',
    '(tlbi (id 0) (tid 0) alle2 (src "a:1"))',
  ])('knows every record of the language: %s', line => {
    expect(readCasemateTrace(`${line}\n`)).toHaveLength(1);
  });

  it('ends where the tool that wrote the trace found a fault', () => {
    expect(readCasemateTrace(`${good}\n! BBM valid->valid\n`)).toHaveLength(1);
  });

  it.each([
    ['an entry', good.replace('0x1000', '0x1004'), 'line 1: address 0x1004: expected a multiple of 8 below 2^52'],
    ['an entry beyond memory', good.replace('0x1000', '0x10000000000000'), 'address 0x10000000000000: expected a multiple of 8 below 2^52'],
    ['a page', '(mem-init (id 0) (tid 0) (address 0x800) (size 0x1000) (src "a:1"))', 'address 0x800: expected a multiple of 4096'],
    ['the size of pages', '(mem-free (id 0) (tid 0) (address 0x1000) (size 0x1008) (src "a:1"))', 'size 0x1008: expected a multiple of 4096'],
    ['a hint’s place', '(hint (id 0) (tid 0) (kind set_root_lock) (location 0x1001) (value 0x8) (src "a:1"))', 'address 0x1001'],
  ])('names the line and what was expected of %s that lies elsewhere', (_what, line, problem) => {
    expect(() => readCasemateTrace(line)).toThrow('CASEMATE_ADDRESS:');
    expect(() => checkCasemateTrace(line)).toThrow(problem);
  });

  it.each([
    ['fields in another order', '(mem-write (id 0) (tid 0) (address 0x0) (mem-order plain) (value 0x0) (src "a:1"))'],
    ['an id in hexadecimal', good.replace('(id 7)', '(id 0x7)')],
    ['a fifth thread', good.replace('(tid 1)', '(tid 4)')],
    ['a place without colon', good.replace('map:3', 'map')],
    ['no place', good.replace(' (src "map:3")', '')],
    ['an unknown record', good.replace('mem-write', 'mem-put')],
    ['a name that objects have', good.replace('mem-write', 'constructor')],
    ['an unknown order', good.replace('release', 'acquire')],
    ['a barrier that there is not', '(barrier (id 0) (tid 0) dsb (kind sy) (src "a:1"))'],
    ['an invalidation of a range', '(tlbi (id 0) (tid 0) ripas2e1is (value 0x0) (src "a:1"))'],
    ['an id that does not count up', `${good}\n${good}`],
    ['an empty line', `${good}\n\n`],
  ])('refuses %s', (_what, text) => {
    expect(() => readCasemateTrace(text)).toThrow('CASEMATE_SYNTAX:');
  });
});
