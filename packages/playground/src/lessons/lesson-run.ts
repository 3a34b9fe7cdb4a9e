/**
 * A lesson under way: the session its scene is in, moved from step to step. Going back performs the steps before again.
 */
import type { Registry } from '@mmulab/runner';
import { resolveRuns } from '@mmulab/runner';
import { labConfigOf } from '../lab/lab-config';
import { Session } from '../lab/session';
import type { Lesson, LessonStep, Move } from './lesson';
import { LessonFacts } from './lesson-facts';

export class LessonRun {
  session: Session;
  at = -1;
  /** Where the session stood when the step of the lesson was reached. */
  private stood = 0;

  constructor(
    readonly lesson: Lesson,
    private readonly registry: Registry,
  ) {
    this.session = this.scene(0);
    this.go(0);
  }

  get step(): LessonStep {
    return this.lesson.steps[this.at];
  }

  /** Whether the run was moved beside the lesson: its text would speak of something else. */
  get hasWandered(): boolean {
    return this.session.step !== this.stood;
  }

  get facts(): LessonFacts {
    return new LessonFacts(this.session);
  }

  get text(): string {
    return this.step.say(this.facts);
  }

  /** Goes to a step of the lesson. */
  go(step: number): void {
    if (step <= this.at || this.hasWandered) {
      this.session = this.scene(0);
      this.at = -1;
    }
    while (this.at < step && this.at + 1 < this.lesson.steps.length) {
      this.at++;
      for (const move of this.step.go) this.make(move);
    }
    this.stood = this.session.step;
  }

  private scene(scene: number): Session {
    const configs = (this.lesson.scenes[scene] ?? []).flatMap(raw => resolveRuns(raw, this.registry)).map(run => labConfigOf(run, this.registry));
    return new Session(configs, this.registry);
  }

  private make(move: Move): void {
    if ('scene' in move) this.session = this.scene(move.scene);
    else if ('phase' in move) this.session.seek(this.phase(move.phase).from + (move.steps ?? 0));
    else if ('endOf' in move) this.session.seek(this.phase(move.endOf).from + this.phase(move.endOf).steps);
    else if ('steps' in move) this.session.seek(this.session.step + move.steps);
    else if ('until' in move) this.seekCounter(move.until, move.side ?? 0);
    else this.session.select(this.session.window.base + move.page);
  }

  private phase(name: string): { readonly from: number; readonly steps: number } {
    const found = this.session.lockstep.phases.find(phase => phase.name === name);
    if (found === undefined) throw new RangeError(`${this.lesson.id}: no phase ${name}`);
    return found;
  }

  private seekCounter(counter: string, side: number): void {
    do this.session.seek(this.session.step + 1);
    while (this.facts.step(counter, side) === 0 && !this.session.isOver);
  }
}
