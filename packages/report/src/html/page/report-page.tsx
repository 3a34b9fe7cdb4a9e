/**
 * The whole page: its stories one under the other, a list of them in front where there are several.
 */
import type { JSX } from 'preact';
import type { ReportData } from '../report-data';
import { CounterDocBar } from './counter-doc';
import { Story } from './story';
import { ThemeButton } from './theme-button';

/** A report. */
export function ReportPage({ data }: { readonly data: ReportData }): JSX.Element {
  const hasSeveral = data.stories.length > 1;
  return (
    <>
      <a class="skip" href="#report">
        To the report
      </a>
      <header>
        <h1>{data.title}</h1>
        <ThemeButton />
      </header>
      {hasSeveral && (
        <nav aria-label="Questions">
          <ol>
            {data.stories.map((story, at) => (
              <li>
                <a href={`#story-${at + 1}`}>{story.title}</a>
                {story.conclusions.length > 0 && <p>{story.conclusions[0]}</p>}
              </li>
            ))}
          </ol>
        </nav>
      )}
      <main id="report" tabIndex={-1}>
        {data.stories.map((story, at) => (
          <Story story={story} id={`story-${at + 1}`} isTitled={hasSeveral || story.title !== data.title} counterSets={data.counterSets} />
        ))}
      </main>
      <footer>Counts are exact, and the same for the same config and seed. Written by {data.madeBy}; this file needs nothing but itself.</footer>
      <CounterDocBar />
    </>
  );
}
