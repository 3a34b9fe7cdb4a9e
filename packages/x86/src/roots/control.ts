/**
 * What a guest's write to a control register does to roles and roots, register by register.
 *
 * First the question whether the guest exits at all; then whether the hardware takes the value (if not: #GP, and nothing changes); then roles, roots and
 * requests; last the vCPU enters again, which serves the requests. fixtures/decision-table.ts states the outcomes as a table.
 *
 * Models: Linux arch/x86/kvm/x86.c kvm_post_set_cr0(), kvm_post_set_cr4(), set_efer(), kvm_set_cr3(), kvm_invalidate_pcid(), kvm_handle_invpcid(),
 * kvm_smm_changed(); svm/svm.c and vmx/vmx.c intercepts; svm/nested.c, vmx/nested.c transitions. Hot path.
 */
import type { ControlWrite, Counters } from '@mmulab/api';
import { badNestedTransition } from '../errors';
import { Ev } from '../events';
import { cr4Debts, cr4Owes } from './cr4-debts';
import type { Cr4Debts } from './cr4-debts';
import { Cr0, Cr4, Efer } from './guest-state';
import type { GuestCpu } from './guest-state';
import { CR0_ROLE_BITS, cr4RoleBits, eferRoleBits } from './role';
import type { RootPolicy } from './root-policy';
import { Request } from './vcpu-roots';
import type { VcpuRoots } from './vcpu-roots';

/** What register writes need of the VM. */
export interface ControlledVm {
  /** Address spaces of the VM. */
  readonly spaces: number;
  /** Whether L1 has second-stage tables of its own. */
  readonly hasNested: boolean;
  /** The vCPU left the guest. */
  exited(vcpu: number): void;
}

/** PCID of a top-table value: its low twelve bits. */
function pcidOfPgd(pgd: number): number {
  return pgd % 4096;
}

/** Register writes of one VM's vCPUs. */
export class ControlRegisters {
  private readonly cr4Role: number;
  private readonly eferRole: number;
  private readonly cr4Debts: Cr4Debts;

  constructor(
    private readonly cpus: readonly GuestCpu[],
    private readonly roots: VcpuRoots,
    private readonly policy: RootPolicy,
    private readonly counters: Counters,
    private readonly vm: ControlledVm,
  ) {
    this.cr4Role = cr4RoleBits(policy.resetOnPge);
    this.eferRole = eferRoleBits(policy.lmeInRole);
    this.cr4Debts = cr4Debts(policy);
  }

  /** One write. The caller lets the vCPU enter again. */
  write(vcpu: number, write: ControlWrite): void {
    const cpu = this.cpus[vcpu];
    switch (write.register) {
      case 'cr0':
        return this.cr0(vcpu, cpu, cpu.cr0After(write));
      case 'cr4':
        return this.cr4(vcpu, cpu, cpu.cr4After(write));
      case 'efer':
        return this.efer(vcpu, cpu, cpu.eferAfter(write));
      case 'cr3':
        return this.cr3(vcpu, cpu, write);
      case 'invlpg':
        if (this.policy.tdp) return;
        this.exits(vcpu, 1);
        return this.roots.invlpg(vcpu, write.vfn, () => true);
      case 'invpcid':
        return this.invpcid(vcpu, cpu, write);
      case 'invept':
        return this.invept(vcpu, cpu);
      case 'smm':
        return this.smm(vcpu, cpu, write.value === 1);
      case 'nested':
        return write.value === 'vmrun' ? this.enterNested(vcpu, cpu) : this.leaveNested(vcpu, cpu);
    }
  }

