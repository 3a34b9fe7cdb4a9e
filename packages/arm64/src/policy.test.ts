import { compareReleases, parseRelease } from '@mmulab/api';
import { stage2Definition } from './definition';
import { checkOptions, readPolicy } from './policy';
import { stage2HostOptions, stage2Options, stage2Profiles } from './profiles';
import { Lab } from './fixtures/lab';

const defaults = Object.fromEntries(stage2Options.map(option => [option.name, option.default]));
const hostDefaults = Object.fromEntries(stage2HostOptions.map(option => [option.name, option.default]));
const withCode = (code: string): Error => expect.objectContaining({ code, errorClass: 'usage' }) as Error;

describe('options of arm64-stage2', () => {
  it('chunks of eager splitting are page or block sizes of the granule', () => {
    const check = (chunk: number, granule: string): void => checkOptions({ ...defaults, eager_split_chunk: chunk }, { ...hostDefaults, granule });
    for (const chunk of [0, 4096, 2 ** 21, 2 ** 30]) expect(() => check(chunk, '4K')).not.toThrow();
    for (const chunk of [1, 8192, 2 ** 25, 2 ** 39]) expect(() => check(chunk, '4K')).toThrow(withCode('EAGER_SPLIT_CHUNK'));
    for (const chunk of [2 ** 14, 2 ** 25]) expect(() => check(chunk, '16K')).not.toThrow();
    expect(() => check(2 ** 21, '16K')).toThrow(/expected 0, 16K, 32M/);
    expect(() => check(2 ** 29, '64K')).not.toThrow();
    expect(() => check(2 ** 30, '64K')).toThrow(withCode('EAGER_SPLIT_CHUNK'));
  });

  it('only kernels that split eagerly take a chunk', () => {
    for (const { name, values } of stage2Profiles) {
      const check = (): void => checkOptions({ ...defaults, ...values, eager_split_chunk: 2 ** 21 }, hostDefaults);
      if (compareReleases(parseRelease(name) ?? [0, 0, 0], [6, 5, 0]) >= 0) expect(check).not.toThrow();
      else expect(check).toThrow(withCode('EAGER_SPLIT_CHUNK'));
    }
  });

  it('combinations no kernel could have are refused', () => {
    for (const options of [{ cmo: 'abort' }, { map_eagain: 'N' }, { mmu_lock: 'rwlock' }]) {
      expect(() => checkOptions({ ...defaults, ...options }, hostDefaults)).toThrow(withCode('OPTION_COMBINATION'));
    }
    expect(() => checkOptions(defaults, { ...hostDefaults, ipa_limit: 41 })).toThrow(withCode('HOST_IPA_LIMIT'));
  });

  it('every profile is accepted as it is', () => {
    for (const { values } of stage2Profiles) expect(() => stage2Definition.check({ ...defaults, ...values }, hostDefaults)).not.toThrow();
  });

  it('features are those of the CPU unless said otherwise', () => {
    const features = (host: Readonly<Record<string, string>>): unknown => {
      const { fwb, dic, tlbiRange, hafdbs } = readPolicy(defaults, { ...hostDefaults, ...host });
      return [fwb, dic, tlbiRange, hafdbs];
    };
    expect(features({ cpu: 'neoverse-n1' })).toEqual([false, false, false, true]);
    expect(features({ cpu: 'max' })).toEqual([true, false, true, true]);
    expect(features({ cpu: 'cortex-a72', fwb: 'Y' })).toEqual([true, false, false, false]);
    expect(features({ cpu: 'neoverse-v1', dic: 'N', tlbi_range: 'N' })).toEqual([true, false, false, true]);
  });

  it('guest address widths end where granule, CPU and kernel say', () => {
    const make = (physBits: number, host = {}, kernel = '6.12.107'): Lab => new Lab({ physBits, host, kernel });
    expect(() => make(48)).not.toThrow();
    expect(() => make(52)).toThrow(withCode('HOST_IPA_BITS'));
    expect(() => make(52, { cpu: 'max' })).not.toThrow();
    expect(() => make(52, { cpu: 'max' }, '6.5')).toThrow(/LPA2/);
    expect(() => make(48, { cpu: 'cortex-a72' })).toThrow(/limit of cortex-a72/);
    expect(() => make(36, { ipa_limit: 32 })).toThrow(withCode('HOST_IPA_BITS'));
  });
});

describe('a VM on arm64-stage2', () => {
  it('refuses slots that overlap or end beyond guest memory, operations on slots it does not have, registers of x86', () => {
    const lab = new Lab({ npages: 512 });
    const [spec] = [{ id: 2, baseGfn: 2 ** 20 + 1, npages: 4, hvf: 2 ** 31, backing: lab.backing, readonly: false, populated: [] }];
    expect(() => lab.mmu.host({ op: 'create_memslot', spec })).toThrow(withCode('VM_BAD_SLOT'));
    expect(() => lab.mmu.host({ op: 'create_memslot', spec: { ...spec, baseGfn: 2 ** 28 } })).toThrow(withCode('VM_BAD_SLOT'));
    expect(() => lab.mmu.host({ op: 'get_dirty_log', slot: 7 })).toThrow(withCode('VM_UNKNOWN_SLOT'));
    expect(() => lab.mmu.control(0, { register: 'cr0', bit: 'wp', value: 1 })).toThrow(withCode('GUEST_REGISTER'));
    expect(() => lab.mmu.touch(0, 5, 0)).toThrow(withCode('GUEST_UNMAPPED'));
  });
});
