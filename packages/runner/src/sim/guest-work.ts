/**
 * What the runner counts itself, for every backend that has the counters: accesses that guest programs make, by kind, and different pages; and flushes that were asked for while
 * vCPUs ran, with the vCPUs that interrupts.
 *
 * Programs are counted as they begin, without being gone through. Only where the kinds or pages of accesses at random differ from draw to draw does whoever draws tell of them.
 */
import {
  AccessKind,
  type AccessCounts,
  type AccessRun,
  type EventDef,
  type GuestTableWrites,
  type RandomRun,
  type VcpuProgram,
  type VcpuStep,
} from '@mmulab/api';
import { skipDraws, nextDraw } from './draws';
import { PageSet } from './page-set';

const PERCENT = 100;

/** Of one vCPU, in one phase. */
class VcpuWork {
  reads = 0;
  writes = 0;
  executes = 0;
  readonly pages = new PageSet();

  get accesses(): number {
    return this.reads + this.writes + this.executes;
  }

  run({ vfn, count, stride, kind, writeEvery }: AccessRun, times: number): void {
    const written = writeEvery === 0 ? 0 : Math.ceil(count / writeEvery);
    this.writes += written * times;
    const rest = (count - written) * times;
    if (kind === AccessKind.Write) this.writes += rest;
    else if (kind === AccessKind.Read) this.reads += rest;
    else this.executes += rest;
    this.pages.add(vfn, count, stride);
  }

  /** Each is a write; what is copied is read before. The pages are those of tables, and not among those touched. */
  tableWrites({ count, change }: GuestTableWrites, times: number): void {
    this.writes += count * times;
    if (change.kind === 'copy') this.reads += count * times;
  }
}

/** vCPUs with accesses in a phase, and what they came to together. */
export type GuestSum = AccessCounts & { readonly vcpus: number };

/** Counts the work of guest programs. */
export class GuestWork {
  /** By number of the vCPU, since the phase began. */
  private vcpus: (VcpuWork | undefined)[] = [];
  private readonly access: number;
  private readonly requests: number;
  private readonly running: number;
  private readonly ipi: number;

  constructor(events: readonly EventDef[]) {
    const indexOf = (name: string): number => events.findIndex(event => event.name === name);
    this.access = indexOf('guest_access.read');
    this.requests = indexOf('remote_tlb_flush_requests');
    this.running = indexOf('remote_tlb_flush.running');
    // Where vCPUs serve requests they are interrupted for them; elsewhere invalidations are broadcast.
    this.ipi = indexOf('tlb_flush') < 0 ? -1 : indexOf('remote_tlb_flush.ipi');
  }

  /**
   * Programs of vCPUs begin.
   * @param states of the vCPUs' generators, where nobody will tell of accesses at random; else they tell `drawn`
   */
  begin(programs: readonly VcpuProgram[], states?: Float64Array): void {
    programs.forEach((program, vcpu) => {
      const draws = states === undefined ? undefined : { state: states[vcpu] ?? 0 };
      this.steps(this.of(vcpu), program, { times: 1, shift: 0 }, draws);
    });
  }

  /** A vCPU made accesses at random. */
  drawn(vcpu: number, reads: number, writes: number): void {
    const work = this.of(vcpu);
    work.reads += reads;
    work.writes += writes;
  }

  /** Different pages of a vCPU, for whoever touches them at random. */
  pagesOf(vcpu: number): PageSet {
    return this.of(vcpu).pages;
  }

  private sum(): GuestSum {
    const ran = this.vcpus.flatMap(work => (work === undefined || work.accesses === 0 ? [] : [work]));
    const of = (kind: 'reads' | 'writes' | 'executes'): number => ran.reduce((sum, work) => sum + work[kind], 0);
    return { vcpus: ran.length, reads: of('reads'), writes: of('writes'), executes: of('executes') };
  }

  /** The phase ends: what was counted joins what backends counted. */
  endPhase(all: Float64Array, vcpus: readonly Float64Array[]): GuestSum {
    const sum = this.sum();
    const others = this.vcpus.filter(work => work !== undefined).length - 1;
    this.vcpus.forEach((work, vcpu) => {
      const vector = vcpus[vcpu];
      if (work === undefined || vector === undefined) return;
      const requests = vector[this.requests] ?? 0;
      const add = (index: number, amount: number): void => {
        if (index < 0) return;
        vector[index] = (vector[index] ?? 0) + amount;
        all[index] = (all[index] ?? 0) + amount;
      };
      if (this.access >= 0) [work.reads, work.writes, work.executes, work.pages.size].forEach((amount, i) => add(this.access + i, amount));
      add(this.running, requests);
      add(this.ipi, requests * others);
    });
    this.vcpus = [];
    return sum;
  }

  private of(vcpu: number): VcpuWork {
    return (this.vcpus[vcpu] ??= new VcpuWork());
  }

  private steps(work: VcpuWork, steps: readonly VcpuStep[], loop: Loop, draws: Draws | undefined): void {
    for (const step of steps) {
      if (step.op === 'repeat') this.repeat(work, step, loop, draws);
      else if (step.op === 'access') work.run({ ...step.run, vfn: step.run.vfn + loop.shift }, loop.times);
      else if (step.op === 'table') work.tableWrites(step.writes, loop.times);
      else if (step.op === 'random' && draws !== undefined) random(work, { ...step.run, vfn: step.run.vfn + loop.shift }, draws);
    }
  }

  /** Turns that touch the same are counted at once, but where each draws. */
  private repeat(work: VcpuWork, step: Extract<VcpuStep, { op: 'repeat' }>, { times, shift }: Loop, draws: Draws | undefined): void {
    const turns = (step.shift ?? 0) === 0 && (draws === undefined || !drawsAny(step.steps)) ? 1 : step.times;
    for (let i = 0; i < turns; i++) {
      const loop = { times: turns === 1 ? times * step.times : times, shift: shift + i * (step.shift ?? 0) };
      this.steps(work, step.steps, loop, draws);
    }
  }
}

interface Loop {
  readonly times: number;
  readonly shift: number;
}

interface Draws {
  state: number;
}

function drawsAny(steps: readonly VcpuStep[]): boolean {
  return steps.some(step => step.op === 'random' || (step.op === 'repeat' && drawsAny(step.steps)));
}

/** Accesses at random, drawn for the count alone. */
function random(work: VcpuWork, run: RandomRun, draws: Draws): void {
  const { vfn, count, pageFrames = 1, randomOrder, writePercent } = run;
  const isEven = writePercent >= PERCENT || writePercent <= 0 || draws.state === 0;
  let writes = writePercent > 0 && isEven ? count : 0;
  if (!randomOrder) touchInOrder(work.pages, run);
  if (!randomOrder && isEven) {
    draws.state = skipDraws(draws.state, count);
  } else {
    writes = 0;
    const marks = randomOrder ? work.pages.region(vfn, count, pageFrames) : undefined;
    for (let i = 0; i < count; i++) {
      if (marks !== undefined) {
        draws.state = nextDraw(draws.state);
        marks[draws.state % count] = 1;
      }
      draws.state = nextDraw(draws.state);
      if (draws.state % PERCENT < writePercent) writes++;
    }
  }
  work.writes += writes;
  work.reads += count - writes;
}

/** The pages of a region that is gone through in order. */
export function touchInOrder(pages: PageSet, { vfn, count, pageFrames = 1 }: RandomRun): void {
  if (pageFrames < 1) pages.add(vfn, Math.ceil(count * pageFrames), 1);
  else pages.add(vfn, count, pageFrames);
}