  private cr0(vcpu: number, cpu: GuestCpu, next: number): void {
    if (next < 0) return this.refuse(vcpu);
    const old = cpu.cr0;
    const changed = old ^ next;
    this.exits(vcpu, this.cr0Exits(cpu, changed));
    cpu.setCr0(next);
    // Left to the guest: the next walk in software refreshes what it needs.
    if (this.policy.wpGuestOwned && changed === Cr0.Wp) {
      this.roots.init(vcpu);
      return;
    }
    if (changed === Cr0.Wp) {
      if (this.policy.wpIgnoredWithoutPg && !cpu.paging) return;
      if (this.policy.wpShortcut && this.policy.tdp) {
        this.roots.init(vcpu);
        return;
      }
    }
    if ((changed & CR0_ROLE_BITS) === 0) return;
    if ((changed & old & Cr0.Pg) !== 0) this.pagingOff(vcpu);
    this.roots.resetContext(vcpu);
  }

  /** Paging goes off: what was cached for it must not survive. */
  private pagingOff(vcpu: number): void {
    if (this.policy.explicitFlush) this.roots.request(vcpu, Request.FlushGuest);
    // The series as posted keeps roots over resets, so here it drops them itself.
    else if (this.policy.lookup) this.roots.unload(vcpu);
  }

  private cr4(vcpu: number, cpu: GuestCpu, next: number): void {
    if (next < 0) return this.refuse(vcpu);
    const changed = cpu.cr4 ^ next;
    cpu.cr4 = next;
    // Left to the guest with EPT: nobody sees the change.
    if (this.policy.vmx && this.policy.tdp && changed === Cr4.Pge) return;
    // On SVM a read-modify-write under shadow paging exits for its read, too.
    this.exits(vcpu, this.policy.tdp || this.policy.vmx ? 1 : 2);
    // SVM flushes the ASID inside set_cr4 when PGE changes under nested paging.
    if ((changed & Cr4.Pge) !== 0 && this.policy.tdp && !this.policy.vmx) this.count(Ev.tlbFlushHw);
    const isReset = (changed & this.cr4Role) !== 0 || (this.policy.resetOnPge && (changed & ~next & Cr4.Pcide) !== 0);
    if (isReset) this.roots.resetContext(vcpu);
    if (this.policy.explicitFlush && !this.policy.tdp && (changed & next & Cr4.Pcide) !== 0) this.roots.unload(vcpu);
    this.roots.request(vcpu, cr4Owes(this.cr4Debts, changed, next, isReset));
  }

  private efer(vcpu: number, cpu: GuestCpu, next: number): void {
    if (next < 0) return this.refuse(vcpu);
    const changed = cpu.efer ^ next;
    this.exits(vcpu, 2);
    cpu.efer = next;
    if ((changed & this.eferRole & (Efer.Nx | Efer.Lme)) !== 0) this.roots.resetContext(vcpu);
  }

  private cr3(vcpu: number, cpu: GuestCpu, write: Extract<ControlWrite, { register: 'cr3' }>): void {
    if (!cpu.acceptsCr3(write, this.vm.spaces)) return this.refuse(vcpu);
    const pcid = cpu.pcidOf(write.pcid);
    const same = write.space === cpu.space && pcid === cpu.pcid;
    cpu.space = write.space;
    cpu.pcid = pcid;
    if (this.policy.tdp || this.roots.isNested(vcpu)) return;
    this.exits(vcpu, 1);
    // Without paging nothing is walked from CR3.
    if (!cpu.paging) return;
    if (cpu.levels === 3 && !same) this.roots.freeCurrent(vcpu);
    const hit = same || this.roots.newPgd(vcpu) === 'hit';
    if (write.noFlush !== true) this.flushContext(vcpu, cpu, pcid, hit);
  }

  /** The guest flushes a PCID: the active one's tables are synchronised and flushed, previous roots of it are dropped. */
  private flushContext(vcpu: number, cpu: GuestCpu, pcid: number, hasRoot: boolean): void {
    if (pcid === cpu.pcid && (hasRoot || this.policy.cr3FlushAlways)) this.roots.request(vcpu, Request.Sync | Request.FlushCurrent);
    if ((cpu.cr4 & Cr4.Pcide) !== 0) this.roots.freePrevious(vcpu, pgd => pcidOfPgd(pgd) === pcid);
  }

