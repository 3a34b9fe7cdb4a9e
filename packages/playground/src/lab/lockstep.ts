/**
 * One or two runs gone through together. Steps are counted within phases: where one run takes fewer in a phase (fewer faults, so fewer events), it waits at its end for the other. Runs
 * whose phases differ go by the number of the step alone.
 */
import type { Lab, Survey } from './lab';

/** A phase of both runs. */
export interface SharedPhase {
  readonly name: string;
  readonly from: number;
  readonly steps: number;
}

export class Lockstep {
  /** Steps in all. */
  readonly steps: number;
  readonly phases: readonly SharedPhase[];

  constructor(private readonly surveys: readonly Survey[]) {
    const [first] = surveys;
    const isAlike = surveys.every(({ phases }) => phases.map(phase => phase.name).join() === first?.phases.map(phase => phase.name).join());
    const phases: SharedPhase[] = [];
    let from = 0;
    for (const [index, { name }] of (isAlike ? (first?.phases ?? []) : [{ name: '' }]).entries()) {
      const steps = Math.max(...surveys.map(survey => (isAlike ? stepsOf(survey, index) : survey.steps)));
      phases.push({ name, from, steps });
      from += steps;
    }
    this.steps = from;
    this.phases = phases;
    this.isAlike = isAlike;
  }

  private readonly isAlike: boolean;

  /** Where each run stands when `step` steps are done. */
  positions(step: number): readonly number[] {
    if (!this.isAlike) return this.surveys.map(survey => Math.min(step, survey.steps));
    const index = this.phaseAt(step);
    const phase = this.phases[index];
    const within = step - (phase?.from ?? 0);
    return this.surveys.map(survey => (survey.phases[index]?.from ?? 0) + Math.min(within, stepsOf(survey, index)));
  }

  /** Index of the phase that the last of `step` steps belongs to. */
  phaseAt(step: number): number {
    let index = 0;
    while (index + 1 < this.phases.length && (this.phases[index + 1]?.from ?? 0) < step) index++;
    return index;
  }
}

function stepsOf({ phases, steps }: Survey, index: number): number {
  return (phases[index + 1]?.from ?? steps) - (phases[index]?.from ?? 0);
}

/** Makes a lab stand where a number of its steps are done. @returns whether it took a step */
export function standAt(lab: Lab, position: number): boolean {
  if (lab.position === position) return false;
  if (lab.position + 1 === position) lab.forward();
  else lab.seek(position);
  return true;
}
