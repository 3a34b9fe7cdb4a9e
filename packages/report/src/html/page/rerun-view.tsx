/**
 * How to get the same numbers again: the command as it was typed, and each run's config with every value resolved.
 */
import type { JSX } from 'preact';
import { runLabels } from '../../settings';
import { unpackRun, type RunData, type StoryData } from '../report-data';
import { saveText } from './clipboard';
import { CopyButton } from './copy-button';

/** From how many on configs stand in a list that is opened by whoever wants them. */
const MANY = 6;

/** Command and configs. */
export function RerunView({ story }: { readonly story: StoryData }): JSX.Element {
  const labels =
    story.runs.length < 2 ? [story.runs[0]?.name ?? ''] : runLabels(story.runs.map(run => unpackRun(run, []))).map(lines => lines.join(', '));
  return (
    <section class="rerun">
      <h3>Run it again</h3>
      {story.command !== '' && (
        <>
          <pre tabIndex={0} aria-label="Command">
            {story.command}
          </pre>
          <p class="buttons">
            <CopyButton label="Copy the command" text={() => story.command} />
          </p>
        </>
      )}
      {story.runs.length > MANY ? (
        <details>
          <summary>Configs of all {story.runs.length} runs</summary>
          <Configs runs={story.runs} labels={labels} />
        </details>
      ) : (
        <Configs runs={story.runs} labels={labels} />
      )}
    </section>
  );
}

function Configs({ runs, labels }: { readonly runs: readonly RunData[]; readonly labels: readonly string[] }): JSX.Element {
  return (
    <>
      {runs.map((run, at) => (
        <details>
          <summary>
            Config of {labels[at]}, seed {run.seed}
          </summary>
          <pre tabIndex={0} aria-label={`Config of ${labels[at] ?? ''}`}>
            {JSON.stringify(run.config, undefined, 2)}
          </pre>
          <p class="buttons">
            <CopyButton label="Copy the config" text={() => JSON.stringify(run.config, undefined, 2)} />
            <button type="button" onClick={() => saveText(`run-${at + 1}.json`, 'application/json', `${JSON.stringify(run.config, undefined, 2)}\n`)}>
              Save it as run-{at + 1}.json
            </button>
          </p>
        </details>
      ))}
    </>
  );
}
