/**
 * Runs over guest pages as runs over host frames.
 *
 * A guest may have pages larger than the host's: then its accesses lie some frames apart. Or smaller ones: then several accesses in a row fall into one frame,
 * and only those count that differ from the one before, since a second access of the same kind finds what the first one left. So a frame is
 * touched once by each kind in turn, and a read that follows the frame's write not at all.
 */
import { AccessKind, type VcpuStep, type Vfn } from '@mmulab/api';
import { accesses } from './steps';

/** Longest pattern that is written out as a loop: frames. */
const MAX_PATTERN_FRAMES = 4096;

/** Accesses to guest pages. */
export interface GuestPageRun {
  readonly vfn: Vfn;
  /** Number of accesses. */
  readonly count: number;
  readonly kind: AccessKind;
  /** Host frames in one guest page: a whole number, or 1/n. */
  readonly pageFrames: number;
  /** Guest pages from one access to the next. */
  readonly stride?: number;
  /** Every n-th access, the first included, is a write; 0 for none. With smaller pages than the host's only without a stride. */
  readonly writeEvery?: number;
}

/** The steps that touch them. */
export function guestPages({ vfn, count, kind, pageFrames, stride = 1, writeEvery = 0 }: GuestPageRun): readonly VcpuStep[] {
  if (pageFrames >= 1) return [accesses(vfn, count, kind, { stride: stride * pageFrames, writeEvery })];
  const perFrame = Math.round(1 / pageFrames);
  if (writeEvery > 1 && kind !== AccessKind.Write) return mixedFrames(vfn, count, kind, perFrame, writeEvery);
  return framesTouched(vfn, count, writeEvery === 1 ? AccessKind.Write : kind, perFrame, stride);
}

/** All accesses alike: which frames they fall into. */
function framesTouched(vfn: Vfn, count: number, kind: AccessKind, perFrame: number, stride: number): readonly VcpuStep[] {
  if (count === 0) return [];
  const frames = Math.floor(((count - 1) * stride) / perFrame) + 1;
  if (stride <= perFrame) return [accesses(vfn, frames, kind)];
  if (stride % perFrame === 0) return [accesses(vfn, count, kind, { stride: stride / perFrame })];
  // Strides that are no whole number of frames come round after `perFrame` accesses, at the latest.
  const at = (i: number): VcpuStep => accesses(vfn + Math.floor((i * stride) / perFrame), 1, kind);
  const [times, rest] = [Math.floor(count / perFrame), count % perFrame];
  const whole = times * perFrame;
  const turn: VcpuStep = { op: 'repeat', times, shift: stride, steps: Array.from({ length: perFrame }, (_, i) => at(i)) };
  return [...(times > 0 ? [turn] : []), ...Array.from({ length: rest }, (_, i) => at(whole + i))];
}

/** Neighbouring guest pages, every `writeEvery`-th of them written. */
function mixedFrames(vfn: Vfn, count: number, kind: AccessKind, perFrame: number, writeEvery: number): readonly VcpuStep[] {
  const frames = Math.ceil(count / perFrame);
  if (writeEvery % perFrame === 0) return [accesses(vfn, frames, kind, { writeEvery: writeEvery / perFrame })];
  const period = lcm(perFrame, writeEvery) / perFrame;
  if (period > MAX_PATTERN_FRAMES) return writesApart(vfn, count, kind, perFrame, writeEvery);
  const times = Math.floor(count / (period * perFrame));
  const turn: VcpuStep = { op: 'repeat', times, shift: period, steps: framesOf(vfn, 0, period * perFrame, kind, perFrame, writeEvery) };
  return [...(times > 0 ? [turn] : []), ...framesOf(vfn, times * period * perFrame, count, kind, perFrame, writeEvery)];
}

/** Guest pages `first` to `end`, frame by frame. */
function framesOf(vfn: Vfn, first: number, end: number, kind: AccessKind, perFrame: number, writeEvery: number): VcpuStep[] {
  const steps: VcpuStep[] = [];
  for (let frame = first / perFrame; frame * perFrame < end; frame++) {
    const [from, to] = [frame * perFrame, Math.min(end, (frame + 1) * perFrame)];
    const write = Math.ceil(from / writeEvery) * writeEvery;
    if (write > from) steps.push(accesses(vfn + frame, 1, kind));
    if (write < to) steps.push(accesses(vfn + frame, 1, AccessKind.Write));
  }
  return steps;
}

/** Few writes, far apart: the frames between them as runs. */
function writesApart(vfn: Vfn, count: number, kind: AccessKind, perFrame: number, writeEvery: number): readonly VcpuStep[] {
  const steps: VcpuStep[] = [];
  for (let page = 0; page < count; page += writeEvery) {
    const frame = Math.floor(page / perFrame);
    const next = Math.min(count, page + writeEvery);
    // The frame of the next write is read first, unless that write is its first access; frames after this one only.
    const frames = Math.ceil(next / perFrame) - frame - 1;
    steps.push(accesses(vfn + frame, 1, AccessKind.Write));
    if (frames > 0) steps.push(accesses(vfn + frame + 1, frames, kind));
  }
  return steps;
}

function lcm(a: number, b: number): number {
  const gcd = (x: number, y: number): number => (y === 0 ? x : gcd(y, x % y));
  return (a / gcd(a, b)) * b;
}
