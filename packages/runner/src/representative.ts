/**
 * One vCPU for all: a run whose vCPUs do the same to memory of their own, counted from a few small runs of the same VM.
 *
 * In the small runs vCPUs touch of their long runs the first page of every 2 MiB block alone. Whatever vCPUs have in common is then there, and counted as in the whole run: the
 * guest's tables and second-stage tables with their faults, roots, slot 0, what starting costs, words of a bitmap at the border of two vCPUs' memory. What all other pages
 * of one vCPU add, to its own counters, to the host's, to those of a memslot, is found by a run in which that vCPU touches them all, and beside it its neighbours alone their first
 * ones. The first and the last
 * vCPU are asked themselves, their neighbours for all between; it holds if these two agree to the last counter and nobody else notices, else the run is performed as
 * it is.
 */
import {
  AccessKind,
  type AccessRun,
  type EventDef,
  type PhaseStep,
  type RandomRun,
  type VcpuProgram,
  type VcpuStep,
  type WorkloadPlan,
} from '@mmulab/api';
import type { PhaseCounts } from './sim/counters';

/** Pages of a block of which one is touched. */
const BLOCK = 512;
/** Shorter runs are made by every vCPU. */
const MIN_PAGES = 2 * BLOCK;
/** With fewer vCPUs there is nothing to save. */
const MIN_VCPUS = 4;
const PERCENT = 100;
/** More phases than this are not gone through beforehand. */
const MOST_PHASES = 100_000;

/** What a reader of the result should know. */
export function representedNote(vcpus: number): string {
  return `Counted from one vCPU for all ${vcpus}, which do the same to memory of their own; what they share was counted as it is.`;
}

/** The small runs of a plan. */
export interface Representation {
  /** @param whole vCPUs that touch all their pages; @param quiet those that touch none of their long runs */
  plan(whole: readonly number[], quiet: readonly number[]): WorkloadPlan;
  /** Memslot of each vCPU's memory. */
  readonly slots: readonly number[];
  readonly pagesOfSlot: ReadonlyMap<number, number>;
}

/** The small runs, or why there are none. */
export function representationOf(plan: WorkloadPlan): Representation | string {
  const { vm, phases } = plan;
  const { vcpus } = vm;
  if (vcpus < MIN_VCPUS) return `fewer than ${MIN_VCPUS} vCPUs`;
  if (vm.nested !== undefined || vm.spaces.length !== 1) return 'vCPUs with several address spaces';
  if (vm.dirtyRing !== undefined) return 'dirty rings: one that is full has those of all vCPUs collected';
  if (phases.length > MOST_PHASES) return `more than ${MOST_PHASES} phases`;
  const programs = new EqualPrograms(vcpus);
  for (const { steps } of phases) {
    for (const step of steps) {
      const reason = step.kind === 'guest' ? programs.refusal(step) : undefined;
      if (reason !== undefined) return reason;
    }
  }
  const { extent, shifts } = programs;
  if (extent === undefined) return `no run of ${MIN_PAGES} pages or more`;
  const apart = [...shifts].sort((a, b) => a - b);
  if (apart.some((shift, i) => i > 0 && shift - (apart[i - 1] ?? 0) < extent.end - extent.start)) return 'vCPUs whose memory overlaps';
  const frames = shifts.map(shift => frameOf(vm, extent.start + shift));
  if (frames.some((frame, vcpu) => (frame - (frames[0] ?? 0)) % BLOCK !== 0 || (shifts[vcpu] ?? 0) % BLOCK !== 0))
    return 'memory that does not begin alike in 2 MiB blocks';
  const first = frames[0] ?? 0;
  const slots = frames.map(frame => vm.memslots.find(slot => frame >= slot.baseGfn && frame < slot.baseGfn + slot.npages)?.id ?? -1);
  const offset = (((first - extent.start) % BLOCK) + BLOCK) % BLOCK;
  const pagesOfSlot = new Map(vm.memslots.map(({ id, npages }) => [id, npages]));
  return {
    slots,
    pagesOfSlot,
    plan: (...who) => ({ ...plan, phases: mapped(phases, step => sparseStep(step, who, offset)) }),
  };
}

/** What all vCPUs do, and how far each one's memory lies from the first one's. */
class EqualPrograms {
  /** Frames by vCPU. */
  readonly shifts: number[];
  /** Virtual frames of the first vCPU's long runs. */
  extent: { readonly start: number; readonly end: number } | undefined = undefined;

