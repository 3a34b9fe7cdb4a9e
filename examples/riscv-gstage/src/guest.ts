/**
 * RISC-V guests of the selftests: their modes, and where their library puts things. Which pages of an image a program touches was not measured; they lie in memslot 0
 * and are counted there.
 *
 * Models: Linux 7.2 tools/testing/selftests/kvm/lib/riscv/processor.c, include/kvm_util.h enum vm_guest_mode.
 */
import type { GuestDefinition, Machine } from '@mmulab/api';

const PHYSICAL = [56, 50, 41];
const VIRTUAL = [57, 48, 39];
/** The mode of the tests up to 6.12. */
const OLD_MODE = 'P40V48_4K';

/** The guest for the plugin. */
export const guest: GuestDefinition = {
  arch: 'riscv',
  doc: 'RISC-V guests of the selftests, in pages of 4 KiB under Sv39, Sv48 or Sv57.',
  modes: [...PHYSICAL.flatMap(bits => VIRTUAL.map(virtual => `P${bits}V${virtual}_4K`)), OLD_MODE],
  defaultMode: ({ physBits }: Machine) => `P${physBits}V${VIRTUAL[PHYSICAL.indexOf(physBits)]}_4K`,
  levels: ({ virtBits }) => Math.floor((virtBits - 12) / 9),
  stackFirst: 0xac0,
  rootPages: 2,
  systemFirst: 2,
  systemPages: 0,
  accessed: true,
  syncsByStore: false,
  image: {
    segments: [{ first: 0x10, last: 0xb8 }],
    entryCode: 0x10,
    syncCode: 0x1c,
    globals: [0xaa],
    syncGlobals: [0xb2],
    arguments: [0xab, 0xac, 0xad, 0xae, 0xaf, 0xb0],
  },
};
