/**
 * Roles: how the guest walks its tables (cpu_role) and what KVM's own tables are keyed by (root_role).
 *
 * A role is a 32-bit word; the bits are the kernel's. Up to 5.18 one role served both purposes, so roots of two-dimensional paging were keyed by
 * the guest's CR0.WP and EFER.NX although their tables do not depend on them; from 5.19 on those two bits are constants there.
 *
 * Models: Linux arch/x86/kvm/mmu/mmu.c kvm_calc_cpu_role(), kvm_calc_tdp_mmu_root_page_role(), kvm_init_shadow_mmu(), kvm_calc_shadow_npt_root_page_role().
 */
import { Cr0, Cr4, Efer } from './guest-state';
import type { GuestCpu } from './guest-state';

/** Bits of a role word above the level (bits 0 to 3). */
export const Role = {
  Has4ByteGpte: 1 << 4,
  QuadrantShift: 5,
  Direct: 1 << 7,
  AccessShift: 8,
  Invalid: 1 << 11,
  EferNx: 1 << 12,
  Cr0Wp: 1 << 13,
  SmepAndnotWp: 1 << 14,
  SmapAndnotWp: 1 << 15,
  AdDisabled: 1 << 16,
  GuestMode: 1 << 17,
  Passthrough: 1 << 18,
  Smm: 1 << 24,
} as const;

/** Access rights as roles and shadowed translations keep them: three bits. */
export const Access = { Exec: 1, Write: 2, User: 4, All: 7 } as const;

/** Extended bits of a cpu_role: they choose handlers and permission tables, and key nothing. */
const RoleExt = { Valid: 1, Pse: 4, Pke: 8, Smap: 16, Smep: 32, La57: 64, Lma: 128, Pg: 256, Pae: 512 } as const;

/** Level of a role. */
export function roleLevel(role: number): number {
  return role & 15;
}
/** Access bits of a role. */
export function roleAccess(role: number): number {
  return (role >> Role.AccessShift) & Access.All;
}
/** Whether pages of the role shadow no guest table. */
export function isDirect(role: number): boolean {
  return (role & Role.Direct) !== 0;
}
/** Whether each entry of a page of the role stands for an entry of a guest table. */
export function hasGptes(role: number): boolean {
  return (role & (Role.Direct | Role.Passthrough)) === 0;
}

/** What roles depend on beside the guest's registers. */
export interface RolePolicy {
  /** Two-dimensional paging (npt or ept). */
  readonly tdp: boolean;
  /** Levels of second-stage tables. */
  readonly tdpLevels: number;
  readonly adBits: boolean;
  /** Up to 5.18: roots of two-dimensional paging carry the guest's WP and NX, and the shadow MMU's carry its NX. */
  readonly guestBitsInRole: boolean;
  /** 5.10: WP and NX enter the role whether or not paging is on. */
  readonly roleIgnoresPg: boolean;
}

/** cpu_role.base. */
export function cpuRole(cpu: GuestCpu): number {
  const mode = (cpu.smm ? Role.Smm : 0) | (cpu.guestMode ? Role.GuestMode : 0);
  const base = (Access.All << Role.AccessShift) | mode;
  if (!cpu.paging) return base | Role.Direct;
  let role = base | cpu.levels;
  if ((cpu.efer & Efer.Nx) !== 0) role |= Role.EferNx;
  if ((cpu.cr4 & Cr4.Pae) === 0) role |= Role.Has4ByteGpte;
  return role | wpBits(cpu);
}

/** cpu_role.ext. */
export function cpuRoleExt(cpu: GuestCpu): number {
  const always = RoleExt.Valid | ((cpu.cr0 & Cr0.Pg) !== 0 ? RoleExt.Pg : 0) | ((cpu.cr4 & Cr4.Pae) !== 0 ? RoleExt.Pae : 0);
  if (!cpu.paging) return always;
  const { cr4 } = cpu;
  const long = (cpu.efer & Efer.Lma) !== 0;
  return (
    always |
    ((cr4 & Cr4.Pse) !== 0 ? RoleExt.Pse : 0) |
    ((cr4 & Cr4.Smep) !== 0 ? RoleExt.Smep : 0) |
    ((cr4 & Cr4.Smap) !== 0 ? RoleExt.Smap : 0) |
    (long ? RoleExt.Lma : 0) |
    (long && (cr4 & Cr4.Pke) !== 0 ? RoleExt.Pke : 0) |
    (long && (cr4 & Cr4.La57) !== 0 ? RoleExt.La57 : 0)
  );
}

