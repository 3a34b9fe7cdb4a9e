import type { GuestMode, Machine } from '@mmulab/api';
import { codeOf } from './fixtures/code-of';
import { INTEL, arm64, guestOf } from './fixtures/plan-of';
import type { Generation } from './generation';
import { resolveGuestMode } from './guest-mode';

const resolve = (mode: string, generation: Generation, machine: Machine): GuestMode =>
  resolveGuestMode('t', mode, generation, { machine, guest: () => guestOf(machine) });
const name = (mode: string, generation: Generation, machine = arm64()): string => resolve(mode, generation, machine).name;

describe('guest modes', () => {
  it('are numbered per generation: P40V48_4K is 4 in 5.12, 5 in 6.1 and 6.2, 6 from 6.8 on', () => {
    expect([name('4', '5.12'), name('5', '6.1'), name('5', '6.2'), name('6', '6.8'), name('6', '6.12')]).toEqual(Array(5).fill('P40V48_4K'));
    expect(['2', '3'].map(mode => [name(mode, '5.12'), name(mode, '6.2'), name(mode, '6.8')])).toEqual([
      ['P48V48_4K', 'P48V48_4K', 'P52V48_64K'],
      ['P48V48_64K', 'P48V48_16K', 'P48V48_4K'],
    ]);
  });

  it('have names that mean the same in every generation', () => {
    expect(name('P52V48_16K', '5.12', arm64(16384))).toBe('P52V48_16K');
  });

  it('may have smaller pages than the host: a quarter of a frame', () => {
    expect(resolve('P40V48_4K', '6.1', arm64(16384))).toMatchObject({ pageSizeBytes: 4096, pageFrames: 0.25 });
  });

  it('are the 40-bit mode with the host page size on arm64, PXXV48_4K elsewhere', () => {
    expect([name('', '6.1'), name('', '6.1', arm64(65536)), name('', '6.1', INTEL)]).toEqual(['P40V48_4K', 'P40V48_64K', 'PXXV48_4K']);
  });

  it('have the address bits of the name, or of the machine', () => {
    expect(resolve('P36V47_16K', '6.12', arm64())).toEqual({
      name: 'P36V47_16K',
      physBits: 36,
      virtBits: 47,
      pageSizeBytes: 16384,
      pageFrames: 4,
      levels: 4,
    });
    expect(resolve('8', '6.1', INTEL).physBits).toBe(46);
    expect(resolve('9', '6.12', INTEL).physBits).toBe(46);
  });

  it.each([
    ['99', 'WORKLOAD_UNKNOWN_MODE'],
    ['P41V48_4K', 'WORKLOAD_UNKNOWN_MODE'],
    ['8', 'WORKLOAD_MODE_NOT_SUPPORTED'], // x86's, on arm64
    ['9', 'WORKLOAD_MODE_NOT_SUPPORTED'], // s390's
  ])('%s on arm64: %s', (mode, code) => {
    expect(codeOf(() => name(mode, '6.1'))).toBe(code);
  });

  it('say which mode a number means where the machine has no such mode', () => {
    expect(() => name('5', '6.1', INTEL)).toThrow('5 (P40V48_4K in the tests of 6.1): not a mode of x86 (default: PXXV48_4K)');
  });
});
