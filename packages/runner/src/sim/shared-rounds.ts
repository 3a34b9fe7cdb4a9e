/**
 * Shared accesses too many to be interleaved one by one: the same stretches of memory, gone through by every vCPU in the same order.
 *
 * The backend divides them into rounds, equal pieces of memory; within a round the vCPUs interleave as always, at its end they wait for each other. Where vCPUs share a lock
 * they go through memory as a convoy anyway, a page apart. Every round that is performed has randomness of its own; the backend may take what one did for what an equal one
 * on equal tables would do.
 */
import { AccessKind, type MmuBackend, type SharedPart, type SharedRounds, type VcpuProgram, type VcpuStep } from '@mmulab/api';
import { HOST_ACTOR, type RunCounters } from './counters';
import type { Interleaver } from './program-interleaver';

/** Accesses of all vCPUs together from which on a pass goes in rounds. */
const MIN_ACCESSES = 2 ** 19;

/** What a reader of the result should know. */
export const ROUNDS_NOTE =
  'Shared memory was gone through in rounds: vCPUs interleave within a stretch of memory and wait for each other at its end; of equal rounds some were performed and repeated.';

/** Number of the round behind all stretches of memory. */
const LAST_ROUND = Number.MAX_SAFE_INTEGER;

/** What one recording counted. */
interface Recording {
  readonly vectors: readonly Float64Array[];
  readonly indices: readonly Int32Array[];
  readonly amounts: readonly Float64Array[];
}

/** Steps that all vCPUs have in common, and what is left of their programs. */
export class SharedPass {
  private constructor(
    private readonly parts: readonly SharedPart[],
    private readonly after: readonly VcpuProgram[],
  ) {}

  /** Takes programs apart; undefined when they are short, or do not begin with the same runs of accesses in ascending order. */
  static of(programs: readonly VcpuProgram[]): SharedPass | undefined {
    const steps = programs[0]?.length ?? 0;
    const parts: SharedPart[] = [];
    let accesses = 0;
    let at = 0;
    for (; at < steps; at++) {
      const more = commonParts(programs.map(program => program[at]));
      if (more.length === 0 || !ascends(parts.at(-1), more)) break;
      for (const part of more) {
        accesses += part.count * programs.length;
        parts.push(part);
      }
    }
    if (accesses < MIN_ACCESSES) return undefined;
    return new SharedPass(
      parts,
      programs.map(program => program.slice(at)),
    );
  }

  /** Performs the rounds, then the rest of the programs. @param pass number of the pass within the run */
  perform(backend: MmuBackend, counters: RunCounters, scheduler: Interleaver, pass: number): void {
    scheduler.run(
      this.after.map(() => []),
      pass,
      true,
    );
    backend.runShared?.(new Rounds(this.parts, counters, scheduler, pass));
    scheduler.runRound(this.after, pass, LAST_ROUND);
    this.after.forEach((_, vcpu) => backend.leave?.(vcpu));
  }
}

/** The stretches of one step, when it is the same for all vCPUs but for the kind of access; none otherwise. */
function commonParts(steps: readonly (VcpuStep | undefined)[]): readonly SharedPart[] {
  const [first] = steps;
  if (first?.op === 'access') {
    const part = commonRun(steps);
    return part === undefined ? [] : [part];
  }
  if (first?.op !== 'repeat') return [];
  const inner: SharedPart[] = [];
  for (let i = 0; i < first.steps.length; i++) {
    const part = commonRun(steps.map(step => (isLike(step, first) ? step.steps[i] : undefined)));
    if (part === undefined || !ascends(inner.at(-1), [part])) return [];
    inner.push(part);
  }
  const [begin] = inner;
  const last = inner.at(-1);
  const shift = first.shift ?? 0;
  if (begin === undefined || last === undefined || begin.vfn + shift <= lastOf(last)) return [];
  return Array.from({ length: first.times }, (_, n) => inner.map(part => ({ ...part, vfn: part.vfn + n * shift }))).flat();
}

type Repeat = Extract<VcpuStep, { op: 'repeat' }>;

function isLike(step: VcpuStep | undefined, other: Repeat): step is Repeat {
  return step?.op === 'repeat' && step.times === other.times && step.shift === other.shift && step.steps.length === other.steps.length;
}

