/**
 * The whole page: what to run, or a lesson; and the run.
 */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { LabConfig } from '../lab/lab-config';
import { Session } from '../lab/session';
import { LESSONS } from '../lessons';
import { LessonRun } from '../lessons/lesson-run';
import type { PageData } from '../page-data';
import { registry } from './engine';
import { ExplorerView } from './explorer-view';
import { LessonView } from './lesson-view';
import { SetupView } from './setup-view';
import { SourcesContext } from './source-link';
import { ThemeButton } from './theme-button';

/** Where the console and tests find what is shown. */
function shown(session: Session): Session {
  Object.assign(globalThis, { mmulabSession: session });
  return session;
}

export function App({ data }: { readonly data: PageData }): JSX.Element {
  const [lesson, setLesson] = useState(() => (data.lessons ? new LessonRun(LESSONS[0], registry) : undefined));
  const [session, setSession] = useState(() => shown(lesson?.session ?? new Session(data.runs, registry)));
  const run = (configs: readonly LabConfig[]): string | undefined => {
    try {
      setLesson(undefined);
      setSession(shown(new Session(configs, registry)));
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const teach = (next: LessonRun, step: number): void => {
    next.go(step);
    setLesson(next);
    setSession(shown(next.session));
    next.session.select(next.session.selected);
  };
  return (
    <SourcesContext.Provider value={data.sources}>
      <a class="skip" href="#run">
        To the run
      </a>
      <header>
        <h1>{data.lessons ? 'Playground' : 'Explorer'}: second-stage page tables, step by step</h1>
        <ThemeButton changed={() => session.select(session.selected)} />
      </header>
      <main id="run">
        {lesson === undefined ? null : (
          <LessonView lesson={lesson} choose={next => teach(new LessonRun(next, registry), 0)} go={step => teach(lesson, step)} />
        )}
        {lesson === undefined && data.lessons ? (
          <button type="button" onClick={() => teach(new LessonRun(LESSONS[0], registry), 0)}>
            Back to the lessons
          </button>
        ) : null}
        <details class="setup-details">
          <summary>What to run</summary>
          <SetupView configs={data.runs} run={run} />
        </details>
        <ExplorerView session={session} />
      </main>
      <footer>
        <p>{data.madeBy}. The engine runs in this page; nothing leaves it.</p>
      </footer>
    </SourcesContext.Provider>
  );
}