/** root_role of the MMU that runs L1, and L2 where L1 does not nest page tables. */
export function rootRole(cpu: GuestCpu, policy: RolePolicy): number {
  return policy.tdp ? tdpRootRole(cpu, policy) : shadowRootRole(cpu, policy);
}

/** root_role of direct tables under two-dimensional paging. */
function tdpRootRole(cpu: GuestCpu, policy: RolePolicy): number {
  const mode = (cpu.smm ? Role.Smm : 0) | (cpu.guestMode ? Role.GuestMode : 0) | (policy.adBits ? 0 : Role.AdDisabled);
  const base = policy.tdpLevels | Role.Direct | (Access.All << Role.AccessShift) | mode;
  if (!policy.guestBitsInRole) return base | Role.Cr0Wp | Role.EferNx;
  if (!cpu.paging && !policy.roleIgnoresPg) return base;
  return base | (cpu.wp ? Role.Cr0Wp : 0) | ((cpu.efer & Efer.Nx) !== 0 ? Role.EferNx : 0);
}

/** root_role of shadow paging: tables of at least three levels; without paging direct ones of PAE form. */
function shadowRootRole(cpu: GuestCpu, policy: RolePolicy): number {
  let role = cpuRole(cpu);
  if (!cpu.paging && policy.roleIgnoresPg) role |= wpBits(cpu) | ((cpu.efer & Efer.Nx) !== 0 ? Role.EferNx : 0);
  role = (role & ~15) | Math.max(3, role & 15);
  // 32-bit tables are shadowed by PAE ones; the guest-entry size stays in the key.
  return policy.guestBitsInRole ? role : role | Role.EferNx;
}

/**
 * root_role of the shadow of L1's own second-stage tables.
 * @param nestedLevels levels of L1's tables
 * @param ept L1's tables are EPT: the shadow has their depth; with NPT it has the host's
 */
export function nestedRootRole(cpu: GuestCpu, policy: RolePolicy, nestedLevels: number, ept: boolean): number {
  const level = ept ? nestedLevels : policy.tdpLevels;
  const base = level | (Access.All << Role.AccessShift) | Role.GuestMode | (cpu.smm ? Role.Smm : 0) | (policy.adBits ? 0 : Role.AdDisabled);
  const passthrough = !ept && nestedLevels < policy.tdpLevels ? Role.Passthrough : 0;
  return base | Role.Cr0Wp | Role.EferNx | passthrough;
}

/** Role of the table below entry `index` of a table of role `parent`. */
export function childRole(parent: number, index: number, direct: boolean, access: number): number {
  const cleared = parent & ~(15 | Role.Direct | (Access.All << Role.AccessShift) | Role.Passthrough | Role.Invalid | (3 << Role.QuadrantShift));
  const quadrant = (parent & Role.Has4ByteGpte) !== 0 ? (index & 1) << Role.QuadrantShift : 0;
  return cleared | (roleLevel(parent) - 1) | (direct ? Role.Direct : 0) | (access << Role.AccessShift) | quadrant;
}

/** Bits of CR0 whose change resets the MMU context. */
export const CR0_ROLE_BITS = Cr0.Pg | Cr0.Wp;

/** Bits of CR4 whose change resets the MMU context. @param resetOnPge 5.10: PGE is one of them, LA57 is not */
export function cr4RoleBits(resetOnPge: boolean): number {
  const all = Cr4.Pse | Cr4.Pae | Cr4.Smep | Cr4.Smap | Cr4.Pke;
  return all | (resetOnPge ? Cr4.Pge : Cr4.La57);
}

/** Bits of EFER whose change resets the MMU context. @param withLme from 5.18 on, and in the posted series */
export function eferRoleBits(withLme: boolean): number {
  return Efer.Nx | (withLme ? Efer.Lme : 0);
}

function wpBits(cpu: GuestCpu): number {
  if (cpu.wp) return Role.Cr0Wp;
  return ((cpu.cr4 & Cr4.Smep) !== 0 ? Role.SmepAndnotWp : 0) | ((cpu.cr4 & Cr4.Smap) !== 0 ? Role.SmapAndnotWp : 0);
}
