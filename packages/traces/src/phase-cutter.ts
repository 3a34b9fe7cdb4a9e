/**
 * Where the phases of a test lie in its trace: at the ioctls of its main thread, and at the vCPUs' runs.
 *
 * A test first sets its VM up; then its vCPUs run (KVM_RUN) stage by stage, and between the stages the main thread switches dirty logging on, reads and clears the bitmap, and switches logging off. A
 * memslot's flags are what KVM_SET_USER_MEMORY_REGION sets once vCPUs have run.
 */
import { Kind } from './trace-event';
import type { TraceEvent } from './trace-event';

const IOCTL = { Run: 0xae80, SetRegion: 0x4020ae46, SetRegion2: 0x40a0ae49, GetLog: 0x4010ae42, ClearLog: 0xc018aec0 } as const;

/** Tests whose phases can be told apart. */
export const CUT_TESTS: readonly string[] = ['dirty_log_perf_test', 'kvm_page_table_test', 'demand_paging_test'];

/** The phase that begins with an event, or undefined when none does. */
export class PhaseCutter {
  /** The phase that events belong to now; empty before the first vCPU runs. */
  phase = '';
  private iteration = 0;
  private ranSince = true;
  private readonly runs = new Map<number, number>();
  private readonly inside = new Map<number, number>();
  private stages = 0;
  private toggled = 0;
  /** Memslots whose logging was switched on, and off. */
  private switchedOn = 0;
  private switchedOff = 0;

  constructor(private readonly test: string) {}

  take({ kind, value, tid }: TraceEvent): void {
    if (kind === Kind.Ioctl) {
      this.inside.set(tid, value);
      this.enter(value, tid);
    } else if (kind === Kind.IoctlReturn) {
      const ended = this.inside.get(tid);
      this.inside.delete(tid);
      if (ended !== undefined) this.leave(ended);
    }
  }

  private enter(cmd: number, tid: number): void {
    if (cmd === IOCTL.Run) this.run(tid);
    else if (this.phase === '') return;
    else if (cmd === IOCTL.SetRegion || cmd === IOCTL.SetRegion2) this.setRegion();
    else if (cmd === IOCTL.GetLog) {
      if (this.ranSince) this.iteration++;
      this.ranSince = false;
      this.phase = `get_log_${this.iteration}`;
    } else if (cmd === IOCTL.ClearLog) this.phase = `clear_log_${this.iteration}`;
  }

  /** What follows a call of the main thread. */
  private leave(cmd: number): void {
    if (this.phase === '' || cmd === IOCTL.Run) return;
    if (cmd === IOCTL.GetLog || cmd === IOCTL.ClearLog) this.phase = `dirty_${this.iteration + 1}`;
    else if (cmd === IOCTL.SetRegion || cmd === IOCTL.SetRegion2) this.phase = this.afterToggle();
  }

  /** A vCPU enters the guest anew: each time is a stage of the test, of which the first one counts that begins it. */
  private run(tid: number): void {
    this.ranSince = true;
    const run = (this.runs.get(tid) ?? 0) + 1;
    this.runs.set(tid, run);
    if (run <= this.stages) return;
    this.stages = run;
    if (this.test === 'dirty_log_perf_test') {
      if (this.phase === '') this.phase = 'populate';
    } else if (this.test === 'demand_paging_test') {
      if (this.phase === '') this.phase = 'guest_execution';
    } else {
      this.phase = ['before_mappings', 'create_mappings', 'update_mappings', 'adjust_mappings'][run - 1] ?? this.phase;
    }
  }

  private setRegion(): void {
    if (this.test === 'demand_paging_test') this.phase = 'destroy_vm';
    else if (this.test === 'kvm_page_table_test') this.phase = this.toggled === 0 ? 'enable_log' : this.toggled === 1 ? 'disable_log' : 'destroy_vm';
    else if (this.iteration === 0) {
      this.switchedOn++;
      this.phase = 'enable_log';
    } else this.phase = this.switchedOff++ < this.switchedOn ? 'disable_log' : 'destroy_vm';
  }

  private afterToggle(): string {
    this.toggled++;
    if (this.test === 'kvm_page_table_test') return this.toggled === 1 ? 'update_mappings' : this.toggled === 2 ? 'adjust_mappings' : 'destroy_vm';
    if (this.test === 'demand_paging_test') return 'destroy_vm';
    return this.iteration === 0 ? 'dirty_1' : 'destroy_vm';
  }
}
