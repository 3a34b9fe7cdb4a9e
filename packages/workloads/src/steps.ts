/**
 * Short forms for the steps of a vCPU's program and of a phase.
 */
import { AccessKind, type AccessRun, type HostOp, type PhaseStep, type VcpuProgram, type VcpuStep, type Vfn, type WorkloadPhase } from '@mmulab/api';

/** A run of accesses; `stride` 1 and no writes in between unless given. */
export function accesses(vfn: Vfn, count: number, kind: AccessKind, { stride = 1, writeEvery = 0 }: Partial<AccessRun> = {}): VcpuStep {
  return { op: 'access', run: { vfn, count, stride, kind, writeEvery } };
}

/** One fetch, one write, one read. */
export const fetchPage = (vfn: Vfn): VcpuStep => accesses(vfn, 1, AccessKind.Exec);
export const writePage = (vfn: Vfn): VcpuStep => accesses(vfn, 1, AccessKind.Write);
export const readPage = (vfn: Vfn): VcpuStep => accesses(vfn, 1, AccessKind.Read);

/** All vCPUs run. @param shared whether they touch the same test memory */
export function guestStep(programs: readonly VcpuProgram[], shared: boolean): PhaseStep {
  return { kind: 'guest', programs, shared: shared && programs.length > 1 };
}

/** Host steps, one per operation. */
export function hostSteps(ops: readonly HostOp[]): PhaseStep[] {
  return ops.map(op => ({ kind: 'host', op }));
}

/** A phase; `label` is what the test prints for it. */
export function phase(name: string, steps: readonly PhaseStep[], label?: string): WorkloadPhase {
  return label === undefined ? { name, steps } : { name, steps, label };
}

/** The last phase of every workload. */
export function destroyVmPhase(): WorkloadPhase {
  return phase('destroy_vm', hostSteps([{ op: 'destroy_vm' }]));
}