  constructor(private readonly vcpus: number) {
    this.shifts = new Array<number>(vcpus).fill(0);
  }

  /** Why a guest step has no representative; undefined where it may have one. */
  refusal({ programs, shared }: GuestStep): string | undefined {
    if (shared && programs.length > 1) return 'shared memory';
    if (programs.length !== this.vcpus) return 'steps of some vCPUs alone';
    if (programs.some(isRandom)) return 'accesses at random';
    const [first = [], ...others] = programs.map(longRuns);
    for (const [at, other] of others.entries()) if (!this.isShifted(first, other, at + 1)) return 'vCPUs that do different things';
    for (const { vfn, count } of first) {
      const { start, end } = this.extent ?? { start: vfn, end: vfn };
      this.extent = { start: Math.min(start, vfn), end: Math.max(end, vfn + count) };
    }
    return undefined;
  }

  private isShifted(first: readonly AccessRun[], other: readonly AccessRun[], vcpu: number): boolean {
    if (first.length !== other.length) return false;
    return first.every((run, i) => {
      const same = other[i] ?? run;
      const shift = same.vfn - run.vfn;
      if (this.shifts[vcpu] === 0) this.shifts[vcpu] = shift;
      return shift !== 0 && this.shifts[vcpu] === shift && JSON.stringify({ ...same, vfn: run.vfn }) === JSON.stringify(run);
    });
  }
}

type GuestStep = Extract<PhaseStep, { kind: 'guest' }>;

/** Whether draws decide what accesses of a program are. */
function isRandom(steps: readonly VcpuStep[]): boolean {
  return steps.some(
    step => (step.op === 'random' && drawnRun(step.run) === undefined) || (step.op === 'repeat' && step.steps.some(one => one.op === 'random')),
  );
}

/** The accesses of a random run whose draws decide nothing. */
function drawnRun({ vfn, count, pageFrames = 1, randomOrder, writePercent }: RandomRun): AccessRun | undefined {
  if (randomOrder || pageFrames !== 1 || (writePercent > 0 && writePercent < PERCENT)) return undefined;
  return { vfn, count, stride: 1, kind: writePercent > 0 ? AccessKind.Write : AccessKind.Read, writeEvery: 0 };
}

/** The run of a step that one page of each block may stand for; undefined for what every vCPU does as it is. */
function longRun(step: VcpuStep): AccessRun | undefined {
  const run = step.op === 'access' ? step.run : step.op === 'random' ? drawnRun(step.run) : undefined;
  return run !== undefined && run.stride === 1 && run.count >= MIN_PAGES ? run : undefined;
}

function longRuns(program: VcpuProgram): readonly AccessRun[] {
  return program.flatMap(step => longRun(step) ?? []);
}

function frameOf({ spaces }: WorkloadPlan['vm'], vfn: number): number {
  const run = spaces[0]?.runs.find(one => vfn >= one.vfn && vfn < one.vfn + one.npages);
  return run === undefined ? -1 : run.gfn + (vfn - run.vfn);
}

/** Phases with their guest steps changed. */
function mapped(phases: WorkloadPlan['phases'], change: (step: GuestStep) => GuestStep): WorkloadPlan['phases'] {
  return phases.map(phase => ({ ...phase, steps: phase.steps.map(step => (step.kind === 'guest' ? change(step) : step)) }));
}

/** @param offset by which frames lie further on in their blocks than virtual frames */
function sparseStep(step: GuestStep, [whole, quiet]: readonly [readonly number[], readonly number[]], offset: number): GuestStep {
  const isWhole = new Set(whole);
  const isQuiet = new Set(quiet);
  const heads = (run: AccessRun, vcpu: number): readonly VcpuStep[] => (isQuiet.has(vcpu) ? [] : firstPages(run, offset));
  const programs = step.programs.map((program, vcpu) =>
    isWhole.has(vcpu)
      ? program
      : program.flatMap((one): readonly VcpuStep[] => {
          const run = longRun(one);
          return run === undefined ? [one] : heads(run, vcpu);
        }),
  );
  return { ...step, programs };
}

/** The accesses of a run to its first page, and to the first page of each block behind it: of blocks of virtual frames, then of those of frames where these are others. */
function firstPages(run: AccessRun, offset: number): readonly VcpuStep[] {
  const first: VcpuStep = { op: 'access', run: { ...run, count: 1, kind: kindAt(run, 0), writeEvery: 0 } };
  return [first, ...blockHeads(run, BLOCK - (run.vfn % BLOCK)), ...(offset === 0 ? [] : blockHeads(run, BLOCK - ((run.vfn + offset) % BLOCK)))];
}

