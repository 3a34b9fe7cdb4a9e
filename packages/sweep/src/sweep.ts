/**
 * Runs a sweep: walks over its plan, takes what the store has, has the rest performed, and keeps each result as it comes.
 *
 * Nothing is held per run but one bit (is it in the folder), and the runs that are under way. A run that is equal to one under way is left for the next walk,
 * which finds its result in the store.
 */
import { checkThresholds, type ResolvedRun, type ThresholdFailure } from '@mmulab/runner';
import { type RunResult, isMmulabError } from '@mmulab/api';
import { malformedResult, problemOf } from './errors';
import { readKept, sweepLine, type SweepPlace } from './kept-result';
import type { ResultStore } from './result-store';
import type { RunExecutor, RunFailure, RunOutcome, RunSuccess } from './run-executor';
import { plainRun } from './run-key';
import type { FailedRun, JournalEntry, SweepFolder } from './sweep-folder';
import type { SweepPlan } from './sweep-plan';

/** How far a sweep has come. */
export interface SweepProgress {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  readonly running: number;
  /** Results taken from the store, by this process. */
  readonly reused: number;
  /** Runs performed for this process. */
  readonly performed: number;
}

/** What a sweep works with. */
export interface SweepParts {
  readonly plan: SweepPlan;
  readonly folder: SweepFolder;
  readonly store: ResultStore;
  readonly executor: RunExecutor;
  /** Ends the sweep; what is finished stays. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: SweepProgress) => void;
  /** Told of the notes of each result that this process keeps. */
  readonly onNotes?: (notes: readonly string[]) => void;
}

/** The walk gives way to what workers answer after this time. */
const TURN_MS = 20;

/** A run of the plan on its way. */
interface Asked {
  readonly run: ResolvedRun;
  readonly place: SweepPlace;
}

/** A sweep being run. */
export class Sweep {
  private readonly underWay = new Set<string>();
  private readonly failedKeys = new Map<string, RunFailure>();
  private reused = 0;
  private performed = 0;
  /** Runs that the executor lost sight of: they are asked for again. */
  private lost = 0;
  private broken: Error | undefined;
  private wake: () => void = () => undefined;
  private turnEndsMs = 0;

  constructor(private readonly parts: SweepParts) {}

  /**
   * Runs what is missing.
   * @returns how far it came: to the end, unless it was interrupted
   * @throws FILE_UNWRITABLE when a result cannot be kept, and what the executor ends with; finished results are kept all the same
   */
  async run(): Promise<SweepProgress> {
    const onAbort = (): void => this.wake();
    this.parts.signal?.addEventListener('abort', onAbort);
    try {
      for (let isComplete = false; !isComplete && !this.isStopped();) isComplete = await this.walk();
    } finally {
      this.parts.signal?.removeEventListener('abort', onAbort);
    }
    if (this.broken !== undefined) throw this.broken;
    return this.progress();
  }

  progress(): SweepProgress {
    const { plan, folder, executor } = this.parts;
    const { reused, performed } = this;
    return { total: plan.matrix.size, done: folder.done, failed: folder.failures, running: executor.running(), reused, performed };
  }

  private isStopped(): boolean {
    return this.broken !== undefined || this.parts.signal?.aborted === true;
  }

  /** Walks over the plan once. @returns false when runs were left for another walk */
  private async walk(): Promise<boolean> {
    const { plan, folder } = this.parts;
    let left = 0;
    this.lost = 0;
    for (let run = 0; run < plan.matrix.size && !this.isStopped(); run++) {
      if (folder.has(run)) continue;
      this.guard(() => {
        if (!this.take(run)) left++;
      });
      await this.giveWay();
    }
    while (this.underWay.size > 0 && !this.isStopped()) await this.change();
    return left + this.lost === 0;
  }

  /** @returns false when an equal run is under way */
  private take(run: number): boolean {
    const { plan, store } = this.parts;
    const settings = plan.matrix.varied(run);
    let resolved: ResolvedRun;
    try {
      resolved = plan.matrix.resolve(run);
    } catch (error) {
      this.fail({ run, settings, ...usageFailure(error), attempts: 0 });
      return true;
    }
    const key = plan.keys.of(resolved);
    const asked: Asked = { run: resolved, place: { run, key, settings } };
    if (this.underWay.has(key)) return false;
    const failure = this.failedKeys.get(key);
    const known = failure === undefined ? store.read(key) : undefined;
    if (failure !== undefined) this.fail({ run, settings, key, ...withoutKept(failure) });
    else if (known === undefined) this.order(asked);
    else {
      this.reused++;
      this.keep(asked, known, { run, key });
    }
    return true;
  }

