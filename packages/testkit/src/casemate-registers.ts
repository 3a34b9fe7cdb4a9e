/**
 * What the registers of each thread say of translation: where the tables of a stage begin, at which level, and whether it is on.
 *
 * A stage is on unless its control register has been written without its enable bit (HCR_EL2.VM, SCTLR_EL2.M). Start tables are 4 KiB ones: one covers 40 to 48 bits of
 * address from level 0 and 31 to 39 from level 1; narrower second stages start with several tables in a row, which nobody follows.
 *
 * Models: Arm ARM D19.2 HCR_EL2, SCTLR_EL2, TCR_EL2, TTBR0_EL2, VTCR_EL2, VTTBR_EL2.
 */
import type { TreeStage } from './casemate-forest';
import { BrokenRule, CasemateRule, hex } from './casemate-rules';

/** A tree as a base register names it. */
export interface TreeBase {
  readonly root: number;
  /** VMID of a second stage, ASID of the hypervisor's own. */
  readonly id: number;
}

const REGISTERS = {
  1: { base: 'ttbr0_el2', size: 'tcr_el2', control: 'sctlr_el2' },
  2: { base: 'vttbr_el2', size: 'vtcr_el2', control: 'hcr_el2' },
} as const;
const ON = 1n;
/** Bit 0 of a base register says whether CPUs may share TLB entries. */
const BASE_BITS = ((1n << 48n) - 1n) & ~1n;
const PAGE = 0x1000;
const T0SZ_BITS = 63n;
const GRANULE_SHIFT = 14n;
const DEFAULT_SIZE = 16n;

/** Registers of all threads. */
export class TranslationRegisters {
  private readonly values = new Map<string, bigint>();

  /** @returns the stage whose tree may be another one now */
  write(tid: number, register: string, value: bigint): TreeStage | undefined {
    this.values.set(`${tid} ${register}`, value);
    if (register === REGISTERS[1].base || register === REGISTERS[1].control) return 1;
    return register === REGISTERS[2].base || register === REGISTERS[2].control ? 2 : undefined;
  }

  /** The tree that a thread translates with. @throws BrokenRule StartTable */
  tree(tid: number, stage: TreeStage): TreeBase | undefined {
    const { base, control } = REGISTERS[stage];
    const value = this.read(tid, base);
    if (value === undefined || ((this.read(tid, control) ?? ON) & ON) === 0n) return undefined;
    const root = Number(value & BASE_BITS);
    if (root % PAGE !== 0) throw new BrokenRule(CasemateRule.StartTable, `${base} ${hex(value)}: a start table that begins within a page`);
    return { root, id: Number(value >> 48n) };
  }

  /** The level its start table is of. @throws BrokenRule StartTable */
  startLevel(tid: number, stage: TreeStage): number {
    const register = REGISTERS[stage].size;
    const value = this.read(tid, register) ?? DEFAULT_SIZE;
    const t0sz = Number(value & T0SZ_BITS);
    if (((value >> GRANULE_SHIFT) & 3n) !== 0n)
      throw new BrokenRule(CasemateRule.StartTable, `${register} ${hex(value)}: a granule of other than 4 KiB`);
    if (stage === 2) return secondStageLevel(t0sz);
    if (t0sz < 16 || t0sz > 42) throw new BrokenRule(CasemateRule.StartTable, `T0SZ ${t0sz}: expected 16 to 42`);
    return Math.floor((t0sz - 16) / 9);
  }

  private read(tid: number, register: string): bigint | undefined {
    return this.values.get(`${tid} ${register}`);
  }
}

/** One start table covers 44 to 48 bits at level 0 and 35 to 39 at level 1; up to 16 in a row cover what lies between. */
function secondStageLevel(t0sz: number): number {
  if (t0sz >= 16 && t0sz <= 20) return 0;
  if (t0sz >= 25 && t0sz <= 29) return 1;
  throw new BrokenRule(CasemateRule.StartTable, `T0SZ ${t0sz}: concatenated start tables`);
}