function commonRun(steps: readonly (VcpuStep | undefined)[]): SharedPart | undefined {
  const kinds: AccessKind[] = [];
  let common: { readonly vfn: number; readonly count: number; readonly stride: number } | undefined;
  for (const step of steps) {
    if (step?.op !== 'access' || step.run.writeEvery > 1 || step.run.count === 0) return undefined;
    const { vfn, count, stride, kind, writeEvery } = step.run;
    if (common !== undefined && (common.vfn !== vfn || common.count !== count || common.stride !== stride)) return undefined;
    common = { vfn, count, stride };
    kinds.push(writeEvery === 1 ? AccessKind.Write : kind);
  }
  return common === undefined ? undefined : { ...common, kinds };
}

/** Whether stretches in ascending order go on behind another one. */
function ascends(last: SharedPart | undefined, more: readonly SharedPart[]): boolean {
  return last === undefined || (more[0]?.vfn ?? 0) > lastOf(last);
}

/** The rounds of one pass, as a backend sees them. */
class Rounds implements SharedRounds {
  private readonly recordings: Map<Float64Array, Float64Array>[] = [];
  /** First part that a round may begin in. */
  private hint = 0;

  constructor(
    readonly parts: readonly SharedPart[],
    private readonly counters: RunCounters,
    private readonly scheduler: Interleaver,
    private readonly pass: number,
  ) {}

  simulate(from: number, to: number): void {
    const steps = this.partsWithin(from, to);
    const vcpus = this.parts[0]?.kinds.length ?? 0;
    const programs = Array.from({ length: vcpus }, (_, vcpu): VcpuStep[] =>
      steps.map(({ vfn, count, stride, kinds }) => ({
        op: 'access',
        run: { vfn, count, stride, kind: kinds[vcpu] ?? AccessKind.Read, writeEvery: 0 },
      })),
    );
    if (steps.length > 0) this.scheduler.runRound(programs, this.pass, from);
    this.counters.select(HOST_ACTOR);
  }

  open(): void {
    this.recordings.push(new Map(this.counters.recorded().map(vector => [vector, Float64Array.from(vector)])));
  }

  close(): unknown {
    const before = this.recordings.pop();
    const vectors: Float64Array[] = [];
    const indices: Int32Array[] = [];
    const amounts: Float64Array[] = [];
    for (const vector of this.counters.recorded()) {
      const old = before?.get(vector);
      const changed: number[] = [];
      for (let i = 0; i < vector.length; i++) if (vector[i] !== (old?.[i] ?? 0)) changed.push(i);
      if (changed.length === 0) continue;
      vectors.push(vector);
      indices.push(Int32Array.from(changed));
      amounts.push(Float64Array.from(changed, i => vector[i] - (old?.[i] ?? 0)));
    }
    const recording: Recording = { vectors, indices, amounts };
    return vectors.length === 0 ? undefined : recording;
  }

  replay(recording: unknown): void {
    const { vectors, indices, amounts } = recording as Recording;
    for (let v = 0; v < vectors.length; v++) {
      const vector = vectors[v];
      const changed = indices[v];
      const by = amounts[v];
      for (let i = 0; i < changed.length; i++) vector[changed[i]] += by[i];
    }
  }

  /** What of the parts lies in frames [from, to). */
  private partsWithin(from: number, to: number): readonly SharedPart[] {
    const found: SharedPart[] = [];
    const { parts } = this;
    if (lastOf(parts[this.hint] ?? parts[0]) >= from && this.hint > 0 && lastOf(parts[this.hint - 1]) >= from) this.hint = 0;
    while (this.hint < parts.length - 1 && lastOf(parts[this.hint]) < from) this.hint++;
    for (let i = this.hint; i < parts.length && parts[i].vfn < to; i++) {
      const part = parts[i];
      const first = Math.max(0, Math.ceil((from - part.vfn) / part.stride));
      const end = Math.min(part.count, Math.ceil((to - part.vfn) / part.stride));
      if (first < end) found.push({ ...part, vfn: part.vfn + first * part.stride, count: end - first });
    }
    return found;
  }
}

/** Frame of the last access. */
function lastOf(part: SharedPart): number {
  return part.vfn + (part.count - 1) * part.stride;
}
