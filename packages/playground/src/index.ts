/**
 * A page with the engine inside. Reading order: the page as a file; and, without a page, a run to be stepped through.
 */
export { explorerPage, playgroundPage } from './explorer-page';
export type { PageSpec } from './explorer-page';
export { LESSONS } from './lessons';
export type { Lesson, LessonStep } from './lessons/lesson';
export { LessonRun } from './lessons/lesson-run';
export { Lab, MAX_STEPS } from './lab/lab';
export type { Survey } from './lab/lab';
export { Session } from './lab/session';
export { labConfigOf, resolveLab, workloadOf } from './lab/lab-config';
export type { LabConfig } from './lab/lab-config';
