/**
 * A vCPU's program, one atom at a time: an access, an exit, a register write, writes to the guest's tables. Runs and repeats are unrolled on the way, without
 * allocating per access. Hot path.
 */
import { AccessKind, type AccessRun, type ControlWrite, type GuestTableWrites, type RandomRun, type VcpuProgram, type VcpuStep } from '@mmulab/api';
import { nextDraw } from './draws';
import type { Generators } from './generator';
import { shiftTableWrites, shiftWrite } from './shifted-steps';

/** What `next` found. */
export const Atom = { End: 0, Access: 1, Exit: 2, Control: 3, Table: 4 } as const;
export type Atom = (typeof Atom)[keyof typeof Atom];

const PERCENT = 100;

/** A list of steps under way. */
interface Frame {
  readonly steps: readonly VcpuStep[];
  at: number;
  timesLeft: number;
  /** Frames by which the runs have moved on, and by which they move at each repetition. */
  shift: number;
  readonly shiftStep: number;
}

export class ProgramCursor {
  /** Frame and kind of the access, after `next` answered Access. */
  vfn = 0;
  kind: AccessKind = AccessKind.Read;
  /** The register write, after `next` answered Control. */
  write: ControlWrite | undefined = undefined;
  /** The writes to the guest's tables, after `next` answered Table. */
  tableWrites: GuestTableWrites | undefined = undefined;

  private readonly frames: Frame[];
  private index = 0;
  private count = 0;
  private first = 0;
  private step = 0;
  private runKind: AccessKind = AccessKind.Read;
  private writeEvery = 0;
  private isRandom = false;
  private pageFrames = 1;
  private randomOrder = false;
  private writePercent = 0;

  constructor(
    program: VcpuProgram,
    private readonly vcpu: number,
    private readonly generators: Generators,
  ) {
    this.frames = [{ steps: program, at: 0, timesLeft: 1, shift: 0, shiftStep: 0 }];
  }

  /** Goes on to the next atom. */
  next(): Atom {
    while (this.index >= this.count) {
      const atom = this.nextStep();
      if (atom !== Atom.Access) return atom;
    }
    if (this.isRandom) this.drawAccess();
    else this.plainAccess();
    this.index++;
    return Atom.Access;
  }

  /** How many accesses of the run follow that are like the one just found, `stride` frames apart; 0 where that is not known. */
  get following(): number {
    return this.isRandom || this.writeEvery > 1 ? 0 : this.count - this.index;
  }

  /** Frames between neighbouring accesses of the run. */
  get stride(): number {
    return this.step;
  }

  /** Passes accesses of the run over, or (less than 0) goes back to some. */
  skip(accesses: number): void {
    this.index += accesses;
  }

  /** Takes the next step. @returns Access when a run begins, which may be empty */
  private nextStep(): Atom {
    for (;;) {
      const frame = this.frames.at(-1);
      if (frame === undefined) return Atom.End;
      const step = frame.steps[frame.at++];
      if (step === undefined) this.endFrame(frame);
      else if (step.op === 'repeat') this.frames.push(frameOf(step, frame.shift));
      else return this.begin(step, frame.shift);
      this.skipEmptyFrame();
    }
  }

  private endFrame(frame: Frame): void {
    frame.at = 0;
    frame.shift += frame.shiftStep;
    if (--frame.timesLeft <= 0) this.frames.pop();
  }

  private skipEmptyFrame(): void {
    if ((this.frames.at(-1)?.timesLeft ?? 1) <= 0) this.frames.pop();
  }

  private begin(step: Exclude<VcpuStep, { op: 'repeat' }>, shift: number): Atom {
    switch (step.op) {
      case 'access':
        this.beginRun(step.run);
        this.first += shift;
        return Atom.Access;
      case 'random':
        this.beginRandom(step.run);
        this.first += shift;
        return Atom.Access;
      case 'control':
        this.write = shiftWrite(step.write, shift);
        return Atom.Control;
      case 'table':
        this.tableWrites = shiftTableWrites(step.writes, shift);
        return Atom.Table;
      case 'exit':
        return Atom.Exit;
    }
  }

  private beginRun({ vfn, count, stride, kind, writeEvery }: AccessRun): void {
    this.isRandom = false;
    this.index = 0;
    this.count = count;
    this.first = vfn;
    this.step = stride;
    this.runKind = kind;
    this.writeEvery = writeEvery;
  }

  private beginRandom(run: RandomRun): void {
    const { vfn, count, pageFrames = 1, randomOrder, writePercent } = run;
    const plain = pageFrames >= 1 ? this.generators.lift(this.vcpu, run) : undefined;
    if (plain !== undefined) {
      this.beginRun(plain);
      return;
    }
    this.isRandom = true;
    this.index = 0;
    this.count = count;
    this.first = vfn;
    this.pageFrames = pageFrames;
    this.randomOrder = randomOrder;
    this.writePercent = writePercent;
  }

  private plainAccess(): void {
    this.vfn = this.first + this.index * this.step;
    this.kind = this.writeEvery > 0 && this.index % this.writeEvery === 0 ? AccessKind.Write : this.runKind;
  }

  private drawAccess(): void {
    const { states } = this.generators;
    let state = states[this.vcpu] ?? 0;
    let page = this.index;
    if (this.randomOrder) {
      state = nextDraw(state);
      page = state % this.count;
    }
    state = nextDraw(state);
    states[this.vcpu] = state;
    this.vfn = this.first + Math.floor(page * this.pageFrames);
    this.kind = state % PERCENT < this.writePercent ? AccessKind.Write : AccessKind.Read;
  }
}

/** The frame of a repeat within runs that lie `shift` frames further on. */
function frameOf(step: Extract<VcpuStep, { op: 'repeat' }>, shift: number): Frame {
  return { steps: step.steps, at: 0, timesLeft: step.steps.length === 0 ? 0 : step.times, shift, shiftStep: step.shift ?? 0 };
}
