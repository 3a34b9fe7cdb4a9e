import { codeOf } from './fixtures/code-of';
import { INTEL, arm64 } from './fixtures/plan-of';
import { resolveGuestMode, type Generation } from './guest-mode';

const name = (mode: string, generation: Generation, machine = arm64()): string => resolveGuestMode('t', mode, generation, machine).name;

describe('guest modes', () => {
  it('are numbered per generation: 5 in 6.1 and 6 in 6.12 is P40V48_4K', () => {
    expect([name('5', '6.1'), name('6', '6.12')]).toEqual(['P40V48_4K', 'P40V48_4K']);
  });

  it('are the 40-bit mode with the host page size on arm64, PXXV48_4K elsewhere', () => {
    expect([name('', '6.1'), name('', '6.1', arm64(65536)), name('', '6.1', INTEL)]).toEqual(['P40V48_4K', 'P40V48_64K', 'PXXV48_4K']);
  });

  it('have the address bits of the name, or of the machine', () => {
    expect(resolveGuestMode('t', 'P36V47_16K', '6.12', arm64())).toEqual({
      name: 'P36V47_16K',
      physBits: 36,
      virtBits: 47,
      pageSizeBytes: 16384,
      pageFrames: 4,
    });
    expect(resolveGuestMode('t', '8', '6.1', INTEL).physBits).toBe(46);
    expect(resolveGuestMode('t', '9', '6.12', INTEL).physBits).toBe(46);
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
    expect(() => name('P40V48_4K', '6.1', arm64(16384))).toThrow("the guest's pages are smaller than the host's, of 16 KiB");
  });
});
