/**
 * What the lessons say is so.
 */
import { registry } from '../fixtures/registry';
import { LESSONS } from '.';
import { LessonRun } from './lesson-run';

describe('the lessons', () => {
  it('lead back to the same words', () => {
    const run = new LessonRun(LESSONS[3], registry);
    run.go(3);
    const { text } = run;
    run.go(8);
    run.session.seek(1);
    expect(run.hasWandered).toBe(true);
    run.go(3);
    expect([run.hasWandered, run.text]).toEqual([false, text]);
  });

  it('are five, one per source document, of a dozen steps each', () => {
    expect(LESSONS.map(lesson => lesson.steps.length)).toEqual([12, 12, 12, 12, 12]);
    expect(new Set(LESSONS.map(lesson => lesson.document)).size).toBe(5);
  });

  it.each(LESSONS.map(lesson => [lesson.title, lesson] as const))(
    '%s: every step holds what its text says, in a sentence or two',
    (_title, lesson) => {
      const run = new LessonRun(lesson, registry);
      const texts: string[] = [];
      lesson.steps.forEach((step, i) => {
        run.go(i);
        expect([i + 1, step.holds(run.facts)]).toEqual([i + 1, true]);
        texts.push(run.text);
      });
      expect(texts.filter(text => /undefined|NaN|Infinity/.test(text))).toEqual([]);
      expect(texts.map(text => text.match(/[.?](?= |$)/g)?.length ?? 0).filter(sentences => sentences < 1 || sentences > 3)).toEqual([]);
    },
  );
});