  private invpcid(vcpu: number, cpu: GuestCpu, write: Extract<ControlWrite, { register: 'invpcid' }>): void {
    if (!cpu.acceptsInvpcid(write)) return this.refuse(vcpu);
    if (this.policy.tdp) return;
    this.exits(vcpu, 1);
    const pcid = write.pcid ?? 0;
    if (write.type === 'address') return this.roots.invlpg(vcpu, write.vfn ?? 0, pgd => pcidOfPgd(pgd) === pcid);
    if (write.type === 'context') return this.flushContext(vcpu, cpu, pcid, true);
    this.roots.request(vcpu, this.policy.resetOnPge ? Request.Reload : Request.FlushGuest);
  }

  /** Both kinds alike: L1 has one set of tables for its guests. The roots go, and are found again, in line with the tables, when L2 is entered next. */
  private invept(vcpu: number, cpu: GuestCpu): void {
    if (!this.policy.vmx || !this.vm.hasNested || cpu.guestMode)
      throw badNestedTransition('invept', 'only L1 executes it, on VMX, with tables for a nested guest');
    this.exits(vcpu, 1);
    this.roots.freeNested(vcpu);
  }

  private smm(vcpu: number, cpu: GuestCpu, on: boolean): void {
    if (cpu.smm === on) return;
    this.exits(vcpu, 1);
    cpu.smm = on;
    this.roots.resetContext(vcpu);
  }

  private enterNested(vcpu: number, cpu: GuestCpu): void {
    if (cpu.guestMode) throw badNestedTransition('vmrun', 'the vCPU runs its nested guest already');
    if (!this.vm.hasNested) throw badNestedTransition('vmrun', 'the workload gives L1 no second-stage tables (vm.nested)');
    if (!this.policy.tdp) throw badNestedTransition('vmrun', 'L1 has no nested paging while L0 runs it on shadow paging (npt=N)');
    this.switchGuest(vcpu, cpu, true);
  }

  private leaveNested(vcpu: number, cpu: GuestCpu): void {
    if (!cpu.guestMode) throw badNestedTransition('vmexit', 'the vCPU does not run a nested guest');
    this.switchGuest(vcpu, cpu, false);
  }

  /** Into or out of L2: requests for the old MMU first, then the other one's VMCS and roles, then its top table. */
  private switchGuest(vcpu: number, cpu: GuestCpu, guestMode: boolean): void {
    this.exits(vcpu, 1);
    if (this.policy.vmx) {
      this.roots.serveLocalFlushes(vcpu);
      this.roots.loadNestedVmcs(vcpu);
    }
    cpu.guestMode = guestMode;
    this.roots.init(vcpu);
    this.roots.newPgd(vcpu);
    // L1 of the selftests gives L2 no VPID on VMX; SVM's L0 has one ASID for both.
    this.roots.request(vcpu, this.policy.vmx ? Request.FlushGuest : Request.Sync | Request.FlushCurrent);
  }

  /** Exits of a read-modify-write of CR0. VMX leaves TS (and WP where it may) to the guest and never exits for a read. */
  private cr0Exits(cpu: GuestCpu, changed: number): number {
    if (this.policy.vmx) return (changed & ~(this.policy.wpGuestOwned ? Cr0.Ts | Cr0.Wp : Cr0.Ts)) === 0 ? 0 : 1;
    // While the guest's CR0 differs from the real one (WP without nested paging, CD), reads exit, and all writes do.
    const differs = (cpu.cr0 & Cr0.Cd) !== 0 || (!this.policy.tdp && !cpu.wp);
    if (differs) return 2;
    return (changed & ~Cr0.Ts) === 0 ? 0 : 1;
  }

  private refuse(vcpu: number): void {
    this.exits(vcpu, 1);
    this.count(Ev.injectGp);
  }

  private exits(vcpu: number, times: number): void {
    if (times === 0) return;
    const now = this.counters.now;
    now[Ev.exit] = now[Ev.exit] + times;
    this.vm.exited(vcpu);
  }

  private count(index: number): void {
    const now = this.counters.now;
    now[index] = now[index] + 1;
  }
}
