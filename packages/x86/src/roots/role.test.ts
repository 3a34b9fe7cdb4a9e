import { optionsOf, hostOf } from '../fixtures/root-vm';
import { readPolicy } from '../policy';
import { Cr0, Cr4, Efer, GuestCpu } from './guest-state';
import { Role, childRole, cpuRole, cpuRoleExt, nestedRootRole, roleLevel, rootRole, type RolePolicy } from './role';
import { readRootPolicy } from './root-policy';

function policyOf(kernel: string, npt: 'Y' | 'N'): RolePolicy {
  const options = optionsOf(kernel, { npt });
  return readRootPolicy(options, hostOf(), readPolicy(options, hostOf()));
}

function guest(levels = 4): GuestCpu {
  return new GuestCpu({ wp: true, smep: false, smap: false, efernx: true, pge: false, pcide: false }, levels, true);
}

/** What each bit's change does to cpu_role and to root_role: the table of the reference, row by row. */
const CHANGES: readonly (readonly [
  string,
  (cpu: GuestCpu) => void,
  { cpu: boolean; tdpNew: boolean; tdpOld: boolean; shadowNew: boolean; shadowOld: boolean },
])[] = [
  ['CR0.WP', cpu => (cpu.cr0 ^= Cr0.Wp), { cpu: true, tdpNew: false, tdpOld: true, shadowNew: true, shadowOld: true }],
  ['EFER.NX', cpu => (cpu.efer ^= Efer.Nx), { cpu: true, tdpNew: false, tdpOld: true, shadowNew: false, shadowOld: true }],
  ['CR0.PG', cpu => cpu.setCr0(cpu.cr0 ^ Cr0.Pg), { cpu: true, tdpNew: false, tdpOld: true, shadowNew: true, shadowOld: true }],
  ['CR4.SMEP with WP=1', cpu => (cpu.cr4 ^= Cr4.Smep), { cpu: true, tdpNew: false, tdpOld: false, shadowNew: false, shadowOld: false }],
  ['CR4.SMAP with WP=1', cpu => (cpu.cr4 ^= Cr4.Smap), { cpu: true, tdpNew: false, tdpOld: false, shadowNew: false, shadowOld: false }],
  ['CR4.PSE', cpu => (cpu.cr4 ^= Cr4.Pse), { cpu: true, tdpNew: false, tdpOld: false, shadowNew: false, shadowOld: false }],
  ['CR4.PKE', cpu => (cpu.cr4 ^= Cr4.Pke), { cpu: true, tdpNew: false, tdpOld: false, shadowNew: false, shadowOld: false }],
  ['CR4.PGE', cpu => (cpu.cr4 ^= Cr4.Pge), { cpu: false, tdpNew: false, tdpOld: false, shadowNew: false, shadowOld: false }],
  ['CR4.PCIDE', cpu => (cpu.cr4 ^= Cr4.Pcide), { cpu: false, tdpNew: false, tdpOld: false, shadowNew: false, shadowOld: false }],
  ['SMM', cpu => (cpu.smm = true), { cpu: true, tdpNew: true, tdpOld: true, shadowNew: true, shadowOld: true }],
  ['guest mode', cpu => (cpu.guestMode = true), { cpu: true, tdpNew: true, tdpOld: true, shadowNew: true, shadowOld: true }],
];

describe('roles', () => {
  it.each(CHANGES)('%s changes them as the reference says', (_bit, change, expected) => {
    const changes = (of: (cpu: GuestCpu) => unknown): boolean => {
      const cpu = guest();
      const before = of(cpu);
      change(cpu);
      return of(cpu) !== before;
    };
    const root = (kernel: string, npt: 'Y' | 'N'): boolean => changes(cpu => rootRole(cpu, policyOf(kernel, npt)));
    expect({
      cpu: changes(cpu => `${cpuRole(cpu)}/${cpuRoleExt(cpu)}`),
      tdpNew: root('6.1', 'Y'),
      tdpOld: root('5.17', 'Y'),
      shadowNew: root('6.1', 'N'),
      shadowOld: root('5.17', 'N'),
    }).toEqual(expected);
  });

  it('SMEP and SMAP enter the shadow role while WP is 0', () => {
    const cpu = guest();
    cpu.cr0 &= ~Cr0.Wp;
    const before = rootRole(cpu, policyOf('6.1', 'N'));
    cpu.cr4 |= Cr4.Smep | Cr4.Smap;
    expect(rootRole(cpu, policyOf('6.1', 'N')) ^ before).toBe(Role.SmepAndnotWp | Role.SmapAndnotWp);
  });

  it('WP enters the TDP role without paging in 5.10 alone', () => {
    const differs = (kernel: string): boolean => {
      const cpu = guest();
      cpu.setCr0(cpu.cr0 & ~Cr0.Pg);
      const before = rootRole(cpu, policyOf(kernel, 'Y'));
      cpu.cr0 ^= Cr0.Wp;
      return rootRole(cpu, policyOf(kernel, 'Y')) !== before;
    };
    expect([differs('5.10.262'), differs('5.17'), differs('6.1')]).toEqual([true, false, false]);
  });

  it.each([
    [2, 3, true],
    [3, 3, false],
    [4, 4, false],
    [5, 5, false],
  ])('a guest of %i levels is shadowed by %i; 4-byte entries: %s', (levels, shadowed, fourByte) => {
    const role = rootRole(guest(levels), policyOf('6.1', 'N'));
    expect([roleLevel(role), (role & Role.Has4ByteGpte) !== 0]).toEqual([shadowed, fourByte]);
  });

  it('a four-level NPT12 is passed through on a five-level host', () => {
    const policy = { ...policyOf('6.1', 'Y'), tdpLevels: 5 };
    expect(nestedRootRole(guest(), policy, 4, false) & Role.Passthrough).toBe(Role.Passthrough);
    expect(nestedRootRole(guest(), policy, 5, false) & Role.Passthrough).toBe(0);
  });

  it('children take level, rights and quadrant, and keep what the root says', () => {
    const parent = rootRole(guest(2), policyOf('6.1', 'N'));
    const child = childRole(parent, 5, false, 3);
    expect(roleLevel(child)).toBe(2);
    expect((child >> Role.QuadrantShift) & 3).toBe(1);
    expect(child & Role.Cr0Wp).toBe(Role.Cr0Wp);
  });
});
