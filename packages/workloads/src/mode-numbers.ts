/**
 * Numbers of the guest modes, per generation of the tests: one enumeration for all architectures.
 *
 * Models: Linux 5.10, 6.1 and 6.12, tools/testing/selftests/kvm/include, enum vm_guest_mode.
 */
import type { Generation } from './generation';

const MODES_OF_5_12 = ['P52V48_4K', 'P52V48_64K', 'P48V48_4K', 'P48V48_64K', 'P40V48_4K', 'P40V48_64K', 'PXXV48_4K'];
const MODES_OF_6_1 = [
  'P52V48_4K',
  'P52V48_64K',
  'P48V48_4K',
  'P48V48_16K',
  'P48V48_64K',
  'P40V48_4K',
  'P40V48_16K',
  'P40V48_64K',
  'PXXV48_4K',
  'P47V64_4K',
  'P44V64_4K',
  'P36V48_4K',
  'P36V48_16K',
  'P36V48_64K',
  'P36V47_16K',
];
const MODES_OF_6_8 = [
  'P52V48_4K',
  'P52V48_16K',
  'P52V48_64K',
  'P48V48_4K',
  'P48V48_16K',
  'P48V48_64K',
  'P40V48_4K',
  'P40V48_16K',
  'P40V48_64K',
  'PXXV48_4K',
  'P47V64_4K',
  'P44V64_4K',
  'P36V48_4K',
  'P36V48_16K',
  'P36V48_64K',
  'P36V47_16K',
];

/** Names by number, per generation. */
export const MODE_NUMBERS: Readonly<Record<Generation, readonly string[]>> = {
  '5.12': MODES_OF_5_12,
  '6.1': MODES_OF_6_1,
  '6.2': MODES_OF_6_1,
  '6.8': MODES_OF_6_8,
  '6.12': MODES_OF_6_8,
};

/** Every mode there is a number for. */
export const ALL_MODES: readonly string[] = MODES_OF_6_8;
