/**
 * What both x86 backends show an onlooker of: roles in words, the roots a vCPU holds, entries that point to tables.
 *
 * Models: Linux arch/x86/kvm/mmu/spte.c make_nonleaf_spte().
 */
import type { HeldRoot, TableName } from '@mmulab/api';
import { Access, Role, roleAccess, roleLevel } from './roots/role';
import { INVALID_ROOT, type RootCache } from './roots/root-cache';
import type { VcpuRoots } from './roots/vcpu-roots';

const FLAGS: readonly (readonly [number, string])[] = [
  [Role.Direct, 'direct'],
  [Role.Has4ByteGpte, '4-byte guest entries'],
  [Role.Cr0Wp, 'WP'],
  [Role.EferNx, 'NX'],
  [Role.SmepAndnotWp, 'SMEP without WP'],
  [Role.SmapAndnotWp, 'SMAP without WP'],
  [Role.AdDisabled, 'no A/D bits'],
  [Role.GuestMode, 'of the nested guest'],
  [Role.Passthrough, 'passthrough'],
  [Role.Smm, 'SMM'],
  [Role.Invalid, 'invalid'],
];

const RIGHTS: readonly (readonly [number, string])[] = [
  [Access.User, 'u'],
  [Access.Write, 'w'],
  [Access.Exec, 'x'],
];

/** R, W and X of EPT; P, W and U elsewhere; and bit 11, shadow-present. */
const ALL_RIGHTS = 7 | (1 << 11);

/** A role in words: `level 4, WP, NX, access uwx`. */
export function describeRole(role: number): string {
  const rights = RIGHTS.filter(([bit]) => (roleAccess(role) & bit) !== 0).map(([, name]) => name);
  const flags = FLAGS.filter(([bit]) => (role & bit) !== 0).map(([, name]) => name);
  return [`level ${roleLevel(role)}`, ...flags, `access ${rights.join('') || 'none'}`].join(', ');
}

/**
 * The roots a vCPU's MMUs hold, current ones first.
 * @param nameOf names a root of the MMU that runs L1, or of the nested guest's
 */
export function heldRoots(roots: VcpuRoots, vcpu: number, nameOf: (root: number, isNested: boolean) => TableName): readonly HeldRoot[] {
  const ofCache = (cache: RootCache, isNested: boolean): HeldRoot[] => {
    const held = (root: number, pgd: number, holder: string): HeldRoot[] =>
      root === INVALID_ROOT ? [] : [{ ...nameOf(root, isNested), holder: isNested ? `nested ${holder}` : holder, pgd: Math.floor(pgd / 4096) }];
    const previous = [...cache.previous].flatMap((root, i) => held(root, cache.previousPgd[i], `previous ${i + 1}`));
    return [...held(cache.current, cache.currentPgd, 'current'), ...previous];
  };
  return [...ofCache(roots.cache(vcpu, 'main'), false), ...ofCache(roots.cache(vcpu, 'nested'), true)];
}

/** An entry that points to a table, as the architecture writes it, its address apart: all rights, for leaves below to take away. */
export function tableWord(ept: boolean, adBits: boolean): string {
  const accessed = adBits ? 1 << (ept ? 8 : 5) : 0;
  const withoutAd = ept && !adBits ? 1n << 52n : 0n;
  return (BigInt(ALL_RIGHTS | accessed) | withoutAd).toString(16);
}
