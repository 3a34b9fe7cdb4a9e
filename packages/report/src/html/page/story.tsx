/**
 * One question and its answer: what came out, what ran, the comparison, time where it was predicted, how it scales, every counter by phase, and how to run it again.
 */
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { compareRuns } from '../../compare';
import type { RunResult } from '@mmulab/api';
import { checksSheet } from '../../checks';
import { failureLines } from '../../failure';
import { hasTimes, publishedSpec } from '../chart-spec';
import { unpackRun, type GroupData, type ReportData, type StoryData } from '../report-data';
import { Chart } from './chart';
import { ComparisonView } from './comparison-view';
import { CountersView } from './counters-view';
import { DataTable } from './data-table';
import { MatrixView } from './matrix-view';
import { RerunView } from './rerun-view';
import { TimeView } from './time-view';

interface Props {
  readonly story: StoryData;
  readonly id: string;
  /** Whether the story's title stands above it; a lone story has that of the page. */
  readonly isTitled: boolean;
  readonly counterSets: ReportData['counterSets'];
}

/** From how many comparisons on the matrix comes first, and each comparison is opened by whoever wants it. */
const MANY_GROUPS = 3;

/** A story. */
export function Story({ story, id, isTitled, counterSets }: Props): JSX.Element {
  const runs = useMemo(() => story.runs.map(run => unpackRun(run, counterSets)), [story, counterSets]);
  const isWide = story.groups.length > MANY_GROUPS;
  return (
    <article id={id} aria-label={story.title}>
      {isTitled ? (
        <>
          <h2>{story.title}</h2>
          <p class="question">{story.question}</p>
        </>
      ) : (
        <h2 class="question">{story.question}</h2>
      )}
      {story.conclusions.length > 0 && (
        <ul class="conclusions">
          {story.conclusions.map(sentence => (
            <li>{sentence}</li>
          ))}
        </ul>
      )}
      {isWide && <MatrixView runs={runs} id={id} />}
      {story.groups.map((group, at) => (
        <Group
          group={group}
          runs={group.runs.flatMap(run => runs[run] ?? [])}
          place={story.groups.length === 1 ? 'alone' : isWide ? 'folded' : 'titled'}
          id={`${id}-${at + 1}`}
        />
      ))}
      {runs.length > 2 && !isWide && <MatrixView runs={runs} id={id} />}
      {story.published.length > 0 && (
        <section>
          <h3>Published and predicted</h3>
          {story.published.map(table => (
            <Chart spec={publishedSpec(table)} />
          ))}
        </section>
      )}
      {story.sheets.map(sheet => (
        <DataTable sheet={sheet} caption={sheet.title} />
      ))}
      {isTitled && runs.some(run => run.phases.length > 0) ? (
        <details class="more">
          <summary>Every counter by phase</summary>
          <CountersView runs={runs} id={id} />
        </details>
      ) : (
        <CountersView runs={runs} id={id} />
      )}
      <RerunView story={story} />
    </article>
  );
}

interface GroupProps {
  readonly group: GroupData;
  readonly runs: readonly RunResult[];
  /** Alone in its story, one of a few under titles of their own, or one of many. */
  readonly place: 'alone' | 'titled' | 'folded';
  readonly id: string;
}

function Group({ group, runs, place, id }: GroupProps): JSX.Element {
  const [isOpen, setOpen] = useState(place !== 'folded');
  const title = group.shared === '' ? group.title : group.shared;
  const body = isOpen ? <GroupBody group={group} runs={runs} isTitled={place !== 'alone'} id={id} /> : undefined;
  if (place !== 'folded') {
    return (
      <section class="group">
        {place === 'titled' && <h3>{title}</h3>}
        {body}
      </section>
    );
  }
  return (
    <details class="group" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>{title}</summary>
      {body}
    </details>
  );
}

function GroupBody({ group, runs, isTitled, id }: Omit<GroupProps, 'place'> & { readonly isTitled: boolean }): JSX.Element {
  const comparison = useMemo(() => (runs.length < 2 ? undefined : compareRuns(runs)), [runs]);
  const notes = [...new Set(runs.flatMap(run => run.notes))];
  const checked = runs.flatMap(run => checksSheet(run, run.name, { all: true }) ?? []);
  const failures = [...new Set(runs.flatMap(failureLines))];
  return (
    <>
      <div class="setup">
        {!isTitled && group.shared !== '' && <p>{group.shared}</p>}
        {group.settings.length > 0 && <SettingsTable group={group} />}
        {failures.map(failure => (
          <p class="failed" role="alert">
            {failure}
          </p>
        ))}
        {notes.length > 0 && (
          <details>
            <summary>
              {notes.length} note{notes.length === 1 ? '' : 's'} on the model
            </summary>
            <ul>
              {notes.map(note => (
                <li>{note}</li>
              ))}
            </ul>
          </details>
        )}
      </div>
      {comparison !== undefined && <ComparisonView comparison={comparison} id={id} />}
      {hasTimes(runs) && <TimeView runs={runs} />}
      {checked.map(sheet => (
        <DataTable sheet={sheet} caption={sheet.title} />
      ))}
    </>
  );
}

function SettingsTable({ group }: { readonly group: GroupData }): JSX.Element {
  const sheet = {
    keys: 1,
    columns: [
      { name: 'setting', align: 'left' as const },
      ...group.runs.map((_, at) => ({ name: at === 0 ? 'first run' : `run ${at + 1}`, align: 'left' as const })),
    ],
    rows: group.settings.map(({ path, values }) => [{ value: path, tone: 'strong' as const }, ...values]),
    notes: [],
  };
  return <DataTable sheet={sheet} caption="What differs between the runs" />;
}
