/**
 * What all have in common that interleave the programs of vCPUs: the programs, where each vCPU is in its own, and passes of a run with randomness of their own. How time
 * goes on, event by event or turn by turn, is the business of whoever extends it.
 */
import type { Counters, MmuBackend, VcpuProgram } from '@mmulab/api';
import type { Generators } from './generator';
import { Jitter, seedOf } from './jitter';
import { MmuLock } from './mmu-lock';
import { PS_PER_NS } from './nominal-costs';
import { ProgramCursor } from './program-cursor';

/** What a vCPU does when it is in no stage (stages count from 0): it goes on with its program, in the guest or before it has entered it. */
export const READY = -1;
export const NOT_ENTERED = -2;

/** More stages than any access takes: retries end when others have made progress. */
export const MAX_STAGES_PER_ACCESS = 10_000_000;

/** The part of a backend that accesses are interleaved through. */
export type ScheduledBackend = Pick<
  MmuBackend,
  'stages' | 'enter' | 'leave' | 'begin' | 'advance' | 'control' | 'writeTables' | 'hitsAhead' | 'losses' | 'faultWaits' | 'faultMemory'
>;

/** Has vCPUs that share memory do their accesses, in an order that the seed decides. */
export interface Interleaver {
  /**
   * Runs one program per vCPU to its end; a vCPU enters the guest first, and leaves it last.
   * @param pass tells this pass of the run from others: each has randomness of its own
   * @param stays vCPUs stay in the guest: rounds follow
   * @throws SCHEDULER_STAGE, SCHEDULER_LIVELOCK: bugs of the backend
   */
  run(programs: readonly VcpuProgram[], pass: number, stays?: boolean): void;
  /** As `run`, one thing after the other: `next` takes each. */
  start(programs: readonly VcpuProgram[], pass: number, stays?: boolean): void;
  /** Handles what is next: an event, or a part of a vCPU's turn. @returns whose it was; -1 when all programs are at their end */
  next(): number;
  /**
   * Runs one program per vCPU, all of them in the guest already, and leaves them there.
   * @param round tells this round from others of the pass: each has randomness of its own
   */
  runRound(programs: readonly VcpuProgram[], pass: number, round: number): void;
}

/** Programs of vCPUs that share memory. */
export abstract class ProgramInterleaver implements Interleaver {
  /** The program of each vCPU, while it runs. */
  protected readonly cursors: (ProgramCursor | undefined)[];
  protected readonly jitter: Jitter;
  protected readonly lock: MmuLock;
  protected readonly stages: Int32Array;
  protected readonly stagesTaken: Int32Array;
  /** By stage, in picoseconds. */
  protected readonly durations: Float64Array;
  /** vCPUs stay in the guest when their programs end. */
  protected stays = false;

  /**
   * @param seed of the run
   * @param vcpus number of vCPUs of the VM
   */
  constructor(
    protected readonly backend: ScheduledBackend,
    protected readonly counters: Counters,
    private readonly generators: Generators,
    private readonly seed: number,
    vcpus: number,
  ) {
    this.cursors = new Array<ProgramCursor | undefined>(vcpus).fill(undefined);
    this.jitter = new Jitter(seed, vcpus);
    this.lock = new MmuLock(vcpus);
    this.stages = new Int32Array(vcpus);
    this.stagesTaken = new Int32Array(vcpus);
    this.durations = Float64Array.from(backend.stages, stage => stage.nominalNs * PS_PER_NS);
  }

  run(programs: readonly VcpuProgram[], pass: number, stays = false): void {
    this.start(programs, pass, stays);
    this.toEnd();
  }

  start(programs: readonly VcpuProgram[], pass: number, stays = false): void {
    this.jitter.restart(seedOf(this.seed, pass));
    this.stays = stays;
    this.begin(programs, NOT_ENTERED);
  }

  runRound(programs: readonly VcpuProgram[], pass: number, round: number): void {
    this.jitter.restart(seedOf(this.seed, pass, round));
    this.stays = true;
    this.begin(programs, READY);
    this.toEnd();
  }

  protected toEnd(): void {
    while (this.next() >= 0);
  }

  abstract next(): number;

  /** All vCPUs begin their programs. @param first READY or NOT_ENTERED */
  protected begin(programs: readonly VcpuProgram[], first: number): void {
    programs.forEach((program, vcpu) => {
      this.cursors[vcpu] = new ProgramCursor(program, vcpu, this.generators);
      this.stages[vcpu] = first;
    });
  }
}
