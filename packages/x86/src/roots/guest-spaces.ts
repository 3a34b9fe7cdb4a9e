/**
 * A VM's vCPUs and address spaces as its MMUs meet them: registers at the start, top-table values, and the flat space of a guest without paging.
 */
import type { GuestRun, GuestTables, VmLayout } from '@mmulab/api';
import { GuestCpu } from './guest-state';
import type { RootPolicy } from './root-policy';

/** Registers of all vCPUs at the start. */
export function createCpus(vm: VmLayout, policy: RootPolicy): readonly GuestCpu[] {
  const levels = vm.spaces[0]?.levels ?? 4;
  return Array.from({ length: vm.vcpus }, () => new GuestCpu(vm.cpu, levels, policy.la57 || levels === 5));
}

/** Value of CR3 as a key of roots: frame of the top table, times 4096, plus the PCID. */
export function pgdOf(vm: VmLayout, cpu: GuestCpu): number {
  return (vm.spaces[cpu.space]?.root ?? 0) * 4096 + cpu.pcid;
}

/** The VM's address spaces, and after them the one of a guest without paging: every frame of a memslot maps to itself. */
export function guestSpaces(vm: VmLayout): readonly GuestTables[] {
  return [...vm.spaces, flatSpace(vm)];
}

/** Memslots that follow one another are one run: there may be 32,764 of them, most often next to each other. */
function flatSpace(vm: VmLayout): GuestTables {
  const stretches: { base: number; end: number }[] = [];
  for (const { baseGfn, npages } of [...vm.memslots].sort((a, b) => a.baseGfn - b.baseGfn)) {
    const last = stretches[stretches.length - 1];
    if (last?.end === baseGfn) last.end += npages;
    else stretches.push({ base: baseGfn, end: baseGfn + npages });
  }
  const rights = { writable: true, user: true, executable: true, accessed: true, dirty: true };
  const runs = stretches.map(({ base, end }): GuestRun => ({ vfn: base, gfn: base, npages: end - base, level: 1, ...rights }));
  return { name: 'flat', levels: 0, root: 0, runs, tables: [] };
}
