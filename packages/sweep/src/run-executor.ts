/**
 * Who performs the runs of a sweep: the cores of this machine, or workers behind a queue.
 */
import type { ResolvedRun } from '@mmulab/runner';
import type { Measured } from './kept-result';

/** A run to be performed: data only. */
export interface RunOrder {
  readonly key: string;
  /** As `plainRun` makes it. */
  readonly run: ResolvedRun;
  readonly perVcpu: boolean;
}

/** How a run ended. */
export type RunOutcome = RunSuccess | RunFailure | LostRun;

export interface RunSuccess {
  /** The kept text of the result, one line. */
  readonly text: string;
  readonly measured: Measured;
  /** The process that performed it. */
  readonly by: string;
  readonly attempts: number;
  /** To be called when the result is kept: whoever performed it may forget it then. */
  kept?(): Promise<void>;
}

export interface RunFailure {
  readonly code: string;
  readonly message: string;
  readonly attempts: number;
  kept?(): Promise<void>;
}

/** Nobody knows of the run any more: it is to be asked for again. */
export interface LostRun {
  readonly lost: true;
}

/** Performs runs, several at a time. */
export interface RunExecutor {
  /** Runs it wants to have at hand. */
  readonly ahead: number;
  /** How many are being performed. */
  running(): number;
  /** @returns how it ended; rejects only when the executor itself is at its end */
  perform(order: RunOrder): Promise<RunOutcome>;
  /** Ends what is being performed. */
  close(): Promise<void>;
}
