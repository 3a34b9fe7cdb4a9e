/**
 * The selftests' random numbers, and what becomes of a random run.
 *
 * The 6.12 tests draw for every page whether to write it, at 0 and 100 % too, and the state runs on from pass to pass. Runs whose outcome
 * does not depend on the draws become plain runs, with the state skipped ahead; the others are walked access by access. Hot path.
 *
 * Models: Linux tools/testing/selftests/kvm/lib/test_util.c, guest_random_u32(), and lib/memstress.c, memstress_guest_code(), of 6.12. The state
 * starts at the vCPU's index, so that of vCPU 0 stays 0 (measured, records/README.md).
 */
import { AccessKind, type AccessRun, type MmuBackend, type RandomRun } from '@mmulab/api';
import { BatchedAccesses } from './batched-accesses';
import { nextDraw, skipDraws } from './draws';
import { touchInOrder, type GuestWork } from './guest-work';
import type { PageSet } from './page-set';

const PERCENT = 100;
/** Regions of so many frames have tables that a processor's cache does not hold (16 GiB): accesses out of the blue to smaller ones gain nothing by going together. */
const MIN_BATCHED_FRAMES = 2 ** 22;

/** The generators of all vCPUs of a run. */
export class Generators {
  /** State by vCPU. */
  readonly states: Float64Array;

  constructor(vcpus: number) {
    this.states = Float64Array.from({ length: vcpus }, (_, vcpu) => vcpu);
  }

  /** Performs a random run for a vCPU whose memory is its own. @param work told of what was drawn */
  run(backend: MmuBackend, vcpu: number, run: RandomRun, work?: GuestWork): void {
    const lifted = this.lift(vcpu, run);
    if (!run.randomOrder && work !== undefined) touchInOrder(work.pagesOf(vcpu), run);
    if (lifted !== undefined) backend.run(vcpu, lifted);
    const { count } = lifted ?? run;
    const writes = lifted !== undefined ? (lifted.kind === AccessKind.Write ? count : 0) : this.touch(backend, vcpu, run, work);
    work?.drawn(vcpu, count - writes, writes);
  }

  /** @returns how many accesses are writes */
  private touch(backend: MmuBackend, vcpu: number, run: RandomRun, work: GuestWork | undefined): number {
    return run.randomOrder ? this.touchRandomly(backend, vcpu, run, work?.pagesOf(vcpu)) : this.touchInOrder(backend, vcpu, run);
  }

  /**
   * The plain run that a random one comes to, or undefined when there is none. Draws what the random run would draw.
   * That is so for pages in order that are all written, all read, or, with a state that stays 0, all treated alike.
   */
  lift(vcpu: number, { vfn, count, pageFrames = 1, randomOrder, writePercent }: RandomRun): AccessRun | undefined {
    const state = this.states[vcpu] ?? 0;
    if (randomOrder || !(writePercent >= PERCENT || writePercent <= 0 || state === 0)) return undefined;
    this.states[vcpu] = skipDraws(state, count);
    const run = { vfn, kind: writePercent > 0 ? AccessKind.Write : AccessKind.Read, writeEvery: 0 };
    return pageFrames < 1 ? { ...run, count: Math.ceil(count * pageFrames), stride: 1 } : { ...run, count, stride: pageFrames };
  }

  private touchInOrder(backend: MmuBackend, vcpu: number, { vfn, count, pageFrames = 1, writePercent }: RandomRun): number {
    let state = this.states[vcpu] ?? 0;
    let writes = 0;
    for (let i = 0; i < count; i++) {
      state = nextDraw(state);
      const isWrite = state % PERCENT < writePercent;
      if (isWrite) writes++;
      backend.touch(vcpu, vfn + Math.floor(i * pageFrames), isWrite ? AccessKind.Write : AccessKind.Read);
    }
    this.states[vcpu] = state;
    return writes;
  }

  /** @param pages takes the pages that were touched */
  private touchRandomly(backend: MmuBackend, vcpu: number, run: RandomRun, pages: PageSet | undefined): number {
    const { vfn, count, pageFrames = 1, writePercent } = run;
    const marks = pages?.region(vfn, count, pageFrames);
    const accesses = count * pageFrames < MIN_BATCHED_FRAMES ? undefined : new BatchedAccesses(backend);
    let state = this.states[vcpu] ?? 0;
    let writes = 0;
    for (let i = 0; i < count; i++) {
      state = nextDraw(state);
      const page = state % count;
      if (marks !== undefined) marks[page] = 1;
      state = nextDraw(state);
      const isWrite = state % PERCENT < writePercent;
      if (isWrite) writes++;
      const kind = isWrite ? AccessKind.Write : AccessKind.Read;
      if (accesses === undefined) backend.touch(vcpu, vfn + Math.floor(page * pageFrames), kind);
      else accesses.add(vcpu, vfn + Math.floor(page * pageFrames), kind);
    }
    accesses?.flush();
    this.states[vcpu] = state;
    return writes;
  }
}
