/**
 * The lessons: which there are, the text of the step that is shown, and the way through.
 */
import type { JSX } from 'preact';
import { LESSONS } from '../lessons';
import type { Lesson } from '../lessons/lesson';
import type { LessonRun } from '../lessons/lesson-run';
import { useSession } from './hooks';

export interface LessonProps {
  readonly lesson: LessonRun;
  readonly choose: (lesson: Lesson) => void;
  /** Goes to a step of the lesson. */
  readonly go: (step: number) => void;
}

export function LessonView({ lesson, choose, go }: LessonProps): JSX.Element {
  useSession(lesson.session);
  const { steps, title, document: source, question } = lesson.lesson;
  const isElsewhere = lesson.hasWandered;
  return (
    <section class="lesson" aria-label="Lesson">
      <div class="lesson-list" role="group" aria-label="Lessons">
        {LESSONS.map(one => (
          <button type="button" key={one.id} aria-pressed={one === lesson.lesson} onClick={() => choose(one)}>
            {one.title}
          </button>
        ))}
      </div>
      <h2>{title}</h2>
      <p class="faint">{source}</p>
      <p>{question}</p>
      <div class="lesson-text" aria-live="polite">
        <p>
          <strong>
            {lesson.at + 1} of {steps.length}
          </strong>{' '}
          {isElsewhere ? 'You have gone elsewhere in the run; Next and Previous lead back.' : lesson.text}
        </p>
      </div>
      <div class="controls">
        <button type="button" onClick={() => go(lesson.at - 1)} disabled={lesson.at === 0}>
          ◀ Previous
        </button>
        <button type="button" class="main" onClick={() => go(lesson.at + 1)} disabled={lesson.at + 1 === steps.length}>
          Next ▶
        </button>
      </div>
    </section>
  );
}