/** The accesses of a run from number `next` on, one block apart. */
function blockHeads(run: AccessRun, next: number): readonly VcpuStep[] {
  const { vfn, count, writeEvery } = run;
  const heads = Math.ceil((count - next) / BLOCK);
  // Writes come again after so many blocks, if they come at all.
  const every = writeEvery === 0 ? 0 : writeEvery / divisor(BLOCK, writeEvery);
  const found = Array.from({ length: Math.min(every, heads) }, (_, i) => next + i * BLOCK).findIndex(index => index % writeEvery === 0);
  const before = found < 0 ? heads : Math.min(heads, found);
  const part = (from: number, n: number, writes: number): VcpuStep[] =>
    n <= 0 ? [] : [{ op: 'access', run: { ...run, vfn: vfn + next + from * BLOCK, count: n, stride: BLOCK, writeEvery: writes } }];
  return [...part(0, before, 0), ...part(before, heads - before, every)];
}

function kindAt({ kind, writeEvery }: AccessRun, index: number): AccessKind {
  return writeEvery > 0 && index % writeEvery === 0 ? AccessKind.Write : kind;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** What a small run counted: by phase. */
export interface SmallRun {
  readonly counts: readonly PhaseCounts[];
  /** Bytes of tables at the end of each phase. */
  readonly tableBytes: readonly number[];
}

/** The small runs: all vCPUs touch first pages; those at both ends alone do; and of these the first vCPU touches all pages, the second, the last but one, the last. */
export interface SmallRuns {
  readonly sparse: SmallRun;
  readonly ends: SmallRun;
  readonly dense: readonly [first: SmallRun, second: SmallRun, lastButOne: SmallRun, last: SmallRun];
}

/** vCPUs that touch all their pages in the dense runs. */
export function askedVcpus(vcpus: number): readonly [number, number, number, number] {
  return [0, 1, vcpus - 2, vcpus - 1];
}

/** vCPUs that are neither asked nor their neighbours. */
export function quietVcpus(vcpus: number): readonly number[] {
  return Array.from({ length: Math.max(0, vcpus - 6) }, (_, i) => i + 3);
}

/** What the whole run counts; undefined where the small ones do not agree. @param pageBytes of the machine */
export function wholeRun(
  { sparse, ends, dense }: SmallRuns,
  of: Representation,
  events: readonly EventDef[],
  pageBytes: number,
): SmallRun | undefined {
  const { slots } = of;
  const vcpus = askedVcpus(slots.length);
  const counts: PhaseCounts[] = [];
  for (const [at, base] of sparse.counts.entries()) {
    const few = ends.counts[at] ?? base;
    const [first, mid, other, last] = dense.map((run, i) => added(few, run.counts[at], vcpus[i] ?? 0, slots));
    if (first === undefined || mid === undefined || other === undefined || last === undefined) return undefined;
    const parts = [first, ...new Array<Added>(slots.length - 2).fill(mid), last];
    const perCall = vcpusPerCall(base, of, events, pageBytes);
    if (!isSame(mid, other) || (perCall === undefined && !areCallsEqual(parts, events))) return undefined;
    const all = whole(base, parts, slots);
    if (perCall !== undefined && perCall < slots.length && !foldPerCall(all.all, base.all, [first, mid, last], perCall, events)) return undefined;
    counts.push(all);
  }
  const tableBytes = sparse.tableBytes.map((bytes, at) => {
    const [first = 0, mid = 0, , last = 0] = dense.map(run => (run.tableBytes[at] ?? 0) - (ends.tableBytes[at] ?? 0));
    return bytes + first + (slots.length - 2) * mid + last;
  });
  return { counts, tableBytes };
}

/** What one vCPU's other pages add. */
interface Added {
  readonly all: Float64Array;
  readonly vcpu: Float64Array;
  /** To the memslot of its memory. */
  readonly slot: Float64Array;
  readonly guest: Omit<PhaseCounts['guest'], 'vcpus'>;
}

/** @returns undefined where others notice */
function added(base: PhaseCounts, dense: PhaseCounts | undefined, vcpu: number, slots: readonly number[]): Added | undefined {
  if (dense === undefined) return undefined;
  const isAlone = base.vcpus.every((vector, other) => other === vcpu || isEqual(vector, dense.vcpus[other] ?? vector));
  const own = slots[vcpu] ?? -1;
  const nothing = zeros(base.all);
  const isOwnSlot = [...dense.slots].every(([id, vector]) => id === own || isEqual(vector, base.slots.get(id) ?? nothing));
  if (!isAlone || !isOwnSlot) return undefined;
  const { reads, writes, executes } = base.guest;
  return {
    all: minus(dense.all, base.all),
    vcpu: minus(dense.vcpus[vcpu] ?? nothing, base.vcpus[vcpu] ?? nothing),
    slot: minus(dense.slots.get(own) ?? nothing, base.slots.get(own) ?? nothing),
    guest: { reads: dense.guest.reads - reads, writes: dense.guest.writes - writes, executes: dense.guest.executes - executes },
  };
}

function isSame(a: Added, b: Added): boolean {
  return isEqual(a.all, b.all) && isEqual(a.vcpu, b.vcpu) && isEqual(a.slot, b.slot);
}

/** @param parts what each vCPU adds */
function whole(base: PhaseCounts, parts: readonly Added[], slots: readonly number[]): PhaseCounts {
  const sum = (of: (part: Added) => Float64Array, start: Float64Array, which: (vcpu: number) => boolean): Float64Array =>
    parts.reduce((total, part, vcpu) => (which(vcpu) ? plus(total, of(part)) : total), start);
  const guest = (kind: 'reads' | 'writes' | 'executes'): number => parts.reduce((total, part) => total + part.guest[kind], base.guest[kind]);
  return {
    all: sum(
      ({ all }) => all,
      base.all,
      () => true,
    ),
    vcpus: base.vcpus.map((vector, vcpu) => plus(vector, parts[vcpu]?.vcpu ?? zeros(vector))),
    slots: new Map(
      [...base.slots].map(([id, vector]) => [
        id,
        sum(
          ({ slot }) => slot,
          vector,
          vcpu => slots[vcpu] === id,
        ),
      ]),
    ),
    guest: { vcpus: base.guest.vcpus, reads: guest('reads'), writes: guest('writes'), executes: guest('executes') },
  };
}

/** How many vCPUs' memory each host operation of a phase was about; undefined where that is not known. */
function vcpusPerCall(
  { all }: PhaseCounts,
  { slots, pagesOfSlot }: Representation,
  events: readonly EventDef[],
  pageBytes: number,
): number | undefined {
  const count = (name: string): number => all[events.findIndex(event => event.name === name)] ?? 0;
  const calls = count('host_call');
  if (calls <= 1) return slots.length;
  const ids = [...new Set(slots)];
  const perSlot = slots.length / ids.length;
  const isEven = ids.every(id => slots.filter(slot => slot === id).length === perSlot);
  const isWhole =
    ids.every(id => (pagesOfSlot.get(id) ?? 0) * pageBytes === count('host_call.bytes.max')) &&
    count('host_call.bytes.min') === count('host_call.bytes.max');
  return isEven && isWhole ? perSlot : undefined;
}

/** Whether no host operation does more for pages that only some vCPUs touch: then least and most of one are what they are. */
function areCallsEqual(parts: readonly Added[], events: readonly EventDef[]): boolean {
  const told = ['dirty_log.words', 'leaves.visited'].map(name => events.findIndex(event => event.name === name));
  return told.every(i => parts.every(({ all }) => (all[i] ?? 0) === 0));
}

/** Least and most of operations that were each about the memory of as many vCPUs, all alike. @returns false where they are not */
function foldPerCall(into: Float64Array, base: Float64Array, parts: readonly Added[], perCall: number, events: readonly EventDef[]): boolean {
  const changes = events.flatMap(({ fold }, i) => (fold === 'max' ? [i] : []));
  return changes.every(most => {
    const least = events.findIndex(({ name }) => name === events[most]?.name.replace(/max$/, 'min'));
    const [change = 0, ...others] = parts.map(({ all }) => all[most] ?? 0);
    if (others.some(other => other !== change) || (change !== 0 && base[least] !== base[most])) return false;
    into[most] = (base[most] ?? 0) + perCall * change;
    into[least] = (base[least] ?? 0) + perCall * change;
    return true;
  });
}

function zeros(like: Float64Array): Float64Array {
  return new Float64Array(like.length);
}

function minus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value - (b[i] ?? 0));
}

function plus(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + (b[i] ?? 0));
}

function isEqual(a: Float64Array, b: Float64Array): boolean {
  return a.every((value, i) => value === b[i]);
}
