/**
 * Descriptors of VMSAv8-64: stage 2, and the guest's own stage 1 (Arm ARM, D8.3).
 *
 * Models: Arm Architecture Reference Manual for A-profile, D8.3 Translation table descriptor formats.
 */
import { address, field, flag, type DescriptorFormat, type Field } from './field';

const valid = flag(0, 'Valid', 'valid', 'invalid: a translation fault');
const type: Field = {
  high: 1,
  low: 1,
  name: 'Descriptor type',
  says: (value, level) => (level === 1 ? (value === 1n ? 'page' : 'reserved') : value === 1n ? 'table' : 'block'),
};
const shareability = field(9, 8, 'SH[1:0]', value => ['non-shareable', 'reserved', 'outer shareable', 'inner shareable'][Number(value)] ?? '');
const accessFlag = flag(10, 'AF', 'accessed', 'not accessed since it was cleared: an access flag fault');
const MEMORY: Readonly<Record<string, string>> = { 1: 'Device-nGnRE', 6: 'Normal write-back, forced (FWB)', 15: 'Normal, write-back cacheable' };
const RIGHTS = ['no access', 'read only', 'write only', 'read and write'];
const EXECUTE = ['executable', 'not at EL1', 'not executable', 'not at EL0'];

export const vmsaStage2: DescriptorFormat = {
  name: 'Stage 2 descriptor',
  manual: 'Arm ARM D8.3, VMSAv8-64 stage 2',
  leaf: [
    valid,
    type,
    field(5, 2, 'MemAttr[3:0]', value => MEMORY[String(value)] ?? 'other memory type'),
    field(7, 6, 'S2AP[1:0]', value => RIGHTS[Number(value)] ?? ''),
    shareability,
    accessFlag,
    flag(11, 'FnXS', 'XS attribute forced off', 'XS attribute of stage 1'),
    address(50, 12, 'Output address', 'host address'),
    flag(51, 'DBM', 'the hardware sets S2AP[1] on a write', 'dirty state is software’s'),
    flag(52, 'Contiguous', 'one of a contiguous set', 'stands alone'),
    field(54, 53, 'XN[1:0]', value => EXECUTE[Number(value)] ?? ''),
    field(58, 55, 'ignored: software', () => 'KVM keeps nothing here', true),
    field(62, 59, 'PBHA', () => 'implementation defined'),
  ],
  table: [valid, type, address(50, 12, 'Next-level table address', 'not simulated:')],
  absent: 'Valid is clear: a translation fault. With bit 10 set, a walker of KVM has locked the entry.',
};

export const vmsaStage1: DescriptorFormat = {
  name: 'Stage 1 descriptor of the guest',
  manual: 'Arm ARM D8.3, VMSAv8-64 stage 1',
  leaf: [
    valid,
    type,
    field(4, 2, 'AttrIndx[2:0]', value => `attribute ${value} of MAIR_EL1`),
    flag(5, 'NS', 'non-secure', 'as the security state has it'),
    flag(6, 'AP[1]', 'EL0 may access it', 'EL1 only'),
    flag(7, 'AP[2]', 'read-only', 'writes are allowed'),
    shareability,
    accessFlag,
    flag(11, 'nG', 'of this ASID only', 'global'),
    address(50, 12, 'Output address', 'guest address'),
    flag(51, 'DBM', 'the hardware clears AP[2] on a write', 'dirty state is software’s'),
    flag(52, 'Contiguous', 'one of a contiguous set', 'stands alone'),
    flag(53, 'PXN', 'not executable at EL1', 'executable at EL1'),
    flag(54, 'UXN', 'not executable at EL0', 'executable at EL0'),
  ],
  table: [valid, type, address(50, 12, 'Next-level table address', 'guest address')],
  absent: 'Valid is clear: a translation fault in the guest.',
};