  private order(asked: Asked): void {
    const { executor, plan } = this.parts;
    const { key } = asked.place;
    this.underWay.add(key);
    const { place } = asked;
    executor.perform({ key, run: plainRun(asked.run), perVcpu: plan.document.perVcpu }).then(
      outcome => this.guard(() => this.end(place, outcome)),
      (error: unknown) => this.stop(error),
    );
  }

  /** The run is resolved anew: many may be under way, and what they are is larger than where they are. */
  private end({ run, key, settings }: SweepPlace, outcome: RunOutcome): void {
    try {
      if ('lost' in outcome) {
        this.lost++;
        return;
      }
      this.performed++;
      if ('text' in outcome) this.store({ run: this.parts.plan.matrix.resolve(run), place: { run, key, settings } }, outcome);
      else {
        this.failedKeys.set(key, outcome);
        this.fail({ run, settings, key, ...withoutKept(outcome) });
      }
      outcome.kept?.().catch((error: unknown) => this.stop(error));
    } finally {
      this.underWay.delete(key);
      this.wake();
    }
  }

  private store(asked: Asked, { text, measured, by, attempts }: RunSuccess): void {
    const { run, key } = asked.place;
    let result: RunResult;
    try {
      result = readKept(text, `performed by ${by}`);
      if (this.parts.plan.keys.ofConfig(result.config) !== key) throw malformedResult(`performed by ${by}`, 'is the result of another run');
    } catch (error) {
      this.fail({ ...asked.place, ...usageFailure(error), attempts });
      return;
    }
    this.parts.store.write(key, text);
    this.keep(asked, result, { run, key, measured, by, attempts });
  }

  private keep({ run, place }: Asked, result: RunResult, entry: JournalEntry): void {
    let unmet: readonly ThresholdFailure[];
    try {
      unmet = [...checkThresholds(result, run.thresholds), ...unlessWhole(result)];
    } catch (error) {
      // A phase that this run does not have: its result is in the store, the run has failed all the same.
      this.fail({ ...place, ...usageFailure(error), attempts: 1 });
      return;
    }
    this.parts.folder.add(unmet.length === 0 ? entry : { ...entry, unmet }, sweepLine(result, run, place));
    this.parts.onNotes?.([...run.notes, ...result.notes]);
    this.report();
  }

  private fail(failed: FailedRun): void {
    this.parts.folder.addFailed(failed);
    this.report();
  }

  private report(): void {
    this.parts.onProgress?.(this.progress());
  }

  /** Waits while enough runs are under way, and now and then so that answers are heard. */
  private async giveWay(): Promise<void> {
    while (this.underWay.size >= this.parts.executor.ahead && !this.isStopped()) await this.change();
    if (performance.now() < this.turnEndsMs) return;
    await new Promise(resolve => setImmediate(resolve));
    this.turnEndsMs = performance.now() + TURN_MS;
  }

  private change(): Promise<void> {
    return new Promise(resolve => (this.wake = resolve));
  }

  private guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.stop(error);
    }
  }

  private stop(error: unknown): void {
    this.broken ??= error instanceof Error ? error : new Error(problemOf(error));
    this.wake();
  }
}

function withoutKept({ code, message, attempts }: RunFailure): Pick<RunFailure, 'code' | 'message' | 'attempts'> {
  return { code, message, attempts };
}

/** What is wrong with one run; a bug is the end of the sweep. */
function usageFailure(error: unknown): { readonly code: string; readonly message: string } {
  if (!isMmulabError(error) || error.errorClass === 'internal') throw error;
  return { code: error.code, message: error.message.slice(`${error.code}: `.length) };
}

/** A run in which a KVM_RUN or a check of the test failed has a result, and falls short all the same. */
function unlessWhole({ failure, checks = [] }: RunResult): readonly ThresholdFailure[] {
  const failed = checks.filter(({ passed }) => !passed);
  return [
    ...(failure === undefined ? [] : [{ path: 'failure', condition: 'no KVM_RUN that fails', actual: 1 }]),
    ...failed.map(({ phase, name, relation, expected, actual = NaN }) => ({
      path: `checks.${phase}.${name}`,
      condition: `${relation} ${expected}`,
      actual,
    })),
  ];
}
